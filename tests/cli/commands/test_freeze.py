import signal

import pytest

from tests.cli.conftest import Shell, ended, until_told
from tests.conftest import StartMachine


@pytest.mark.guest
async def test_a_guest_is_frozen_for_so_long_and_thawed(
    shell: Shell, guest_machine: StartMachine
) -> None:
    web = await guest_machine()
    said = await shell.run("freeze", "web-01", "--for", "0.2", "--json", machine=web)
    assert said.code == 0 and said.document["filesystems"] >= 1
    assert 0.2 <= said.document["freeze_window_s"] < 10
    assert await web.ask_agent("guest-fsfreeze-status") == "thawed"


@pytest.mark.guest
async def test_ctrl_c_thaws(shell: Shell, guest_machine: StartMachine) -> None:
    web = await guest_machine()
    process = await shell.start("freeze", "web-01", "--for", "60", machine=web)
    await until_told(process, "freezing")
    process.send_signal(signal.SIGINT)
    assert (await ended(process)).code == 130
    assert await web.ask_agent("guest-fsfreeze-status") == "thawed"


async def test_a_machine_without_an_answering_agent_says_so(
    shell: Shell, machine: StartMachine
) -> None:
    said = await shell.run(
        "freeze", "web-01", "--for", "1", "--json", machine=await machine()
    )
    assert said.code == 5 and said.out == ""
    assert "agent" in said.told[-1]["cause"]
