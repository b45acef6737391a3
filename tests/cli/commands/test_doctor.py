import signal

from tests.cli.conftest import Shell, fill, stop_in_mid_copy
from tests.conftest import StartMachine


async def test_a_healthy_machine_has_no_findings(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    assert (await shell.run("backup", "web-01", machine=web)).code == 0
    said = await shell.run("doctor", "--json", machine=web)
    assert (said.code, said.document) == (0, [])


async def test_what_a_killed_run_left_is_found_with_its_remedy(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    await fill(web)
    process = await shell.start(
        "backup", "web-01", "--speed", "64K", "--json", machine=web
    )
    await stop_in_mid_copy(process, signal.SIGKILL)
    await process.wait()
    said = await shell.run("doctor", "web-01", "--json", machine=web)
    assert said.code == 3
    found = {finding["kind"]: finding for finding in said.document}
    assert "recover" in found["unfinished-operation"]["remedy"]
    assert {"subject", "evidence", "severity"} <= set(found["unfinished-operation"])
