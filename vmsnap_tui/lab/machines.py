"""Real QEMU machines that die with the process that started them."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

from vmsnap_tui.lab.accelerator import Accelerator, accelerator
from vmsnap_tui.lab.command_line import MachineSpec, qemu_arguments
from vmsnap_tui.lab.disks import ImageFormat, LabDisk, machine_disk, private_file
from vmsnap_tui.lab.guest import GuestFiles
from vmsnap_tui.lab.monitor import LabFailed, LabMonitor, ask_agent
from vmsnap_tui.lab.qemu_io import qemu_io_line, require_done

_QUIT_S = 5.0
"""A QEMU that has not left by then hangs (a grouped transaction does that)."""

_TETHERED = 'test "$PPID" = "$0" || exit 1; ulimit -c 0; exec "$@"'
"""Checked after the death signal is set: a parent that died before would be missed."""


class Machine:
    """One QEMU process, its sockets and its disks.

    `start` after `stop` or `kill` runs it again on the same disks and sockets. The
    product's monitor is `qmp_path`; `lab` is a private one that the tests keep for
    themselves, because a QMP socket serves one client.
    """

    def __init__(
        self, spec: MachineSpec, directory: Path, guest: GuestFiles | None = None
    ) -> None:
        self.spec = spec
        self.directory = directory
        self.disks: dict[str, LabDisk] = {}
        self._guest = guest
        self._process: subprocess.Popen[bytes] | None = None
        self._lab: LabMonitor | None = None
        self._terminal: _Terminal | None = None

    @property
    def name(self) -> str:
        """The machine's name, as QEMU tells it."""
        return self.spec.name

    @property
    def uuid(self) -> str:
        """The machine's UUID, as QEMU tells it."""
        return self.spec.uuid

    @property
    def pid(self) -> int:
        """QEMU's process id; raises LabFailed when it does not run."""
        if self._process is None:
            raise LabFailed(f"{self.name} does not run")
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether QEMU runs (the guest in it may be paused)."""
        return self._process is not None and self._process.poll() is None

    @property
    def qmp_path(self) -> Path:
        """The monitor for the product."""
        return self.directory / "qmp.sock"

    @property
    def agent_path(self) -> Path:
        """The guest agent's socket; a machine without a guest never answers there."""
        return self.directory / "qga.sock"

    @property
    def connection(self) -> str:
        """The connection URI that an operator would type."""
        return f"qmp://{self.qmp_path}?agent={self.agent_path}&name={self.name}"

    @property
    def lab(self) -> LabMonitor:
        """The lab's own monitor."""
        if self._lab is None:
            raise LabFailed(f"{self.name} does not run")
        return self._lab

    def active(self, target: str) -> Path:
        """Return the active image of a disk, as far as the lab knows."""
        return self.disks[target].active

    def chain(self, target: str) -> tuple[Path, ...]:
        """Return the images of a disk from the base to the active one."""
        return self.disks[target].images

    def switched(self, target: str, *chain: tuple[Path, ImageFormat]) -> None:
        """Take note of a disk's new chain (base first), which the next start opens."""
        self.disks[target] = LabDisk(target, chain)

    async def start(self) -> None:
        """Start QEMU and return when its monitors answer; disks are made once.

        Raises LabFailed when it runs already, and with the last words of QEMU when it
        does not start; nothing is left running then.
        """
        if self.running:
            raise LabFailed(f"{self.name} runs already")
        await self.wait()
        self.directory.mkdir(mode=0o700, exist_ok=True)
        for disk in self.spec.disks:
            if disk.target not in self.disks:
                made = await machine_disk(disk, self.directory, self._guest is not None)
                self.disks[disk.target] = made
        await self._start(await accelerator(self._guest) if self._guest else "tcg")

    async def _start(self, chosen: Accelerator) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            self._spawn(theirs.fileno(), chosen)
        try:
            self._lab = await LabMonitor.over(ours)
            # answered from the main loop, so every socket of the command line listens
            await self._lab.execute("query-status")
        except LabFailed as error:
            said = self._log().strip().splitlines()[-1:]
            await self.kill()
            raise LabFailed(
                f"{self.name} did not start", evidence=" ".join(said)
            ) from error

    async def stop(self) -> None:
        """Let QEMU quit as an operator would (bitmaps are saved); kill it if it hangs.

        Does nothing when it does not run.
        """
        if self._process is None:
            return
        with contextlib.suppress(LabFailed, TimeoutError):
            await asyncio.wait_for(self.lab.execute("quit"), _QUIT_S)
        try:
            await asyncio.wait_for(self.wait(), _QUIT_S)
        except TimeoutError:
            self._process.send_signal(signal.SIGKILL)
            await self.wait()

    async def kill(self) -> None:
        """SIGKILL, as a crash of the host would be, and wait until it is gone."""
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            await self.wait()

    async def wait(self) -> None:
        """Wait until QEMU is gone, for whatever reason."""
        if self._process is None:
            return
        await _gone(self._process)
        self._process = None
        if self._lab is not None:
            await self._lab.close()
            self._lab = None
        if self._terminal is not None:
            self._terminal.close()
            self._terminal = None

    async def qemu_io(self, target: str, command: str) -> str:
        """Act on a disk through its device, as the guest would: `write -P 7 0 64k`.

        Knows `write` (-z for zeroes), `discard`, `read -P`, `flush`. Goes through
        whatever filter stands at the top at this moment. Returns what qemu-io prints;
        raises CommandRefused when it does not say that it was done.
        """
        assert self._terminal is not None
        self._terminal.take()
        line = qemu_io_line(target, command)
        said = await self.lab.execute("human-monitor-command", command_line=line)
        said += self._terminal.take()
        require_done(target, command, said)
        return str(said)

    async def booted(self) -> None:
        """Wait until the guest's agent answers (about 4 s after the start)."""
        await self.ask_agent("guest-ping")

    async def ask_agent(self, command: str, /, **arguments: Any) -> Any:
        """Ask the guest agent; see `monitor.ask_agent`."""
        return await ask_agent(self.agent_path, command, **arguments)

    def _spawn(self, lab_fd: int, chosen: Accelerator) -> None:
        disks = tuple(self.disks[disk.target] for disk in self.spec.disks)
        tether = ["setpriv", "--pdeathsig", "KILL", "sh", "-c", _TETHERED]
        self._terminal = _Terminal()
        log = self.directory / "qemu.log"
        log.unlink(missing_ok=True)
        private_file(log)
        with log.open("wb") as errors:
            self._process = subprocess.Popen(
                [
                    *tether,
                    str(os.getpid()),
                    *qemu_arguments(
                        self.spec,
                        self.directory,
                        disks,
                        self._guest,
                        lab_fd,
                        chosen,
                    ),
                ],
                stdin=subprocess.DEVNULL,
                stdout=self._terminal.theirs,
                stderr=errors,
                pass_fds=[lab_fd],
                umask=0o077,
                start_new_session=True,
            )
        self._terminal.started()

    def _log(self) -> str:
        return (self.directory / "qemu.log").read_text(errors="replace")


class _Terminal:
    """QEMU's standard output: a terminal, so that what qemu-io prints comes at once."""

    def __init__(self) -> None:
        self._ours, self.theirs = os.openpty()
        os.set_blocking(self._ours, False)

    def started(self) -> None:
        os.close(self.theirs)

    def take(self) -> str:
        """Return what was printed since the last time."""
        said = b""
        with contextlib.suppress(BlockingIOError, OSError):
            while chunk := os.read(self._ours, 65536):
                said += chunk
        return said.decode(errors="replace")

    def close(self) -> None:
        os.close(self._ours)


async def _gone(process: subprocess.Popen[bytes]) -> None:
    """Wait for a child without a thread and without polling."""
    if process.poll() is None:
        loop = asyncio.get_running_loop()
        gone = asyncio.Event()
        pidfd = os.pidfd_open(process.pid)
        loop.add_reader(pidfd, gone.set)
        try:
            await gone.wait()
        finally:
            loop.remove_reader(pidfd)
            os.close(pidfd)
    process.wait()
