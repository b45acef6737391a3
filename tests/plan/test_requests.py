"""Requests are values: what is not said has a safe meaning, and JSON keeps them."""

import msgspec
import pytest

from vmsnap_tui.plan.requests import (
    BackupRequest,
    Level,
    Request,
    RestoreFormat,
    RestoreRequest,
)


def test_a_backup_of_which_nothing_is_said_takes_all_disks_at_the_best_level() -> None:
    request = BackupRequest("web-01")
    assert request.disks == request.exclude == ()
    assert request.level is Level.AUTO
    assert not request.quiesce
    assert request.freeze_deadline_s == 10.0
    assert request.speed_bytes_per_s == 0


def test_a_restore_writes_qcow2_unless_told_otherwise() -> None:
    assert RestoreRequest("p", "/to").format is RestoreFormat.QCOW2


@pytest.mark.parametrize(
    "request_",
    [
        BackupRequest("web-01"),
        BackupRequest("w\n\x1b[2J", ("vda",), ("vdb",), Level.FULL, True, 2.5, True, 7),
        RestoreRequest("p", "/to"),
        RestoreRequest("p", "/to/é \u202e", ("vda", "vdb"), RestoreFormat.RAW),
    ],
)
def test_a_request_survives_json(request_: Request) -> None:
    data = msgspec.json.encode(request_)
    assert msgspec.json.decode(data, type=Request) == request_


def test_requests_cannot_be_changed_once_made() -> None:
    with pytest.raises(AttributeError):
        BackupRequest("web-01").vm = "db-01"  # type: ignore[misc]
