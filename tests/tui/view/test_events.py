"""Wire events as rows."""

from vmsnap_tui.backends.base import WireHeard
from vmsnap_tui.tui.still import NOW
from vmsnap_tui.tui.view.events import data_text, event_cells
from vmsnap_tui.tui.view.spans import Tone, plain

_HEARD = WireHeard("k", "BLOCK_IO_ERROR", {"reason": "no\x1bspace"}, NOW.timestamp())


def test_a_row_is_time_machine_event_data() -> None:
    cells = [plain(cell) for cell in event_cells(_HEARD, "db-01", NOW)]
    assert cells[:3] == ["12:04:31.000", "db-01", "BLOCK_IO_ERROR"]
    assert "\x1b" not in cells[3]


def test_what_is_bad_is_loud() -> None:
    assert event_cells(_HEARD, "x", NOW)[2][0].tone is Tone.ALARM
    quiet = WireHeard("k", "RESUME", {}, 0.0)
    assert event_cells(quiet, "x", NOW)[2][0].tone is Tone.PLAIN
    assert data_text(quiet) == ""
