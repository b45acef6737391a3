import stat
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsnap_tui.model.point import Verification, VerifyLevel
from vmsnap_tui.repository.layout import VERIFICATIONS
from vmsnap_tui.repository.verifications import (
    append_verification,
    last_verification,
)

L0, L1, L2 = VerifyLevel.LISTED, VerifyLevel.STRUCTURE, VerifyLevel.CHECKSUMS
AT = "2026-11-20T08:34:12.345Z"


def _known(directory: Path, *checks: tuple[VerifyLevel, bool]) -> Verification | None:
    for level, ok in checks:
        findings = () if ok else ("disk vda: \x1b[2J is not text to trust",)
        append_verification(directory, Verification(level, AT, ok, findings))
    return last_verification(directory)


def test_never_verified_is_nothing(tmp_path: Path) -> None:
    assert last_verification(tmp_path) is None


def test_a_shallow_success_does_not_hide_a_deep_one(tmp_path: Path) -> None:
    known = _known(tmp_path, (L2, True), (L0, True))
    assert known is not None
    assert (known.level, known.ok) == (L2, True)


def test_a_shallow_success_does_not_hide_a_deep_failure(tmp_path: Path) -> None:
    known = _known(tmp_path, (L2, False), (L1, True))
    assert known is not None
    assert (known.level, known.ok) == (L2, False)
    assert "\x1b" in known.findings[0]
    repaired = _known(tmp_path, (L2, True))
    assert repaired is not None
    assert repaired.ok


def test_any_later_failure_is_known(tmp_path: Path) -> None:
    known = _known(tmp_path, (L2, True), (L0, False))
    assert known is not None
    assert (known.level, known.ok) == (L0, False)


def test_a_line_torn_by_a_crash_spoils_only_itself(tmp_path: Path) -> None:
    _known(tmp_path, (L1, True))
    path = tmp_path / VERIFICATIONS
    with path.open("ab") as file:
        file.write(path.read_bytes()[:20])
    known = _known(tmp_path, (L2, True))
    assert known is not None
    assert known.level is L2
    assert len(path.read_bytes().splitlines()) == 3
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_link_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(b"kept")
    (tmp_path / VERIFICATIONS).symlink_to(tmp_path / "outside")
    assert last_verification(tmp_path) is None
    with pytest.raises(OSError, match="symbolic links"):
        _known(tmp_path, (L1, True))
    assert (tmp_path / "outside").read_bytes() == b"kept"


@given(st.lists(st.binary()))
def test_no_content_does_more_than_say_nothing(lines: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        (Path(directory) / VERIFICATIONS).write_bytes(b"\n".join(lines))
        assert last_verification(Path(directory)) is None
