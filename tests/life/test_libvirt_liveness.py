"""What happens elsewhere is on the screen at once, and nobody had to ask for it.

Nothing is looked at now and then here: only what libvirt tells can be why the screen
changed. Deadlines are the promise itself, and not a wait.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.conftest import StartDomain, StartLibvirtd
from tests.tui.operation_stage import shown
from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.entry import GARBAGE_AFTER_OBJECTS
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.lab.domains import Domain
from vmsnap_tui.lab.libvirtd import Libvirtd
from vmsnap_tui.tui import launch
from vmsnap_tui.tui.app import VmsnapApp
from vmsnap_tui.tui.scene import WIDE
from vmsnap_tui.units import MiB

pytestmark = pytest.mark.libvirt

AT_ONCE_S = 1.0
BACK_S = 5.0
"""From libvirtd being there again."""
PATIENCE_S = 30.0
NEVER_S = 3600.0
LOOK_S = 0.02
STEP_S = 0.1
MANY = 1000

Open = Callable[[str], AbstractAsyncContextManager["Screen"]]


class Screen:
    """What an operator who does not touch a key gets to see."""

    def __init__(self, app: VmsnapApp, pilot: Pilot[None]) -> None:
        self.app = app
        self._pilot = pilot

    @property
    def text(self) -> str:
        return shown(self._pilot)

    def row(self, name: str) -> str:
        """The machine's line in the list, without the pane beside it."""
        lines = [line.partition("│")[0] for line in self.text.splitlines()]
        return next((line for line in lines if name in line.split()), "")

    async def within(self, limit_s: float, condition: Callable[[], bool]) -> float:
        """How long it took; past the limit the test fails with the screen.

        `Pilot.pause` would wait for a quiet moment, for as long as the limit itself.
        """
        holds = asyncio.Event()

        def look() -> None:
            if condition():
                holds.set()

        looking = self.app.set_interval(LOOK_S, look)
        began_s = time.monotonic()
        try:
            async with asyncio.timeout(limit_s):
                await holds.wait()
        except TimeoutError:
            pytest.fail(f"not within {limit_s:g} s:\n{self.text}")
        finally:
            looking.stop()
        return time.monotonic() - began_s

    async def at_once(self, condition: Callable[[], bool]) -> None:
        await self.within(AT_ONCE_S, condition)


@pytest.fixture
def watching(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """`async with watching(uri) as screen`: Home at 120x36, once all has been read."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for polled in ("GLANCE_S", "JOB_POLL_S"):
        monkeypatch.setattr(f"vmsnap_tui.engine.fleet.{polled}", NEVER_S)

    @asynccontextmanager
    async def open_(uri: str) -> AsyncIterator[Screen]:
        there = tmp_path / "repository", tmp_path / "state"
        app = VmsnapApp(Engine(Settings((uri,), *there)), place="lab")
        async with app.run_test(size=WIDE, notifications=True) as pilot:
            screen = Screen(app, pilot)
            await screen.within(PATIENCE_S, lambda: app.observed.records_read)
            yield screen

    return open_


async def test_a_machine_comes_changes_and_goes(
    domain: StartDomain, libvirtd: StartLibvirtd, watching: Open
) -> None:
    daemon = await libvirtd()
    async with watching(daemon.uri) as screen:
        web = await domain(off=True, daemon=daemon)
        await screen.at_once(lambda: "off" in screen.row("web-01"))
        await web.start(paused=False)
        await screen.at_once(lambda: "running" in screen.row("web-01"))
        await daemon.virsh("suspend", "web-01")
        await screen.at_once(lambda: "paused" in screen.row("web-01"))
        await daemon.virsh("resume", "web-01")
        await screen.at_once(lambda: "running" in screen.row("web-01"))
        await web.destroy()
        await screen.at_once(lambda: "off" in screen.row("web-01"))
        await daemon.virsh("domrename", "web-01", "shop-01")
        await screen.at_once(lambda: "off" in screen.row("shop-01"))
        assert not screen.row("web-01")
        await daemon.virsh("undefine", "shop-01")
        await screen.at_once(lambda: not screen.row("shop-01"))


async def test_a_snapshot_by_somebody_else_is_in_the_chain(
    domain: StartDomain, watching: Open
) -> None:
    web = await domain()
    async with watching(web.connection) as screen:
        assert screen.row("web-01").split()[-1] == "1"
        disk = f"vda,file={web.directory / 'overlay.qcow2'}"
        words = ["--disk-only", "--diskspec", disk]
        await web.libvirtd.virsh("snapshot-create-as", "web-01", "s1", *words)
        await screen.at_once(lambda: "overlay.qcow2" in screen.text)
        assert screen.row("web-01").split()[-1] == "2"
        merge = ["blockcommit", "web-01", "vda", "--active", "--pivot"]
        await web.libvirtd.virsh(*merge)
        await screen.at_once(lambda: "overlay.qcow2" not in screen.text)
        assert screen.row("web-01").split()[-1] == "1"


async def _copying(web: Domain) -> None:
    copy = str(web.directory / "copy.qcow2")
    words = ["--transient-job", "--bytes", "--bandwidth", "65536", "--format", "qcow2"]
    await web.libvirtd.virsh("blockcopy", "web-01", "vda", copy, *words)


async def test_a_job_by_somebody_else_shows_and_so_does_its_end(
    domain: StartDomain, watching: Open
) -> None:
    web = await domain(DiskSpec("vda", size_bytes=64 * MiB))
    await web.qemu_io("vda", "write -P 7 0 4M")
    async with watching(web.connection) as screen:
        await _copying(web)
        await screen.at_once(lambda: "mirror" in screen.text)
        assert "● 1 job" in screen.text
        await web.libvirtd.virsh("blockjob", "web-01", "vda", "--abort")
        await screen.at_once(lambda: "mirror" not in screen.text)
        assert "● 1 job" not in screen.text


async def test_a_backup_by_somebody_else_shows_and_so_does_its_end(
    domain: StartDomain, watching: Open
) -> None:
    web = await domain(DiskSpec("vda", size_bytes=64 * MiB))
    pull = web.directory / "pull.xml"
    pull.write_text(
        "<domainbackup mode='pull'>"
        f"<server transport='unix' socket='{web.directory / 'nbd'}'/>"
        "<disks><disk name='vda' backup='yes' type='file'><driver type='qcow2'/>"
        f"<scratch file='{web.directory / 'scratch'}'/></disk></disks></domainbackup>"
    )
    async with watching(web.connection) as screen:
        await web.libvirtd.virsh("backup-begin", "web-01", str(pull))
        await screen.at_once(lambda: "● 1 job" in screen.text)
        await web.libvirtd.virsh("domjobabort", "web-01")
        await screen.at_once(lambda: "● 1 job" not in screen.text)


async def test_a_qemu_that_was_killed_is_an_alarm(
    domain: StartDomain, watching: Open
) -> None:
    web = await domain()
    async with watching(web.connection) as screen:
        await web.kill()
        await screen.at_once(lambda: "crashed" in screen.row("web-01"))
        await screen.at_once(lambda: "▲ 1 alarm" in screen.text)
        await web.start()
        await screen.at_once(lambda: "paused" in screen.row("web-01"))
        await screen.at_once(lambda: "alarm" not in screen.text)


@pytest.mark.parametrize("end", [Libvirtd.terminate, Libvirtd.kill])
async def test_a_libvirtd_that_goes_and_comes_back(
    domain: StartDomain,
    libvirtd: StartLibvirtd,
    watching: Open,
    end: Callable[[Libvirtd], Awaitable[None]],
) -> None:
    daemon = await libvirtd()
    web = await domain(daemon=daemon)
    await domain(daemon=daemon, name="lost-01")
    async with watching(daemon.uri) as screen:
        await end(daemon)
        await screen.at_once(lambda: "stale" in screen.row("web-01"))
        assert "stale" in screen.row("lost-01")
        assert "the connection is lost" in screen.text
        await web.kill()
        await daemon.start()
        gone = {"off", "crashed"}
        await screen.within(
            BACK_S, lambda: bool(gone & {*screen.row("web-01").split()})
        )
        assert "paused" in screen.row("lost-01")
        assert "stale" not in screen.text
        await daemon.virsh("resume", "lost-01")
        await screen.at_once(lambda: "running" in screen.row("lost-01"))


@dataclass
class Steps:
    """What the loop did in one go, longest first; `cpu_s` of its own thread."""

    longest_s: float = 0.0
    cpu_s: float = 0.0
    doing: str = ""
    slow: list[tuple[float, float, str]] = field(default_factory=list)

    def took(self, wall_s: float, cpu_s: float, what: Callable[[], str]) -> None:
        self.cpu_s = max(self.cpu_s, cpu_s)
        if wall_s > STEP_S / 4:
            self.slow.append((wall_s, cpu_s, what()))
        if wall_s > self.longest_s:
            self.longest_s, self.doing = wall_s, what()


@contextmanager
def steps_measured(monkeypatch: pytest.MonkeyPatch) -> Iterator[Steps]:
    steps = Steps()
    run = asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        wall_s, cpu_s = time.monotonic(), time.thread_time()
        run(handle)
        took = time.monotonic() - wall_s, time.thread_time() - cpu_s
        steps.took(*took, lambda: repr(handle))

    with monkeypatch.context() as patch, _memory_as_in_the_program():
        patch.setattr(asyncio.Handle, "_run", timed)
        yield steps


@contextmanager
def _memory_as_in_the_program() -> Iterator[None]:
    """All that the tests have imported is no part of what the collector looks at."""
    before = gc.get_threshold()
    gc.collect()
    gc.set_threshold(GARBAGE_AFTER_OBJECTS)
    launch.keep_what_is_imported()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


_DOMAIN = """
<domain type='qemu'><name>vm-{n}</name><memory unit='MiB'>64</memory>
<os><type>hvm</type></os><devices><disk type='file' device='disk'>
<driver name='qemu' type='qcow2'/><source file='/var/lib/images/vm-{n}.qcow2'/>
<target dev='vda' bus='virtio'/></disk></devices></domain>
"""


async def _define(daemon: Libvirtd, directory: Path) -> None:
    """A thousand machines by one virsh."""
    commands = directory / "commands"
    with commands.open("w") as lines:
        for n in range(MANY):
            path = directory / f"vm-{n}.xml"
            path.write_text(_DOMAIN.format(n=n))
            lines.write(f"define {path}\n")
    with commands.open("rb") as words:
        virsh = await asyncio.create_subprocess_exec(
            *("virsh", "-q", "-c", daemon.uri),
            stdin=words,
            stdout=asyncio.subprocess.DEVNULL,
        )
        await virsh.wait()


async def test_a_thousand_machines_in_one_go_hold_up_no_key(
    libvirtd: StartLibvirtd,
    watching: Open,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    daemon = await libvirtd()
    async with watching(daemon.uri) as screen:
        with steps_measured(monkeypatch) as steps:
            await _define(daemon, tmp_path)
            await screen.within(PATIENCE_S, lambda: f"  {MANY}" in screen.text)
        record_property("longest_step_s", steps.longest_s)
        record_property("longest_step_cpu_s", steps.cpu_s)
        assert steps.cpu_s < STEP_S, steps.slow
