"""A small plan and its records, for the tests of journals."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vmsnap_tui.engine.journal import Journal, Journals, utc_now
from vmsnap_tui.engine.machine import Direction, Mark, Record
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.requests import RestoreRequest
from vmsnap_tui.plan.steps import (
    CheckStored,
    PrepareDirectory,
    PublishFiles,
    RestoreDisk,
    Step,
)

OPERATION = "1a2b3c4d5e6f"


def a_plan(operation: str = OPERATION, directory: str = "/to") -> Plan:
    partial, final = f"{directory}/vda.raw.partial", f"{directory}/vda.raw"
    steps: tuple[Step, ...] = (
        CheckStored("p", ("vda",)),
        PrepareDirectory(directory),
        RestoreDisk("p", "vda", partial, "raw"),
        PublishFiles(((partial, final),)),
    )
    return Plan(
        operation=operation,
        title="restore web-01",
        vm_name="web-01",
        vm="",
        connection="",
        repository="/backup",
        point="p",
        request=RestoreRequest("p", directory),
        steps=steps,
        commit_index=3,
    )


def intent(index: int) -> Record:
    return Record(index, Direction.FORWARD, Mark.INTENT)


def done(index: int) -> Record:
    return Record(index, Direction.FORWARD, Mark.DONE, utc_now(), output={"bytes": 7})


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@contextmanager
def reopened(journals: Journals, operation: str = OPERATION) -> Iterator[Journal]:
    journal = journals.open(operation)
    try:
        yield journal
    finally:
        journal.close()
