"""What keeps a user from more than reading, in words that say how to get it."""

import grp
import pwd
import re
import stat
from dataclasses import dataclass
from pathlib import Path

import libvirt

from vmsnap_tui.backends.libvirt.uri import LibvirtUri

_SOCKET = re.compile(r"Failed to connect socket to '([^']+)'")
_GROUP = "add your user to the group {} (usermod -aG {} USER) and log in again"


@dataclass(frozen=True, slots=True)
class MissingRight:
    """`why` names the right, as found, `remedy` how to get it."""

    why: str
    remedy: str

    @property
    def sentence(self) -> str:
        return f"read-only: {self.why}; {self.remedy}"


def missing_right(error: libvirt.libvirtError, uri: LibvirtUri) -> MissingRight:
    """Which right a refused connection lacks."""
    message = str(error.get_error_message() or error)
    found = _SOCKET.search(message)
    if found is not None and uri.transport == "unix":
        why, remedy = _socket_rights(Path(found[1]))
    else:
        why = f"the right org.libvirt.unix.manage is missing ({message})"
        remedy = f"{_GROUP.format('libvirt', 'libvirt')}, or have polkit grant it"
    return MissingRight(why, f"{remedy}, or connect as root")


def _socket_rights(path: Path) -> tuple[str, str]:
    """A socket is written to by those whom its mode lets write."""
    try:
        found = path.stat()
    except OSError as error:
        why = f"{path} may not be reached ({error.strerror})"
        return why, "have its directories searchable by your user"
    owner, group = _user(found.st_uid), _group(found.st_gid)
    mode = stat.S_IMODE(found.st_mode)
    why = f"{path} belongs to {owner}:{group} with mode {mode:04o}"
    if mode & stat.S_IWGRP:
        return why, _GROUP.format(group, group)
    return why, "set unix_sock_group and unix_sock_rw_perms in libvirtd.conf"


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _group(gid: int) -> str:
    try:
        return grp.getgrgid(gid).gr_name
    except KeyError:
        return str(gid)
