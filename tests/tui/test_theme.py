"""Themes are files, held against what is known before they are offered."""

from pathlib import Path

import pytest

from vmsnap_tui.tui.theme import (
    DEFAULT_THEME,
    BadTheme,
    load_themes,
    own_directory,
    parse_theme,
    shipped_directory,
)
from vmsnap_tui.tui.view.spans import Tone

_GOOD = {"name": "mine", "primary": "#102030"}


def test_the_shipped_themes_are_whole(tmp_path: Path) -> None:
    themes = load_themes(tmp_path)
    assert {"graphite", "paper"} <= set(themes.names)
    assert themes.problems == ()


def test_every_tone_has_a_colour_in_every_shipped_theme(tmp_path: Path) -> None:
    known = {tone.value for tone in Tone if tone.value} - {"accent"}
    for theme in load_themes(tmp_path).themes:
        assert known <= set(theme.variables), theme.name


def test_a_light_and_a_dark_one_are_shipped(tmp_path: Path) -> None:
    themes = {theme.name: theme for theme in load_themes(tmp_path).themes}
    assert themes["graphite"].dark
    assert not themes["paper"].dark
    assert (shipped_directory() / f"{DEFAULT_THEME}.toml").is_file()


def test_the_operators_own_theme_wins(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('name = "paper"\nprimary = "#010203"\n')
    themes = {theme.name: theme for theme in load_themes(tmp_path).themes}
    assert themes["paper"].primary == "#010203"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('name = "x"\nprimary = "#12"\n', "not a colour"),
        ('name = "x"\nprimary = "#112233"\ncolour = "#112233"\n', "unknown key"),
        ('primary = "#112233"\n', "'name' is missing"),
        ('name = "x"\nprimary = 3\n', "right type"),
        ('name = "x"\nprimary = "#112233"\n[variables]\nalrm = "#112233"\n', "alrm"),
        ('name = "x"\nprimary = "#112233"\n[variables]\nalarm = "rd"\n', "alarm"),
        ("name = ", "Invalid"),
    ],
)
def test_a_bad_theme_is_left_out_and_named(
    tmp_path: Path, text: str, problem: str
) -> None:
    (tmp_path / "bad.toml").write_text(text)
    themes = load_themes(tmp_path)
    assert "x" not in themes.names
    [said] = themes.problems
    assert str(tmp_path / "bad.toml") in said
    assert problem in said


def test_a_file_that_is_no_text_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_bytes(b"\xff\xfe")
    assert len(load_themes(tmp_path).problems) == 1


def test_the_themes_of_the_operator_are_where_the_system_says(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert own_directory() == tmp_path / "vmsnap-tui" / "themes"
    monkeypatch.setenv("XDG_CONFIG_HOME", "")
    assert own_directory() == Path.home() / ".config" / "vmsnap-tui" / "themes"


def test_what_is_wrong_is_the_end_of_a_sentence() -> None:
    with pytest.raises(BadTheme, match="unknown key 'x'"):
        parse_theme({**_GOOD, "x": 1}, frozenset())


def test_a_directory_that_cannot_be_looked_into_is_left_out(tmp_path: Path) -> None:
    themes = load_themes(tmp_path / ("x" * 300) / "themes")
    assert themes.themes
    assert "left out" in themes.problems[0]
