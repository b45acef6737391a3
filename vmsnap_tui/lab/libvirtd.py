"""A private libvirtd beside a test or the demo, with every path of its own.

As root it is a `qemu:///system` whose directories are bound over the system's, in a
mount namespace; for an ordinary user it is a `qemu:///session` with a HOME of its own.
A libvirtd of the system is neither asked nor seen.
"""

import asyncio
import contextlib
import hashlib
import os
import shutil
import socket
import tempfile
from pathlib import Path
from typing import Literal

from vmsnap_tui.lab.directory import parent_directory
from vmsnap_tui.lab.disks import run_tool
from vmsnap_tui.lab.enclosure import Bind, Enclosure
from vmsnap_tui.lab.guest import cache_directory
from vmsnap_tui.lab.monitor import LabFailed

Others = Literal["none", "read", "write"]
"""Which of its sockets other users of this machine may open."""

_POLL_S = 0.005
_KVM = Path("/dev/kvm")
_SEEN_IN_ROOT = (Path("/dev"), Path("/sys"), Path("/tmp"), Path(tempfile.gettempdir()))
"""What another root than the system's has of it: where tests keep disks, above all."""
_ACCOUNTS = {
    "passwd": "libvirt-qemu:x:64055:64055:Libvirt Qemu:/var/lib/libvirt:/bin/false\n",
    "group": "libvirt-qemu:x:64055:\n",
}
"""A root libvirtd of Debian does not start without them, whatever user it is told;
the package that makes them starts a daemon of the system too."""
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_SYSTEM = {
    "run/libvirt": "/run/libvirt",
    "lib": "/var/lib/libvirt",
    "log": "/var/log/libvirt",
    "etc": "/etc/libvirt",
}
"""What lies under a private root daemon's directory, and where it is seen by it."""

_QEMU_CONF = """\
user = "+{uid}"
group = "+{gid}"
dynamic_ownership = {ownership}
remember_owner = {ownership}
security_driver = "none"
security_default_confined = 0
stdio_handler = "file"
namespaces = []
cgroup_controllers = []
"""

_LIBVIRTD_CONF = """\
auth_unix_ro = "none"
auth_unix_rw = "none"
unix_sock_ro_perms = "{read}"
unix_sock_rw_perms = "{write}"
"""


def unavailable() -> str:
    """Return what is missing for a private libvirtd here; empty when nothing is."""
    missing = [tool for tool in ("libvirtd", "virsh") if not _which(tool)]
    return f"not installed: {', '.join(missing)}" if missing else ""


class Libvirtd:
    """One daemon in a directory of its own, and the domains that it started.

    `kill` and `terminate` end the daemon alone, and `start` starts it again with its
    domains going on; `stop` ends everything. With a `qemu_user` other than root the
    files of a domain change hands as they do on an operator's machine. `root` (or
    VMSNAP_LIBVIRT_ROOT) is an unpacked tree with another libvirt and QEMU.
    """

    def __init__(
        self,
        directory: Path,
        *,
        qemu_user: str = "root",
        others: Others = "none",
        root: Path | None = None,
    ) -> None:
        self.directory = directory
        self.qemu_user = qemu_user
        self.root = root or _root_of_environment()
        self._others: Others = others
        self._daemon: asyncio.subprocess.Process | None = None
        self._privileged = os.geteuid() == 0
        self._enclosure = Enclosure(
            directory / "enclosure.log", self._binds(), self.root
        )

    @property
    def kvm(self) -> bool:
        """Whether its domains may have KVM, if the machine has it.

        libvirt asks QEMU about KVM with root's rights and finds the answer stale with
        those of QEMU's user: every call would take seconds where only root may.
        """
        return self.qemu_user == "root"

    @property
    def qemu_ids(self) -> tuple[int, int]:
        """User and group that QEMU runs as; `libvirt-qemu` need not be known here."""
        if not self._privileged:
            return os.geteuid(), os.getegid()
        lines = with_account(Path("/etc/passwd").read_text(), _ACCOUNTS["passwd"])
        for line in lines.splitlines():
            name, _, uid, gid, *_ = line.split(":")
            if name == self.qemu_user:
                return int(uid), int(gid)
        raise LabFailed("no such user", evidence=self.qemu_user)

    @property
    def uri(self) -> str:
        """The connection URI that an operator would type."""
        return self._uri("libvirt-sock")

    @property
    def read_only_uri(self) -> str:
        """The URI by which those may look who may not act."""
        return self._uri("libvirt-sock-ro")

    @property
    def running(self) -> bool:
        """Whether the daemon runs; its domains may without it."""
        return self._daemon is not None and self._daemon.returncode is None

    @property
    def first_pid(self) -> int:
        """The process with which the daemon and all its domains end."""
        return self._enclosure.first_pid

    def log(self, domain: str) -> Path:
        """Return the file that takes what the QEMU of a domain prints."""
        if self._privileged:
            return self.directory / "log" / "qemu" / f"{domain}.log"
        return self.directory / "cache" / "libvirt" / "qemu" / "log" / f"{domain}.log"

    def pid_file(self, domain: str) -> Path:
        """Return where libvirt keeps the pid of a QEMU, as it is called inside."""
        under = "libvirt/qemu" if self._privileged else "libvirt/qemu/run"
        return self.directory / "run" / under / f"{domain}.pid"

    async def start(self) -> None:
        """Start the daemon, at first or again, and return when it listens.

        Raises LabFailed with its last words when it does not come up, and when it
        runs already.
        """
        if self.running:
            raise LabFailed("libvirtd runs already")
        if not self._enclosure.open:
            self._prepare()
            await self._enclosure.start()
        self._daemon = await self._spawn()
        while not _listens(self._socket("libvirt-sock")):
            if self._daemon.returncode is not None:
                log = (self.directory / "libvirtd.log").read_text(errors="replace")
                said = " ".join(log.strip().splitlines()[-1:])
                raise LabFailed("libvirtd did not start", evidence=said)
            await asyncio.sleep(_POLL_S)

    async def stop(self) -> None:
        """End the daemon and all its domains, by SIGKILL; nothing of them is left."""
        await self._enclosure.stop()
        if self._daemon is not None:
            await self._daemon.wait()
            self._daemon = None

    async def kill(self) -> None:
        """SIGKILL the daemon, as a crash would; its domains go on."""
        await self._end("KILL")

    async def terminate(self) -> None:
        """SIGTERM the daemon, as an upgrade would; its domains go on."""
        await self._end("TERM")

    async def virsh(self, *words: str) -> str:
        """Run virsh on this daemon; raises LabFailed with what it says."""
        virsh = _which("virsh") or "virsh"
        return (await run_tool([virsh, "--quiet", "-c", self.uri, *words])).strip()

    async def inside(self, *command: str) -> str:
        """Run a command where the daemon is: there `qemu:///system` is this daemon."""
        return await self._enclosure.run(*command)

    async def signal(self, domain: str, name: str) -> None:
        """Send a signal to the QEMU of a domain: `KILL`, `STOP`, `CONT`."""
        await self.inside("kill", "-s", name, self.pid_file(domain).read_text())

    def admit(self, directory: Path) -> None:
        """Let the user that QEMU runs as reach what lies in a directory of ours."""
        if self.qemu_user != "root":
            _searchable(directory)

    async def _end(self, name: str) -> None:
        if self._daemon is None:
            raise LabFailed("libvirtd does not run")
        pid = self.directory / "libvirtd.pid"
        await self.inside("kill", "-s", name, pid.read_text().strip())
        await self._daemon.wait()
        self._daemon = None

    def _uri(self, name: str) -> str:
        kind = "system" if self._privileged else "session"
        return f"qemu:///{kind}?socket={self._socket(name)}"

    def _socket(self, name: str) -> Path:
        return self.directory / "run" / "libvirt" / name

    def _binds(self) -> list[Bind]:
        if not self._privileged:
            return []
        own = {self.directory / at: to for at, to in _SYSTEM.items()}
        own[self._capabilities()] = "/var/cache/libvirt"
        own |= {self.directory / name: f"/etc/{name}" for name in _ACCOUNTS}
        if not self.kvm and _KVM.exists():
            own[self.directory / "kvm"] = str(_KVM)
        binds = [Bind(source, Path(place)) for source, place in own.items()]
        if self.root is None:
            return binds
        there = (*_SEEN_IN_ROOT, parent_directory(), self.directory, cache_directory())
        # the last, so that `qemu:///system` is this daemon for `inside` too
        return [
            *(Bind(path, _below(self.root, path)) for path in there),
            *(Bind(bind.source, _below(self.root, bind.place)) for bind in binds),
            Bind(self.directory / "run" / "libvirt", Path("/run/libvirt")),
        ]

    def _capabilities(self) -> Path:
        """Return where what libvirt found out about QEMU is kept for the next daemon.

        Asking takes seconds. libvirt itself judges whether it still holds; that two
        daemons do not take turns in finding it stale is what the key is for.
        """
        asked = [self.qemu_user, str(self.root or "")]
        for tool in ("libvirtd", "qemu-system-x86_64"):
            found = Path(_which(tool, self.root) or tool)
            changed = found.stat().st_mtime_ns if found.exists() else 0
            asked.append(f"{found} {changed}")
        key = hashlib.sha256("\n".join(asked).encode()).hexdigest()[:12]
        return cache_directory() / f"libvirt-{key}"

    def _prepare(self) -> None:
        """Make the directories and write the configuration, whatever the umask.

        What was in /run is gone, as it is after a boot.
        """
        shutil.rmtree(self.directory / "run", ignore_errors=True)
        for place in (*_SYSTEM, "home", "config/libvirt", "cache/libvirt/qemu"):
            (self.directory / place).mkdir(mode=0o700, parents=True, exist_ok=True)
        self._capabilities().mkdir(mode=0o700, parents=True, exist_ok=True)
        (self.directory / "kvm").touch(mode=0o600)
        for name, account in _ACCOUNTS.items():
            known = Path("/etc", name).read_text()
            (self.directory / name).write_text(with_account(known, account))
            (self.directory / name).chmod(0o644)
        etc = self.directory / ("etc" if self._privileged else "config/libvirt")
        uid, gid = self.qemu_ids
        words = _QEMU_CONF.format(
            uid=uid,
            gid=gid,
            ownership=int(self._privileged and self.qemu_user != "root"),
        )
        (etc / "qemu.conf").write_text(words)
        modes = {
            "read": "0700" if self._others == "none" else "0777",
            "write": "0777" if self._others == "write" else "0700",
        }
        (etc / "libvirtd.conf").write_text(_LIBVIRTD_CONF.format(**modes))
        if self._others != "none":
            _searchable(self.directory / "run" / "libvirt")
        self.admit(self.directory / "lib")
        self._share_capabilities()

    def _share_capabilities(self) -> None:
        """Let a session daemon, which has no bind, find the shared directory too."""
        link = self.directory / "cache" / "libvirt" / "qemu" / "cache"
        if not self._privileged and not link.exists():
            link.symlink_to(self._capabilities())

    async def _spawn(self) -> asyncio.subprocess.Process:
        conf = (self.directory / "config/libvirt/libvirtd.conf").as_posix()
        pid = (self.directory / "libvirtd.pid").as_posix()
        if self._privileged:
            conf = "/etc/libvirt/libvirtd.conf"
        libvirtd = _which("libvirtd", self.root)
        if libvirtd is None:
            raise LabFailed(
                "libvirtd is not installed", remedy="`./run` names the package"
            )
        command = [libvirtd, "--config", conf, "--pid-file", pid]
        with (self.directory / "libvirtd.log").open("wb") as log:
            return await asyncio.create_subprocess_exec(
                *self._enclosure.enter(*command, in_root=True),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment(),
                start_new_session=True,
            )

    def _environment(self) -> dict[str, str]:
        path = _PATH if self.root else f"{os.environ.get('PATH', '')}:{_PATH}"
        words = {"PATH": path, "LC_ALL": "C"}
        if self._privileged:
            return words
        for name, place in (
            ("HOME", "home"),
            ("XDG_RUNTIME_DIR", "run"),
            ("XDG_CONFIG_HOME", "config"),
            ("XDG_CACHE_HOME", "cache"),
            ("XDG_DATA_HOME", "home"),
        ):
            words[name] = str(self.directory / place)
        return words


def with_account(known: str, account: str) -> str:
    """Return lines of accounts with one more, if its name is not among them."""
    name = account.split(":")[0]
    lines = known.splitlines(keepends=True)
    if any(line.startswith(f"{name}:") for line in lines):
        return known
    return "".join([*lines, account])


def _which(tool: str, root: Path | None = None) -> str | None:
    """Return the path of a tool as it is called in `root`; sbin is looked in too."""
    if root is None:
        path = f"{os.environ.get('PATH', '')}:{_PATH}"
        return shutil.which(tool, path=path)
    for place in _PATH.split(":"):
        if (root / place.lstrip("/") / tool).exists():
            return f"{place}/{tool}"
    return None


def _below(root: Path, path: Path) -> Path:
    return root / path.relative_to("/")


def _root_of_environment() -> Path | None:
    root = os.environ.get("VMSNAP_LIBVIRT_ROOT")
    return Path(root) if root else None


def _listens(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as client, contextlib.suppress(OSError):
        client.connect(str(path))
        return True
    return False


def _searchable(path: Path) -> None:
    """Let other users pass through a directory, and those of the lab above it."""
    outside = parent_directory()
    for each in (path, *path.parents):
        if each in (outside, *outside.parents):
            return
        each.chmod(each.stat().st_mode & 0o7777 | 0o011)
