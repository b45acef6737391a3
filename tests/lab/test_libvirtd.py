"""A private libvirtd has everything of its own, and nothing of it is left."""

import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.conftest import StartDomain, StartLibvirtd
from vmsnap_tui.lab import libvirtd as lab_libvirtd
from vmsnap_tui.lab.libvirtd import Libvirtd, with_account
from vmsnap_tui.lab.monitor import LabFailed

pytestmark = pytest.mark.libvirt

as_root = pytest.mark.skipif(
    os.geteuid() != 0, reason="only root has users beside himself"
)


async def test_two_daemons_do_not_know_each_other(libvirtd: StartLibvirtd) -> None:
    one, two = await libvirtd(), await libvirtd()
    xml = one.directory / "x.xml"
    xml.write_text(
        "<domain type='qemu'><name>mine</name><memory>16384</memory>"
        "<os><type arch='x86_64' machine='pc'>hvm</type></os></domain>"
    )
    await one.virsh("define", str(xml))
    assert await one.virsh("list", "--all", "--name") == "mine"
    assert await two.virsh("list", "--all", "--name") == ""
    assert not Path("/etc/libvirt/qemu/mine.xml").exists()


@pytest.mark.parametrize("end", [Libvirtd.kill, Libvirtd.terminate])
async def test_domains_outlive_the_daemon_alone(
    domain: StartDomain, end: Callable[[Libvirtd], Awaitable[None]]
) -> None:
    web = await domain()
    daemon = web.libvirtd
    await end(daemon)
    assert not daemon.running
    assert await web.qemu_io("vda", "write -P 7 0 64k")
    with pytest.raises(LabFailed, match="virsh failed"):
        await daemon.virsh("list")
    await daemon.start()
    assert await daemon.virsh("list", "--name") == "web-01"


async def test_it_is_started_once(libvirtd: StartLibvirtd) -> None:
    with pytest.raises(LabFailed, match="runs already"):
        await (await libvirtd()).start()


async def test_after_a_stop_its_domains_are_off(domain: StartDomain) -> None:
    web = await domain()
    await web.libvirtd.stop()
    await web.libvirtd.start()
    assert await web.state() == "shut off"
    await web.start()
    assert await web.state() == "paused"


async def test_a_daemon_that_cannot_start_says_why(lab_directory: Path) -> None:
    daemon = Libvirtd(lab_directory / "l")
    await daemon.start()
    await daemon.kill()
    place = "etc" if os.geteuid() == 0 else "config/libvirt"
    (daemon.directory / place / "libvirtd.conf").write_text("no_such = {")
    try:
        with pytest.raises(LabFailed, match="libvirtd did not start"):
            await daemon.start()
    finally:
        await daemon.stop()


async def test_inside_the_default_uri_is_this_daemon(domain: StartDomain) -> None:
    web = await domain()
    if os.geteuid() == 0:
        said = await web.libvirtd.inside(
            "virsh", "-q", "-c", "qemu:///system", "list", "--name"
        )
        assert said.strip() == "web-01"


@as_root
@pytest.mark.parametrize(
    ("others", "may_read", "may_write"),
    [("none", False, False), ("read", True, False), ("write", True, True)],
)
async def test_others_may_what_they_were_given(
    libvirtd: StartLibvirtd, others: str, may_read: bool, may_write: bool
) -> None:
    daemon = await libvirtd(others=others)
    assert _nobody_lists(daemon.read_only_uri) == may_read
    assert _nobody_lists(daemon.uri) == may_write


def _nobody_lists(uri: str) -> bool:
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
    done = subprocess.run(
        [*nobody, "virsh", "-q", "-c", uri, "list"], capture_output=True, check=False
    )
    return done.returncode == 0


@as_root
async def test_qemu_runs_as_the_user_that_was_asked_for(
    libvirtd: StartLibvirtd, domain: StartDomain
) -> None:
    web = await domain(daemon=await libvirtd(qemu_user="nobody"))
    assert web.active("vda").owner() == "nobody"
    assert await web.qemu_io("vda", "write -P 7 0 64k")
    await web.destroy()
    assert web.active("vda").owner() == "root", "remembered and given back"


def test_what_is_missing_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert lab_libvirtd.unavailable() == ""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(lab_libvirtd, "_PATH", str(tmp_path))
    assert lab_libvirtd.unavailable() == "not installed: libvirtd, virsh"


@as_root
def test_a_user_of_nobody_is_refused(lab_directory: Path) -> None:
    assert Libvirtd(lab_directory / "l", qemu_user="libvirt-qemu").qemu_ids > (0, 0)
    with pytest.raises(LabFailed, match="no such user"):
        _ = Libvirtd(lab_directory / "l", qemu_user="no-such").qemu_ids


def test_an_account_is_added_once() -> None:
    root, qemu = "root:x:0:\n", "qemu:x:1:\n"
    assert with_account(root, qemu) == root + qemu
    assert with_account(root + qemu, "qemu:x:2:\n") == root + qemu


_ORDINARY = """
import asyncio, sys
from pathlib import Path
from vmsnap_tui.lab.command_line import MachineSpec
from vmsnap_tui.lab.domains import Domain
from vmsnap_tui.lab.libvirtd import Libvirtd

async def main():
    directory = Path(sys.argv[1])
    daemon = Libvirtd(directory / "l")
    await daemon.start()
    web = Domain(MachineSpec("web-01"), directory / "d", daemon)
    await web.define()
    await web.start()
    print(daemon.uri, await web.state(), await web.qemu_io("vda", "write -P 7 0 64k"))
    await daemon.kill()
    await daemon.start()
    await web.kill()
    print(await web.state())
    await daemon.stop()

asyncio.run(main())
"""


@as_root
def test_an_ordinary_user_has_a_session_daemon(lab_directory: Path) -> None:
    lab_directory.chmod(0o711)
    mine = lab_directory / "mine"
    mine.mkdir()
    os.chown(mine, 65534, 65534)
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    done = subprocess.run(
        [*nobody, sys.executable, "-c", _ORDINARY, mine],
        # the system's own, whatever release the other tests are for
        env={"PATH": os.defpath, "VMSNAP_LAB_CACHE": str(mine / "cache")},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("qemu:///session?socket=")
    assert "paused wrote 65536" in done.stdout
    assert done.stdout.rstrip().endswith("shut off")
