from typing import Any

import pytest

from tests.cli.conftest import Shell, ended, fill, until_told
from tests.conftest import StartMachine
from vmsnap_tui.lab.machines import Machine


async def _status(web: Machine) -> Any:
    (job,) = await web.lab.execute("query-block-jobs")
    return job


async def test_a_job_is_paused_resumed_hastened_and_cancelled(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine(extra_monitor=True)
    await fill(web)
    process = await shell.start(
        "backup", "web-01", "--speed", "64K", "--json", machine=web
    )
    await until_told(process, '"done_bytes"')
    beside = ("--connect", f"qmp://{web.directory}/qmp2.sock?name=web-01")
    job = (await _status(web))["device"]

    assert (await shell.run(*beside, "job", "pause", job)).code == 0
    assert (await _status(web))["paused"]
    assert (await shell.run(*beside, "job", "resume", job)).code == 0
    assert not (await _status(web))["paused"]
    assert (await shell.run(*beside, "job", "speed", job, "128K")).code == 0
    assert (await _status(web))["speed"] == 128 * 1024

    refused = await shell.run(*beside, "job", "cancel", job)
    assert refused.code == 4 and "--yes" in refused.err
    read = await shell.run(*beside, "job", "cancel", job, "--dry-run", "--json")
    assert read.document["outcome"] == "planned"
    assert (await _status(web))["device"] == job
    done = await shell.run(*beside, "job", "cancel", job, "--yes", "--json")
    assert done.code == 0 and done.document["action"] == "cancel"
    broken = await ended(process)
    assert broken.code == 5 and broken.document["outcome"] == "failed-and-undone"


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("pause", "nobody"), 10),
        (("speed", "nobody"), 2),
        (("pause", "nobody", "1M"), 2),
        (("stop", "nobody"), 2),
    ],
)
async def test_what_makes_no_sense_is_refused(
    shell: Shell, machine: StartMachine, words: tuple[str, ...], code: int
) -> None:
    said = await shell.run("job", *words, machine=await machine())
    assert (said.code, said.out) == (code, "")
