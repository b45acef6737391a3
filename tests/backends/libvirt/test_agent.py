import asyncio
import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import StartDomain
from vmsnap_tui.backends.agent import AgentRefused, AgentSilent
from vmsnap_tui.backends.libvirt.agent import LibvirtAgent
from vmsnap_tui.engine.freezing import FreezeGuard, read_report, thaw_directly
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.domains import Domain

Guests = Callable[[Domain], LibvirtAgent]


def address(domain: Domain) -> str:
    return f"libvirt:{domain.uuid}@{domain.connection}"


@pytest.fixture
def agent_of() -> Iterator[Guests]:
    made: list[LibvirtAgent] = []

    def connect(domain: Domain) -> LibvirtAgent:
        made.append(LibvirtAgent(address(domain)))
        made[-1].connect(5)
        return made[-1]

    yield connect
    for agent in made:
        agent.close()


async def stop_agent(domain: Domain) -> None:
    """SIGSTOP: the channel stays open, and nobody answers."""
    words = {"path": "/bin/sh", "arg": ["-c", "sleep 0.2; kill -STOP $(pidof qemu-ga)"]}
    command = json.dumps({"execute": "guest-exec", "arguments": words})
    await domain.libvirtd.virsh("qemu-agent-command", domain.name, command)
    while True:
        ping = '{"execute": "guest-ping"}'
        words_of_ping = ("qemu-agent-command", domain.name, ping, "--timeout", "1")
        try:
            await domain.libvirtd.virsh(*words_of_ping)
        except Exception as error:  # noqa: BLE001 - the lab's own, whatever it says
            assert "agent" in str(error).lower()
            return


async def in_thread(function: Callable[..., Any], *values: object) -> Any:
    return await asyncio.to_thread(function, *values)


@pytest.mark.libvirt
@pytest.mark.guest
async def test_freezes_thaws_and_tells_which_it_is(
    guest_domain: StartDomain, agent_of: Guests
) -> None:
    domain = await guest_domain()
    agent = await in_thread(agent_of, domain)
    await in_thread(agent.sync, 5.0)
    assert await in_thread(agent.status, 5.0) == "thawed"
    assert await in_thread(agent.freeze, 5.0) == 1
    assert await in_thread(agent.status, 5.0) == "frozen"
    with pytest.raises(AgentRefused, match="frozen state"):
        await in_thread(agent.freeze, 5.0)
    assert await in_thread(agent.thaw, 5.0) == 1
    assert await in_thread(agent.thaw, 5.0) == 0
    assert await in_thread(agent.status, 5.0) == "thawed"
    log = domain.libvirtd.log(domain.name).read_text(errors="replace")
    assert "custom-ga-command" not in log, "it left no mark on the domain"


@pytest.mark.libvirt
@pytest.mark.guest
async def test_an_agent_that_hangs_is_silent_within_the_limit(
    guest_domain: StartDomain, agent_of: Guests
) -> None:
    domain = await guest_domain()
    agent = await in_thread(agent_of, domain)
    await in_thread(agent.sync, 5.0)
    await stop_agent(domain)
    for ask in (agent.status, agent.freeze, agent.thaw):
        began_s = time.monotonic()
        with pytest.raises(AgentSilent):
            await in_thread(ask, 1.0)
        assert time.monotonic() - began_s < 4.0
        agent = await in_thread(agent_of, domain)
    assert await domain.libvirtd.virsh("domstate", domain.name) == "running"


@pytest.mark.libvirt
@pytest.mark.guest
async def test_the_guard_thaws_over_a_restart_of_libvirtd(
    guest_domain: StartDomain, lab_directory: Path
) -> None:
    domain = await guest_domain()
    report = lab_directory / "report"
    guard = FreezeGuard(address(domain), 30.0, report)
    await guard.arm()
    assert await guard.freeze() == 1
    await domain.libvirtd.kill()
    thawing = asyncio.create_task(guard.thaw())
    await domain.libvirtd.start()
    told = await thawing
    assert told.thawed_s is not None
    assert not read_report(report).may_be_frozen
    assert await thaw_directly(address(domain)) == 0, "it is thawed already"


@pytest.mark.libvirt
@pytest.mark.guest
async def test_a_guest_without_a_guard_is_thawed_directly(
    guest_domain: StartDomain,
) -> None:
    domain = await guest_domain()
    await domain.libvirtd.virsh("domfsfreeze", domain.name)
    assert await thaw_directly(address(domain)) == 1


def test_a_daemon_that_hangs_is_silence(lab_directory: Path) -> None:
    """It takes connections, and answers none."""
    path = lab_directory / "libvirt-sock"
    with socket.socket(socket.AF_UNIX) as hanging:
        hanging.bind(str(path))
        hanging.listen()
        name = "00000000-0000-0000-0000-00000000000a"
        agent = LibvirtAgent(f"libvirt:{name}@qemu:///system?socket={path}")
        began_s = time.monotonic()
        with pytest.raises(AgentSilent, match="no answer within"):
            agent.connect(0.5)
        with pytest.raises(AgentSilent, match="not connected"):
            agent.thaw(0.5)
        assert time.monotonic() - began_s < 3.0


@pytest.mark.libvirt
async def test_a_qemu_that_hangs_is_silence(
    domain: StartDomain, agent_of: Guests
) -> None:
    web = await domain(DiskSpec("vda"))
    agent = await in_thread(agent_of, web)
    await web.signal("STOP")
    with pytest.raises((AgentSilent, AgentRefused)):
        await in_thread(agent.status, 1.0)
    await web.signal("CONT")


@pytest.mark.libvirt
async def test_no_agent_no_machine_and_no_libvirt_are_told(domain: StartDomain) -> None:
    web = await domain(DiskSpec("vda"), agent=False)
    agent = LibvirtAgent(address(web))
    await in_thread(agent.connect, 5.0)
    with pytest.raises(AgentRefused, match="not configured|not running"):
        await in_thread(agent.status, 5.0)
    await in_thread(agent.close)
    other = "00000000-0000-0000-0000-00000000000a"
    with pytest.raises(AgentRefused, match="no domain"):
        await in_thread(LibvirtAgent(f"libvirt:{other}@{web.connection}").connect, 5.0)
    await web.libvirtd.kill()
    with pytest.raises(AgentSilent):
        await in_thread(agent.connect, 5.0)
    with pytest.raises(AgentSilent, match="not connected"):
        await in_thread(agent.thaw, 5.0)


def test_a_malformed_address_is_refused() -> None:
    with pytest.raises(AgentRefused):
        LibvirtAgent("libvirt:x@qemu:/nowhere").connect(5.0)


def test_importing_it_starts_no_event_loop() -> None:
    """The freeze guard that uses it must be there soon."""
    code = (
        "import threading, vmsnap_tui.backends.libvirt.agent, sys;"
        "assert threading.active_count() == 1;"
        "assert 'asyncio' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
