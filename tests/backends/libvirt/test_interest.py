"""What an event makes old."""

import pytest

from vmsnap_tui.backends.libvirt.heard import Heard
from vmsnap_tui.backends.libvirt.interest import (
    makes_image,
    of_definition,
    of_jobs,
    of_records,
)


def _heard(name: str, **data: str) -> Heard:
    return Heard("uuid", "web-01", name, data, 0.0)


@pytest.mark.parametrize(
    ("event", "definition", "jobs", "records"),
    [
        (_heard("lifecycle", event="started"), True, False, True),
        (_heard("lifecycle", event="suspended"), True, False, False),
        (_heard("metadata-change"), True, False, False),
        (_heard("block-job", status="ready"), True, True, False),
        (_heard("block-job", status="completed"), True, True, True),
        (_heard("block-job", status="canceled"), True, True, True),
        (_heard("job-completed"), False, True, True),
        (_heard("JOB_STATUS_CHANGE", status="running", id="x"), False, True, False),
        (_heard("JOB_STATUS_CHANGE", status="null", id="x"), False, True, True),
        (_heard("JOB_STATUS_CHANGE", status="null", id="create-x"), False, True, False),
        (_heard("BLOCK_JOB_COMPLETED"), False, True, False),
        (_heard("RTC_CHANGE"), False, False, False),
        (_heard("block-threshold"), False, False, False),
    ],
)
def test_an_event_makes_old_what_it_is_about(
    event: Heard, definition: bool, jobs: bool, records: bool
) -> None:
    assert of_definition(event) is definition
    assert of_jobs(event) is jobs
    assert of_records(event) is records


def test_an_image_is_made_when_the_job_that_makes_it_is_gone() -> None:
    assert makes_image(_heard("JOB_STATUS_CHANGE", status="null", id="create-x"))
    assert not makes_image(_heard("JOB_STATUS_CHANGE", status="null", id="pull-vda"))
    assert not makes_image(_heard("JOB_STATUS_CHANGE", status="created", id="create-x"))
    assert not makes_image(_heard("block-job", status="completed"))
