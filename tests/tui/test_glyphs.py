"""Signs for both kinds of terminal."""

from rich.cells import cell_len

from vmsnap_tui.tui.glyphs import ASCII, BORDERS, UNICODE, glyphs_for


def test_both_sets_take_the_same_cells() -> None:
    for name in UNICODE.__slots__:
        ours, plain = getattr(UNICODE, name), getattr(ASCII, name)
        assert cell_len(ours) == cell_len(plain), name


def test_the_plain_set_is_ascii() -> None:
    assert all(getattr(ASCII, name).isascii() for name in ASCII.__slots__)


def test_the_encoding_decides() -> None:
    assert glyphs_for("utf-8") is UNICODE
    assert glyphs_for("latin-1") is ASCII
    assert glyphs_for("no-such-encoding") is ASCII


def test_borders_become_plain_ones_of_the_same_width() -> None:
    for drawn, plain in BORDERS.items():
        assert plain.isascii()
        assert cell_len(drawn) == cell_len(plain) == 1
