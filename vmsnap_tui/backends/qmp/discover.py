"""QMP sockets of the QEMU processes that run on this host and libvirt does not own."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from vmsnap_tui.backends.qmp.owner import clients
from vmsnap_tui.backends.qmp.uri import socket_uri

_LIBVIRT = ("id=charmonitor", "/libvirt/qemu/")
"""QEMU that libvirt owns is never driven behind its back."""


def discover(proc: Path = Path("/proc")) -> tuple[str, ...]:
    """One connection URI for each QEMU: of the monitors that we may open, the first
    that no other client holds."""
    found = (_first_monitor(process) for process in _processes(proc))
    return tuple(dict.fromkeys(socket_uri(path) for path in found if path))


def monitor_sockets(arguments: Iterable[str]) -> tuple[str, ...]:
    """The unix sockets of a QEMU command line that speak QMP and are listened on."""
    options = list(_options(arguments))
    if any(mark in value for _, value in options for mark in _LIBVIRT):
        return ()
    chardevs = {
        found["id"]: found["path"]
        for name, value in options
        if name == "chardev"
        and (found := _parameters(value)).get("") == "socket"
        and {"id", "path", "server"} <= found.keys()
        and found["server"] in ("", "on")
    }
    return tuple(
        path for name, value in options if (path := _monitor(name, value, chardevs))
    )


def _monitor(name: str, value: str, chardevs: dict[str, str]) -> str:
    found = _parameters(value)
    match name:
        case "qmp" | "qmp-pretty":
            listens = found.get("server", "off") in ("", "on")
            first = found.get("", "")
            unix = first.startswith("unix:") and listens
            return first.removeprefix("unix:") if unix else ""
        case "mon" if found.get("mode") == "control":
            return chardevs.get(found.get("chardev", found.get("", "")), "")
        case "object" if found.get("") == "monitor-qmp":
            return chardevs.get(found.get("chardev", ""), "")
        case _:
            return ""


def _options(arguments: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Pairs of an option, without its dashes, and the word behind it."""
    words = list(arguments)
    for option, value in zip(words, words[1:], strict=False):
        if option.startswith("-"):
            yield option.lstrip("-"), value


def _parameters(value: str) -> dict[str, str]:
    """QEMU's `first,key=value,flag`; a doubled comma stands for one."""
    parts = value.replace(",,", "\0").split(",")
    found: dict[str, str] = {}
    for place, part in enumerate(parts):
        key, equals, text = part.replace("\0", ",").partition("=")
        if place == 0 and (not equals or key.startswith("unix:")):
            found[""] = part.replace("\0", ",")
        else:
            found[key] = text
    return found


def _processes(proc: Path) -> Iterator[Path]:
    numbered = (entry for entry in proc.iterdir() if entry.name.isdigit())
    return iter(sorted(numbered, key=lambda entry: int(entry.name)))


def _first_monitor(process: Path) -> str:
    """A process that ends meanwhile, or is another user's, has none."""
    try:
        words = (process / "cmdline").read_bytes().split(b"\0")[:-1]
        if not any(_is_qemu(os.fsdecode(word)) for word in words):
            return ""
        found = [
            path if path.startswith("/") else _from_directory(process, path)
            for path in monitor_sockets(map(os.fsdecode, words))
        ]
    except OSError:
        return ""
    usable = [path for path in found if os.access(path, os.R_OK | os.W_OK)]
    free = (path for path in usable if not clients(path))
    return next(free, usable[0] if usable else "")


def _is_qemu(command: str) -> bool:
    """Of any word: QEMU may be run by a wrapper or a loader, whose word is first."""
    name = Path(command).name
    return name.startswith("qemu-system-") or name in ("qemu-kvm", "kvm")


def _from_directory(process: Path, path: str) -> str:
    return str((process / "cwd").readlink() / path)
