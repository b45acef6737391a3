"""A place for daemons that start daemons of their own, and none of them gets away.

libvirtd sets its QEMUs free, so that they outlive it: no death signal and no process
group holds them. A PID namespace does: the kernel ends everything in it together with
its first process, and that one dies with us, also by kill -9.
"""

import asyncio
import os
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vmsnap_tui.lab.disks import run_tool
from vmsnap_tui.lab.monitor import LabFailed

_TETHERED = 'test "$PPID" = "$0" || exit 1; exec "$@"'
"""Checked after the death signal is set: a parent that died before would be missed."""

_FIRST = """\
set -eu
ulimit -c 0
umask 022
root=$1
shift
while [ $# -gt 0 ]; do
    if ! [ -e "$2" ]; then
        mkdir -p "$(dirname "$2")"
        if [ -d "$1" ]; then mkdir -p "$2"; else : >"$2"; fi
    fi
    mount --rbind "$1" "$2"
    shift 2
done
[ -z "$root" ] || mkdir -p "$root/proc"
[ -z "$root" ] || mount -t proc proc "$root/proc"
echo ready
# as a parent that ignores this it leaves no zombie of the orphans that it adopts
exec env --ignore-signal=CHLD sleep infinity
"""


@dataclass(frozen=True, slots=True)
class Bind:
    """A directory (or file) that is seen at another place inside."""

    source: Path
    place: Path


class Enclosure:
    """Namespaces of mounts and processes, entered by the words of `enter`.

    `root` is a tree that `enter` can change its root to; it gets a /proc. An ordinary
    user gets a namespace of users too, in which he stays who he is.
    """

    def __init__(
        self, log: Path, binds: Sequence[Bind] = (), root: Path | None = None
    ) -> None:
        self._log = log
        self._binds = tuple(binds)
        self._root = root
        self._holder: asyncio.subprocess.Process | None = None
        self.first_pid = 0
        """The process with which all others end, as it is called outside."""

    @property
    def open(self) -> bool:
        """Whether it can be entered."""
        return self._holder is not None and self._holder.returncode is None

    async def start(self) -> None:
        """Make the namespaces; raises LabFailed with what the kernel has against it."""
        script = ["sh", "-c", _FIRST, "enclosure", str(self._root or "")]
        pairs = ((bind.source, bind.place) for bind in self._binds)
        binds = [str(path) for pair in pairs for path in pair]
        with self._log.open("ab") as log:
            self._holder = await asyncio.create_subprocess_exec(
                *("setpriv", "--pdeathsig", "KILL"),
                *("sh", "-c", _TETHERED, str(os.getpid())),
                *("unshare", *_user_namespace(), "--mount", "--propagation", "slave"),
                *("--pid", "--mount-proc", "--fork", "--kill-child=KILL"),
                *("--", *script, *binds),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
                start_new_session=True,
            )
        assert self._holder.stdout is not None
        if await self._holder.stdout.readline() != b"ready\n":
            await self._holder.wait()
            said = self._log.read_text(errors="replace").strip()
            raise LabFailed(
                "this system grants no namespaces of mounts and processes",
                evidence=said,
                remedy="run as root, or allow user namespaces to ordinary users",
            )
        (self.first_pid,) = _children(self._holder.pid)

    def enter(self, *command: str, in_root: bool = False) -> tuple[str, ...]:
        """Return the words that run a command inside; the root is left out by default.

        Raises LabFailed when there is nothing to enter.
        """
        if not self.open:
            raise LabFailed("the enclosure is closed")
        words = ["nsenter", "--target", str(self.first_pid), "--mount", "--pid"]
        if _user_namespace():
            words += ["--user", "--preserve-credentials"]
        if in_root and self._root:
            command = ("chroot", str(self._root), *command)
        return (*words, "--", *command)

    async def run(self, *command: str) -> str:
        """Run a command inside and return what it prints; LabFailed if it fails."""
        return await run_tool(self.enter(*command))

    async def stop(self) -> None:
        """End all that is inside; returns when nothing of it is left."""
        if self._holder is None:
            return
        if self.open:
            os.kill(self.first_pid, signal.SIGKILL)
        await self._holder.wait()
        self._holder = None


def _user_namespace() -> tuple[str, ...]:
    """What an ordinary user needs in order to make the other namespaces."""
    return () if os.geteuid() == 0 else ("--user", "--map-current-user")


def _children(pid: int) -> tuple[int, ...]:
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return tuple(int(each) for each in listed.split())
