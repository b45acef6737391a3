from tests.cli.conftest import Shell
from tests.conftest import StartMachine


async def test_no_jobs_of_an_unreachable_machine_is_no_empty_list(shell: Shell) -> None:
    said = await shell.run("--connect", "qmp:///nobody.sock", "jobs", "--json")
    assert (said.code, said.out) == (8, "")


async def test_a_busy_monitor_is_said_to_be(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    events = await shell.start("events", machine=web)
    assert events.stdout is not None
    await events.stdout.readline()
    said = await shell.run("jobs", "--json", machine=web)
    assert said.code == 8 and "busy" in said.told[-1]["evidence"]


async def test_what_is_up_is_told_beside_what_is_down(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine()
    said = await shell.run(
        "--connect", "qmp:///nobody.sock", "jobs", "--json", machine=web
    )
    assert (said.code, said.document) == (3, [])
    assert "nobody.sock" in said.told_of("warning")[0]["text"]
