"""Whether a backup of ours ended well: libvirt forgets a backup the moment it is over.

What it tells of the newest job that ended names neither its files nor its caller, and
another tool's backup may have run since. So success is claimed only with a proof:
every end of a backup that was heard between two changes of our own mark was a good
one (libvirt tells all events of a machine in order), or the newest job is longer than
the time in which another could have run, or as long as ours to the second.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

BACKUP_OPERATION = 9
"""VIR_DOMAIN_JOB_OPERATION_BACKUP."""
TELLING_S = 10.0
"""A job of such a length is not met to the second by another one by chance."""
NEAR_S = 1.0


class Ended(StrEnum):
    WELL = "well"
    BADLY = "badly"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`evidence` is what libvirt said, or why nobody can tell."""

    ended: Ended
    evidence: str


class Hearing:
    """The ends of backups that one machine told since a mark of ours was written.

    `uri` is the mark's, `uuid` the machine's. What is told before the mark's own change
    is of older jobs.
    """

    def __init__(self, uri: str, uuid: str) -> None:
        self.uri = uri
        self.uuid = uuid
        self.whole = False
        """Nothing was missed since the first mark."""
        self.sure = False
        """Ours was active after the first mark, so that its end comes after it, too."""
        self._written = 0
        self._heard = 0
        self._ends: list[Mapping[str, Any]] = []

    def begin(self) -> None:
        """The next mark is the first one."""
        self.whole, self.sure = True, False
        self._written = self._heard = 0
        self._ends = []

    def wrote(self) -> None:
        """A mark is about to be written; to be said before, as its change may be heard
        before the call returns."""
        self._written += 1

    def lose(self) -> None:
        """The connection went, and with it what would have been heard."""
        self.whole = False

    def hear(self, name: str, data: Mapping[str, Any]) -> None:
        if name == "metadata-change" and data.get("uri") == self.uri:
            self._heard += 1
        elif name == "job-completed" and self._heard:
            self._ends.append(data)

    @property
    def caught_up(self) -> bool:
        """Whether all was heard up to the last mark that was written."""
        return self.whole and self._heard >= self._written > 0

    @property
    def behind(self) -> bool:
        """Whether it is worth to wait for more."""
        return self.whole and self._heard < self._written

    def verdict(self) -> Verdict:
        """On a backup that began after the first mark and ended before the last."""
        ends = [end for end in self._ends if end.get("operation") == BACKUP_OPERATION]
        bad = [end for end in ends if not end.get("success")]
        if bad:
            return Verdict(Ended.BADLY, _said(bad[0]))
        if ends and self.sure and self.caught_up:
            return Verdict(Ended.WELL, "libvirt told that it completed")
        return Verdict(Ended.UNKNOWN, "its end was not heard")


@dataclass(frozen=True, slots=True)
class Traces:
    """What is left of a backup that nobody listened to; times are of the wall clock.

    `began_s` is None where it is not on record; `written_s` is when QEMU last wrote
    into a stored image; `newest` says whether our checkpoint is still the newest.
    """

    stats: Mapping[str, Any]
    began_s: float | None
    written_s: float
    now_s: float
    newest: bool


def judge(traces: Traces) -> Verdict:
    """By libvirt's statistics of the newest job that ended, if they are of ours."""
    stats = traces.stats
    if stats.get("operation") != BACKUP_OPERATION:
        return Verdict(Ended.UNKNOWN, "libvirt does not know any more how it ended")
    if not stats.get("success"):
        return Verdict(Ended.BADLY, _said(stats))
    elapsed_s = float(stats.get("time_elapsed", 0)) / 1000
    if elapsed_s > traces.now_s - traces.written_s + NEAR_S:
        return Verdict(Ended.WELL, f"the newest job took {elapsed_s:.3f} s")
    if traces.began_s is not None and traces.newest and elapsed_s >= TELLING_S:
        apart_s = abs(traces.began_s + elapsed_s - traces.written_s)
        if apart_s <= NEAR_S:
            return Verdict(Ended.WELL, f"a job of {elapsed_s:.3f} s ended with ours")
    return Verdict(
        Ended.UNKNOWN,
        f"the newest backup took {elapsed_s:.3f} s, and may be another tool's",
    )


def _said(end: Mapping[str, Any]) -> str:
    return str(end.get("errmsg") or "libvirt says that it did not succeed")
