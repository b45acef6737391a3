from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Shell, ended, fill, until_told
from tests.cli.libvirt_host import Host
from tests.conftest import StartMachine
from vmsnap_tui.errors import ExitCode, PlanRefused
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.model.job import Job, JobStatus
from vmsnap_tui.tui.scenes_libvirt import FAR, REMOTE, SHOP, SYSTEM
from vmsnap_tui.tui.still import Still, StillConnection


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


_JOB = Job("backup-vda", "backup", JobStatus.RUNNING, 1, 2, target="vda")


@pytest.mark.parametrize("action", ["pause", "resume"])
async def test_libvirt_can_neither_pause_nor_resume(
    tmp_path: Path, action: str
) -> None:
    vm = replace(SHOP, jobs=(_JOB,))
    host = Host(Still((StillConnection(SYSTEM, vm),)), tmp_path)
    with pytest.raises(PlanRefused) as refused:
        await host.run("job", action, _JOB.id, "--dry-run")
    assert refused.value.exit_code is ExitCode.REFUSED
    assert "neither pause a job nor resume" in refused.value.evidence
    assert await host.run("job", "cancel", _JOB.id, "--dry-run") is ExitCode.DONE


async def test_who_may_only_read_is_told_which_right_is_missing(tmp_path: Path) -> None:
    vm = replace(FAR[0], jobs=(_JOB,))
    host = Host(Still((StillConnection(REMOTE, vm),)), tmp_path)
    for words in (("cancel", _JOB.id, "--yes"), ("speed", _JOB.id, "1M")):
        with pytest.raises(PlanRefused, match="usermod -aG libvirt"):
            await host.run("job", *words)
