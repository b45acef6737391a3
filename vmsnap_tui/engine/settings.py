"""What an engine is told before it starts: where to connect, read, write and keep."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from vmsnap_tui.errors import UsageError

FREEZE_DEADLINE_S = 10.0
"""A guest's file systems may stand still for so long, whatever happens to us: most
databases and clusters give a node up between 10 and 30 s."""

ROOT_REPOSITORY = Path("/var/spool/vmsnap")
ROOT_STATE = Path("/var/lib/vmsnap-tui")


@dataclass(frozen=True, slots=True)
class Settings:
    """`connections` empty means: those that `with_discovered` finds.

    `state_directory` holds journals and locks; two processes that use another one do
    not see each other's operations.
    """

    connections: tuple[str, ...]
    repository: Path | None
    state_directory: Path
    freeze_deadline_s: float = FREEZE_DEADLINE_S
    theme: str = ""
    log: Path | None = None

    def with_discovered(self) -> "Settings":
        """The same, connected to this host's libvirt and to every QMP socket in sight
        where no connection is named.

        Looks for libvirt's sockets and at running QEMU processes of this host;
        `connections` stays empty when there are none.
        """
        if self.connections:
            return self
        from vmsnap_tui.backends.libvirt import discover as libvirt
        from vmsnap_tui.backends.qmp import discover as qmp

        return replace(self, connections=(*libvirt.discover(), *qmp.discover()))


def default_repository(environment: Mapping[str, str], *, root: bool) -> Path:
    """`VMSNAP_REPO`, else the design's place for root and for everybody else."""
    if named := environment.get("VMSNAP_REPO"):
        return absolute(named)
    if root:
        return ROOT_REPOSITORY
    from platformdirs import user_data_path

    return user_data_path("vmsnap", appauthor=False)


def default_state_directory(environment: Mapping[str, str], *, root: bool) -> Path:
    """`VMSNAP_STATE_DIR`, else where this system keeps a program's state."""
    if named := environment.get("VMSNAP_STATE_DIR"):
        return absolute(named)
    if root:
        return ROOT_STATE
    from platformdirs import user_state_path

    return user_state_path("vmsnap-tui", appauthor=False)


def absolute(name: str) -> Path:
    """The path as QEMU, with another working directory, would have to be told it.

    Raises UsageError for a name that no file can have.
    """
    if not name or "\0" in name:
        raise UsageError(f"not a path: {name!r}", remedy="name a directory or a file")
    return Path(name).expanduser().absolute()


def settings_of(
    *,
    connections: tuple[str, ...] = (),
    repository: str | None = None,
    theme: str = "",
    log: str | None = None,
    environment: Mapping[str, str] = os.environ,
    root: bool | None = None,
) -> Settings:
    """What was said on the command line, and for the rest what the system says."""
    is_root = os.geteuid() == 0 if root is None else root
    return Settings(
        connections=tuple(dict.fromkeys(connections)),
        repository=absolute(repository)
        if repository is not None
        else default_repository(environment, root=is_root),
        state_directory=default_state_directory(environment, root=is_root),
        theme=theme or environment.get("VMSNAP_THEME", ""),
        log=absolute(log) if log is not None else None,
    )
