"""Operations that were interrupted, or run elsewhere."""

from vmsnap_tui.tui.glyphs import UNICODE
from vmsnap_tui.tui.observed import Interrupted
from vmsnap_tui.tui.still import NOW
from vmsnap_tui.tui.view.spans import plain
from vmsnap_tui.tui.view.unfinished import operation_cells


def said(*, alive: bool) -> str:
    left = Interrupted(
        "k", "backup web", "web", "2026-11-20T11:00:00Z", "goes on", alive, "root@x"
    )
    return " ".join(plain(cell) for cell in operation_cells(left, NOW, UNICODE))


def test_an_interrupted_one_says_how_it_is_recovered() -> None:
    assert "interrupted" in said(alive=False)
    assert "goes on: R recovers it" in said(alive=False)


def test_one_of_a_living_process_says_whose_it_is() -> None:
    assert "held by root@x" in said(alive=True)
    assert "R recovers" not in said(alive=True)
