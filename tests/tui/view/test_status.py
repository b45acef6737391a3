"""The first line."""

from vmsnap_tui.backends.base import Link
from vmsnap_tui.engine.events import ConnectionView
from vmsnap_tui.tui.glyphs import UNICODE
from vmsnap_tui.tui.observed import Observed
from vmsnap_tui.tui.scenes import WEB, jobs
from vmsnap_tui.tui.still import NOW
from vmsnap_tui.tui.view.spans import plain
from vmsnap_tui.tui.view.status import status_line


def said(observed: Observed, width: int = 120) -> tuple[str, str]:
    left, right = status_line("lab", observed, NOW, UNICODE, width)
    return plain(left), plain(right)


def test_what_is_wrong_stands_there_in_words() -> None:
    down = ConnectionView("qmp:///a", Link.DOWN)
    left, right = said(Observed(fleet=(down,), opened=True))
    assert "1 connection " in left
    assert "1 down" in left
    assert "1 alarm " in right


def test_connecting_is_said_until_it_is_over() -> None:
    waiting = ConnectionView("qmp:///a", Link.CONNECTING)
    assert "1 connecting" in said(Observed(fleet=(waiting,)))[0]


def test_no_connection_is_said_once_all_were_tried() -> None:
    assert "no connection" not in said(Observed())[0]
    assert "no connection" in said(Observed(opened=True))[0]


def test_without_a_title_there_is_no_gap() -> None:
    left, _ = status_line("", Observed(opened=True), NOW, UNICODE, 80)
    assert plain(left) == " vmsnap-tui  no connection"


def test_jobs_are_counted_and_the_clock_is_short_where_it_must_be() -> None:
    seen = Observed(jobs={WEB.key: jobs()})
    assert "2 jobs" in said(seen)[1]
    assert "12:04:31" in said(seen)[1]
    assert "12:04:31" not in said(seen, 80)[1]
