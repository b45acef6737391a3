"""What a VM is called: `vm.json`, for people; the manifests hold the truth."""

from dataclasses import dataclass
from pathlib import Path

import msgspec

from vmsnap_tui.repository.layout import VM_FILE, read_limited

_LIMIT_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class MachineRecord:
    """The VM as it was at its latest point; all of it is untrusted text."""

    name: str
    uuid: str
    key: str
    format: int = 1


def read_machine(directory: Path) -> MachineRecord:
    """The VM of a directory; the directory's own name where the file is no help."""
    try:
        data = read_limited(directory / VM_FILE, _LIMIT_BYTES)
        return msgspec.json.decode(data, type=MachineRecord)
    except (OSError, msgspec.MsgspecError, ValueError, RecursionError):
        return MachineRecord(name=directory.name, uuid="", key="")
