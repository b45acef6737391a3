"""QEMU with any command line, for machines that the lab would never make."""

import asyncio
import socket
from asyncio.subprocess import DEVNULL, Process
from pathlib import Path

from tests.engine.rig import run
from vmsnap_tui.backends.qmp.uri import socket_uri
from vmsnap_tui.lab.monitor import LabMonitor


class BareQemu:
    """One paused QEMU with a QMP socket; it dies with this process."""

    def __init__(self, directory: Path, options: tuple[str, ...]) -> None:
        self.directory = directory
        self.options = options
        self.process: Process | None = None

    @property
    def path(self) -> Path:
        return self.directory / "qmp.sock"

    @property
    def uri(self) -> str:
        return socket_uri(str(self.path))

    @property
    def name(self) -> str:
        """What it is called when nobody names it: after its socket."""
        return "qmp"

    @staticmethod
    def disk(device: str, name: str = "", options: str = "") -> list[str]:
        """A disk of 1 MiB; `ro` makes it read-only, no device leaves out its id."""
        file = f"{name or device}.qcow2"
        read_only = ",read-only=on" if options == "ro" else ""
        drive = f"file={file},format=qcow2,if=none,id=d-{name or device}{read_only}"
        front = f"virtio-blk-pci,drive=d-{name or device}"
        return ["-drive", drive, "-device", f"{front},id={device}" if device else front]

    async def start(self) -> None:
        """Return when the monitor answers; its images are made once."""
        self.directory.mkdir(mode=0o700, exist_ok=True)
        for option in self.options:
            name = option.removeprefix("file=").split(",")[0]
            path = self.directory / name
            if option.startswith("file=") and not path.exists():
                await run("qemu-img", "create", "-f", "qcow2", str(path), "1M")
        self.path.unlink(missing_ok=True)
        ours, theirs = socket.socketpair()
        with theirs:
            fd = theirs.fileno()
            self.process = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL", "qemu-system-x86_64", "-S"),
                *("-nodefaults", "-no-user-config", "-display", "none", "-m", "16"),
                *("-qmp", "unix:qmp.sock,server=on,wait=off"),
                *("-chardev", f"socket,id=lab,fd={fd}"),
                *("-mon", "chardev=lab,mode=control"),
                *self.options,
                cwd=self.directory,
                stdin=DEVNULL,
                pass_fds=[fd],
            )
        self.lab = await LabMonitor.over(ours)
        # answered from the main loop, so every socket of the command line listens
        await self.lab.execute("query-status")

    async def stop(self) -> None:
        """Let it quit, so that its bitmaps are saved."""
        if self.process is None or self.process.returncode is not None:
            return
        await self.lab.close()
        self.process.terminate()
        await self.process.wait()
