"""What the texts of QEMU and libvirt mean, and what to do about them.

The texts hold names that a guest's owner may have chosen (a bitmap, a disk, a path):
such a name could be another text of this table. So each pattern must fit the whole
text, from its first fixed word to its last, and nothing is taken out of it.
"""

import re
from dataclasses import dataclass
from functools import cache

TEXT_CHARACTERS = 4000
"""Of a text that is looked at; what is longer is no message for a human."""

_NAME = r".+"
_KINDS = (
    "error",
    "internal error",
    "operation failed",
    "operation forbidden",
    "Operation not supported",
    "Requested operation is not valid",
    "Timed out during operation",
    "unsupported configuration",
    "invalid argument",
    "argument unsupported",
    "block copy still active",
    "checkpoint inconsistent",
    "Guest agent is not responding",
    "unable to execute QEMU command '[a-z0-9_-]+'",
)
_PREFIX = rf"(?:(?:{'|'.join(_KINDS)}): )*"
"""What libvirt and virsh write before a text: the kind of error, QEMU's command. Only
known ones: any words before a colon could be a name, or the head of another text."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """`meaning` is one sentence without a full stop, `remedy` what to do next."""

    meaning: str
    remedy: str


@dataclass(frozen=True, slots=True)
class _Row:
    pattern: str
    explanation: Explanation


def explain(text: str) -> Explanation | None:
    """What the text means, or None when it is not known; the first row that fits."""
    shortened = text.strip()[:TEXT_CHARACTERS]
    for row in _ROWS:
        if _compiled(row.pattern).fullmatch(shortened):
            return row.explanation
    return None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    """When the first text is to be explained: to compile all takes a tenth of the time
    in which the screen is there, and most runs meet no error."""
    return re.compile(pattern, re.DOTALL)


def _row(pattern: str, meaning: str, remedy: str) -> _Row:
    """`NAME` in the pattern stands for what is chosen elsewhere."""
    whole = _PREFIX + pattern.replace("NAME", _NAME) + r"\.?"
    return _Row(whole, Explanation(meaning, remedy))


_TRACKING = (
    _row(
        r"missing or broken bitmap 'NAME' for disk 'NAME'",
        "the changes of a disk are no longer tracked without a gap: its bitmap was lost"
        " or broken, as after a crash of QEMU",
        "back up that disk in full; then remove the checkpoint's metadata only",
    ),
    _row(
        r"domain moment NAME already exists",
        "a checkpoint or snapshot of that name is on record already, maybe one whose"
        " bitmap is long gone",
        "see whether its bitmap still stands; if not, remove its metadata only and try"
        " again",
    ),
    _row(
        r"bitmap 'NAME' not found in backing chain of 'NAME'",
        "the checkpoint is on record, but no image holds its bitmap",
        "remove the checkpoint's metadata only (virsh checkpoint-delete --metadata)",
    ),
    _row(
        r"Bitmap 'NAME' is inconsistent and cannot be used"
        r"(?:\.?\s*Try block-dirty-bitmap-remove to delete this bitmap from disk)?",
        "the bitmap was not closed cleanly: QEMU or the host went down, so it has"
        " missed writes",
        "remove it and start a new one with a full backup of that disk",
    ),
    _row(
        r"Bitmap already exists: NAME",
        "a bitmap of that name is left over from an earlier run",
        "see whether it is inconsistent or still recording; then remove it or choose"
        " another name",
    ),
    _row(
        r"Bitmap '.*' doesn't satisfy the constraints",
        "the directory of bitmaps inside the image is damaged; the machine may not"
        " start from it again",
        "copy the image first; then see it with qemu-img check, and remove the bitmap"
        " with qemu-img bitmap --remove",
    ),
    _row(
        r"checkpoint for disk NAME unsupported for storage type NAME",
        "that disk's format cannot hold a bitmap, and one such disk stops the"
        " checkpoint of all",
        "leave the disk out, or convert it to qcow2",
    ),
)

_SNAPSHOTS = (
    _row(
        r"internal snapshot for disk NAME unsupported for storage type NAME",
        "that disk's format cannot hold an internal snapshot, and one such disk stops"
        " the snapshot of all",
        "make an external snapshot, or leave the disk out",
    ),
    _row(
        r"revert to external snapshot not supported yet",
        "this libvirt cannot revert to an external snapshot; 9.9 and later can",
        "upgrade libvirt, or restore from a point",
    ),
    _row(
        r"Trying to create an image with the same filename as the backing file",
        "the new overlay has the same name as the image that it is to stand on, mostly"
        " a file left over from an earlier run",
        "see what the file that is there belongs to, then choose a new name",
    ),
    _row(
        r"external snapshot file for disk NAME already exists and is not a block"
        r" device: NAME",
        "there is a file already where the overlay is to be made",
        "see what the file belongs to, then choose another name",
    ),
    _row(
        r"(?:cannot perform block operations while checkpoint exists"
        r"|support for offline external snapshots while checkpoint exists was not yet"
        r" implemented)",
        "libvirt makes no external snapshot of a machine that is off while it has"
        " checkpoints",
        "start the machine first, or remove its checkpoints and back up in full later",
    ),
    _row(
        r"(?:qemu unexpectedly closed the monitor"
        r"|load of internal snapshot 'NAME' job failed): (?:NAME )?"
        r"Device has active dirty bitmaps",
        "a machine with bitmaps cannot go back to an internal snapshot: it is off now,"
        " and its bitmaps may be broken",
        "start it and back up in full; remove the bitmaps before such a revert",
    ),
    _row(
        r"cannot delete inactive domain with \d+ (?:checkpoints|snapshots)",
        "the machine's checkpoints or snapshots are still on record, which keeps it"
        " from being undefined",
        "be sure that none is needed, then undefine it with --checkpoints-metadata or"
        " --snapshots-metadata",
    ),
)

_AGENT = (
    _row(
        r"QEMU guest agent is not connected",
        "no guest agent answers inside the machine",
        "install and start qemu-guest-agent in the guest, or go on without freezing"
        " (crash-consistent)",
    ),
    _row(
        r"QEMU guest agent is not configured",
        "the machine has no channel for a guest agent",
        "add the channel org.qemu.guest_agent.0, or go on without freezing"
        " (crash-consistent)",
    ),
    _row(
        r"Guest agent not available for now",
        "the guest agent is connected but silent: the guest hangs, or is too busy",
        "do not ask again and again: see the guest, or go on without freezing"
        " (crash-consistent)",
    ),
    _row(
        r"Command [a-z-]+ has been disabled: the agent is in frozen state",
        "the guest's file systems are frozen already",
        "find out who froze them; thaw the guest if nobody needs it frozen",
    ),
    _row(
        r"cannot acquire state change lock \(held by agent=\w+\)"
        r"(?: due to max_queued limit)?",
        "an earlier call still waits for the guest agent, and libvirt lets nothing else"
        " pass",
        "only the agent's answer, or a restart of the guest or of libvirtd, ends it;"
        " what needs no freeze can be done meanwhile",
    ),
)

_JOBS = (
    _row(
        r"cannot acquire state change lock"
        r"(?: \(held by monitor=\w+(?: agent=\w+)?\))?(?: due to max_queued limit)?",
        "another call on this machine is under way, or its QEMU is stuck",
        "wait for a backup that runs; if none does, see whether QEMU hangs on its"
        " storage (state D)",
    ),
    _row(
        r"disk 'NAME' already in active block job",
        "a job runs on that disk, or waits to be pivoted",
        "pivot or cancel that job, or wait for its end",
    ),
    _row(
        r"(?:block job 'NAME' )?not ready for pivot yet",
        "the copy has not caught up with the guest's writes yet",
        "wait until the job is ready, then pivot again",
    ),
    _row(
        r"disk 'NAME' has a blockjob assigned",
        "a job runs on that disk, or waits to be pivoted, so no backup may begin",
        "pivot or cancel that job, or wait for its end",
    ),
    _row(
        r"store 'NAME' for backup of 'NAME' exists",
        "there is a file already where the backup is to be written: another backup of"
        " the same second, or one left over",
        "see what the file belongs to; back up again under another name",
    ),
    _row(
        r"(?:backup )?job NAME: Permission denied",
        "the write buffer was full or too slow, so its frozen view was given up and the"
        " backup with it; the guest was not harmed",
        "give the write buffer more room or a faster disk, and back up again",
    ),
    _row(
        r"Permission conflict on node 'NAME'(?:: permissions NAME)?",
        "the node is still used by another: things are being taken down in the wrong"
        " order",
        "remove the export or the snapshot's access first, then the filter",
    ),
    _row(
        r"No complete monitor response found in \d+ bytes",
        "QEMU's answer was too long for libvirt: the machine has very long chains or"
        " very many nodes",
        "shorten its chains by merging images down",
    ),
    _row(
        r"(?:disk NAME does not have an active block job"
        r"|no job is active(?: on the domain)?)",
        "there is no such job any more",
        "look at the jobs again",
    ),
)

_FILES = (
    _row(
        r"Could not reopen file: Permission denied",
        "QEMU may not write to the image that is to take the data: its owner or"
        " AppArmor's profile stands against it",
        "put right the file's owner and label; libvirt 12.1 and later sees to it",
    ),
    _row(
        r"(?:NAME: )?"
        r"Failed to get (?:shared )?\"(?:write|consistent read|resize)\" lock"
        r"(?:\s*Is another process using the image(?: \[NAME\])?\?)?",
        "the image is open in another process",
        "find that process (lslocks, /proc/locks) and end its use of the image",
    ),
    _row(
        r"(?:NAME: )?No space left on device",
        "the storage is full",
        "make room there, then try again",
    ),
    _row(
        r"Cannot access (?:backing file|storage file) 'NAME'NAME",
        "a file of the machine's disks is not there, or QEMU's user may not read it",
        "put the file back, or give QEMU's user access to it and to its directories",
    ),
    _row(
        r"failed to create image file 'NAME': No such file or directory",
        "the directory for the new image is not there",
        "make the directory, or choose another one",
    ),
    _row(
        r"read only access prevents \w+",
        "the connection is read-only",
        "connect as a user with the right org.libvirt.unix.manage, or as root",
    ),
)

_ROWS = (*_TRACKING, *_SNAPSHOTS, *_AGENT, *_JOBS, *_FILES)
