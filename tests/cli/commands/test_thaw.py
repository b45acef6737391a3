import pytest

from tests.cli.conftest import Shell
from tests.conftest import StartMachine


@pytest.mark.guest
async def test_a_frozen_guest_is_thawed(
    shell: Shell, guest_machine: StartMachine
) -> None:
    web = await guest_machine()
    frozen = await web.ask_agent("guest-fsfreeze-freeze")
    said = await shell.run("thaw", "web-01", "--json", machine=web)
    assert said.code == 0
    assert said.document == {"vm": "web-01", "filesystems": frozen}
    assert await web.ask_agent("guest-fsfreeze-status") == "thawed"


async def test_an_unknown_machine_is_10(shell: Shell, machine: StartMachine) -> None:
    assert (await shell.run("thaw", "db-01", machine=await machine())).code == 10
