import pytest

from tests.backends.qmp.recordings import VERSIONS, Recording
from vmsnap_tui.backends.qmp.replies import (
    JobInfo,
    SchemaEntity,
    StatusInfo,
    VersionInfo,
    members,
    understood,
)
from vmsnap_tui.errors import StepFailed


@pytest.mark.parametrize("version", VERSIONS)
def test_schema_tells_what_this_qemu_can_do(version: str) -> None:
    recording = Recording(version, "kinds")
    schema = recording.reply(tuple[SchemaEntity, ...], "query-qmp-schema")
    known = members(schema, "blockdev-backup")
    numbers = recording.reply(VersionInfo, "query-version").qemu
    assert {"bitmap-mode", "auto-dismiss", "speed"} <= known
    assert ("on-cbw-error" in known) is (numbers.major >= 11)


def test_unknown_command_has_no_members() -> None:
    assert members((), "blockdev-backup") == frozenset()


@pytest.mark.parametrize("answer", [None, [], {"status": 1}, {}])
def test_what_qapi_does_not_promise_is_refused_with_the_command(
    answer: object,
) -> None:
    with pytest.raises(StepFailed, match="query-status"):
        understood(StatusInfo, answer, "query-status")


def test_what_a_newer_qemu_adds_is_ignored() -> None:
    answer = [{"id": "j", "type": "backup", "status": "running", "mood": "good"}]
    assert understood(tuple[JobInfo, ...], answer, "query-jobs")[0].id == "j"
