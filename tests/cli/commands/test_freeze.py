import signal
from pathlib import Path

import pytest

from tests.cli.conftest import Shell, ended, until_told
from tests.cli.libvirt_host import Host
from tests.conftest import StartMachine
from vmsnap_tui.errors import ExitCode, PlanRefused
from vmsnap_tui.tui.scenes_libvirt import HOST


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


@pytest.mark.parametrize(
    ("name", "reason"),
    [("build-03", "org.qemu.guest_agent.0"), ("dns-01", "belongs to root:libvirt")],
)
async def test_what_libvirt_cannot_freeze_is_refused_with_the_reason(
    tmp_path: Path, name: str, reason: str
) -> None:
    with pytest.raises(PlanRefused) as refused:
        await Host(HOST, tmp_path).run("freeze", name, "--for", "1")
    assert refused.value.exit_code is ExitCode.REFUSED
    assert reason in str(refused.value)
