"""What a machine's hypervisor cannot do safely, and what would have to change.

A limit is a fact of one connection (its versions, its rights, where it runs), so that
neither a plan nor a screen has to ask which hypervisor it is.
"""

from dataclasses import dataclass
from enum import StrEnum


class Ability(StrEnum):
    """What an operator may want of a machine; each is one action or one option."""

    BACKUP = "backup"
    INCREMENTAL = "incremental"
    COMPRESS = "compress"
    FREEZE = "freeze"
    PAUSE_JOB = "pause-job"
    CANCEL_JOB = "cancel-job"
    LIMIT_JOB = "limit-job"
    INSPECT = "inspect"
    REPAIR = "repair"
    SNAPSHOT = "snapshot"
    SNAPSHOT_OFFLINE = "snapshot-offline"
    SNAPSHOT_MEMORY = "snapshot-memory"
    SNAPSHOT_INTERNAL = "snapshot-internal"
    MERGE = "merge"
    DISCARD = "discard"
    REVERT_EXTERNAL = "revert-external"
    REVERT_INTERNAL = "revert-internal"
    COPY = "copy"
    WRITE_BUFFER = "write-buffer"


@dataclass(frozen=True, slots=True)
class Limit:
    """`reason` is a sentence for the operator; `needs` says what can do it ("libvirt
    9.9"), or is empty where nothing does. One that only `warns` refuses nothing."""

    ability: Ability
    reason: str
    needs: str = ""
    warns: bool = False

    @property
    def sentence(self) -> str:
        return f"{self.reason} (needs {self.needs})" if self.needs else self.reason
