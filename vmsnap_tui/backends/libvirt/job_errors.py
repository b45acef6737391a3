"""What goes wrong with a backup on libvirt, in the operator's words."""

import logging
from pathlib import Path

from vmsnap_tui.backends.libvirt import commands
from vmsnap_tui.backends.libvirt.calls import Seen
from vmsnap_tui.backends.libvirt.ended import Ended, Verdict
from vmsnap_tui.backends.libvirt.failures import LibvirtRefused
from vmsnap_tui.errors import StepFailed
from vmsnap_tui.model.instant import BackupInstant
from vmsnap_tui.text import visible

AGAIN = "back up again: nothing that was tracked is lost"
_log = logging.getLogger(__name__)


def require_same_run(seen: Seen, instant: BackupInstant) -> None:
    if seen.marked:
        return
    mark = commands.mark_uri(instant.disks[0].scratch_bitmap)
    raise StepFailed(
        "the machine is not the one any more that began this backup",
        evidence=f"it is {seen.status}, and the mark {mark} is gone",
        remedy=AGAIN,
    )


def require_well(verdict: Verdict, instant: BackupInstant) -> None:
    text = visible(verdict.evidence)
    disks = ", ".join(part.target for part in instant.disks)
    match verdict.ended:
        case Ended.WELL:
            return
        case Ended.UNKNOWN:
            raise StepFailed(
                "nobody can tell whether the copy is whole",
                evidence=verdict.evidence,
                remedy=AGAIN,
            )
        case Ended.BADLY if "No space left" in text:
            raise StepFailed(
                f"no space left for the backup of {disks}",
                evidence=f"{Path(instant.disks[0].file).parent}: {text}",
                remedy="make room in the repository, or prune old points",
            )
        case Ended.BADLY:
            raise StepFailed(
                f"the backup of {disks} failed",
                evidence=verdict.evidence,
                remedy="see the machine's log and the repository's storage, then back"
                " up again",
            )


def not_begun(error: LibvirtRefused) -> StepFailed:
    """libvirt's own refusal, which may yet have come after the transaction: whoever
    called takes everything back."""
    _log.info("not begun: %s", visible(str(error)))
    if "Permission denied" not in error.message:
        return error
    return StepFailed(
        "QEMU may not open the stored images",
        evidence=error.evidence,
        remedy="see that QEMU's user may reach the repository, and what AppArmor or"
        " SELinux say (`journalctl -k`)",
    )


def stopped_by_io_error(seen: Seen) -> StepFailed:
    return StepFailed(
        "the guest was paused by an I/O error",
        evidence=f"it is {seen.status}",
        remedy="see the storage of the machine's disks and of the repository",
    )


def strayed(seen: Seen) -> StepFailed:
    """A libvirtd that is killed as a block job ends forgets that job, and the backup
    that it was part of is never over."""
    return StepFailed(
        "libvirt lost track of this backup's jobs, as when libvirtd is restarted",
        evidence=f"the backup is active and no disk has a job; it is {seen.status}",
        remedy=AGAIN,
    )
