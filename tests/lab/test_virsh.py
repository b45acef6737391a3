"""virsh that is kept running answers each command, and hears of jobs that end."""

from pathlib import Path

import pytest

from tests.conftest import StartDomain, StartLibvirtd
from vmsnap_tui.lab.monitor import LabFailed
from vmsnap_tui.lab.virsh import jobs_ended, virsh

pytestmark = pytest.mark.libvirt


async def test_each_command_gets_its_own_answer(libvirtd: StartLibvirtd) -> None:
    daemon = await libvirtd()
    async with virsh(daemon.uri) as shell:
        assert await shell.ask("uri") == daemon.uri
        with pytest.raises(LabFailed, match="failed to get domain 'nosuch'"):
            await shell.ask("domstate nosuch")
        assert await shell.ask("uri") == daemon.uri


async def test_a_virsh_that_cannot_connect_says_so(tmp_path: Path) -> None:
    with pytest.raises(LabFailed, match="error: "):
        async with virsh(f"qemu:///system?socket={tmp_path}/none"):
            pass


async def test_a_job_that_failed_is_heard_and_raised(
    domain: StartDomain, lab_directory: Path
) -> None:
    web = await domain()
    uri = web.connection
    backup = lab_directory / "backup.xml"
    pull = "<domainbackup mode='pull'><server transport='unix' socket='{}'/>"
    backup.write_text(f"{pull.format(lab_directory / 's')}</domainbackup>")
    async with virsh(uri) as shell, jobs_ended(uri, web.name, shell) as ended:
        await shell.ask(f"backup-begin {web.name} {backup}")
        await shell.ask(f"destroy {web.name}")
        with pytest.raises(LabFailed, match="the job failed"):
            await ended.wait()
