"""Themes are files: the shipped ones, then the operator's own, which win by name.

Textual takes any text for a colour and dies when the theme is chosen, so a file is
held against the known keys and every colour parsed before it is offered.
"""

import os
import tomllib
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from textual.color import Color, ColorParseError
from textual.theme import Theme

DEFAULT_THEME = "graphite"
"""Also what a theme lacks of our own variables is taken from it."""

_COLOURS = frozenset(
    {
        "primary",
        "secondary",
        "warning",
        "error",
        "success",
        "accent",
        "foreground",
        "background",
        "surface",
        "panel",
        "boost",
    }
)
_TYPES: dict[str, type | tuple[type, ...]] = {
    "name": str,
    "dark": bool,
    "ansi": bool,
    "luminosity_spread": (int, float),
    "text_alpha": (int, float),
    "variables": dict,
}


@dataclass(frozen=True, slots=True)
class Themes:
    """What can be chosen, the defaults of our own variables, and what was left out.

    A problem is one sentence that names the file.
    """

    themes: tuple[Theme, ...]
    variable_defaults: dict[str, str]
    problems: tuple[str, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(theme.name for theme in self.themes)


class BadTheme(ValueError):
    """What is wrong with a theme file, as the end of a sentence."""


def shipped_directory() -> Path:
    """Where the wheel keeps the themes, or the checkout does."""
    in_wheel = Path(__file__).parents[1] / "_themes"
    return in_wheel if in_wheel.is_dir() else Path(__file__).parents[2] / "themes"


def own_directory() -> Path:
    """The operator's themes, in `$XDG_CONFIG_HOME/vmsnap-tui/themes`."""
    configured = os.environ.get("XDG_CONFIG_HOME", "")
    base = Path(configured) if configured else Path.home() / ".config"
    return base / "vmsnap-tui" / "themes"


def load_themes(own: Path | None = None) -> Themes:
    """Every theme that can be used; raises OSError when the shipped ones cannot."""
    found: dict[str, Theme] = {}
    problems: list[str] = []
    defaults = _read(shipped_directory() / f"{DEFAULT_THEME}.toml")["variables"]
    for directory in (shipped_directory(), own or own_directory()):
        for path in _files(directory, problems):
            try:
                theme = parse_theme(_read(path), frozenset(defaults))
            except (OSError, ValueError) as error:
                problems.append(f"theme {path} is left out: {error}")
            else:
                found[theme.name] = theme
    return Themes(tuple(found.values()), defaults, tuple(problems))


def _files(directory: Path, problems: list[str]) -> list[Path]:
    """A directory that may not be looked into has no themes, and stops nothing."""
    try:
        return sorted(directory.glob("*.toml"))
    except OSError as error:
        problems.append(f"themes in {directory} are left out: {error}")
        return []


def parse_theme(document: dict[str, Any], own_variables: frozenset[str]) -> Theme:
    """The theme of one file; raises BadTheme with what is wrong with it."""
    known = {field.name for field in fields(Theme)}
    if unknown := sorted(set(document) - known):
        raise BadTheme(f"unknown key {unknown[0]!r}")
    for required in ("name", "primary"):
        if required not in document:
            raise BadTheme(f"key {required!r} is missing")
    for key, value in document.items():
        if not isinstance(value, _TYPES.get(key, str)):
            raise BadTheme(f"{key} is not of the right type")
        if key in _COLOURS:
            _check_colour(key, value)
    theme = Theme(**document)
    known_variables = own_variables | set(theme.to_color_system().generate())
    known_variables |= {"input-cursor-background", "input-selection-background"}
    for key, value in theme.variables.items():
        if key not in known_variables:
            raise BadTheme(f"unknown variable {key!r}")
        _check_colour(key, value)
    return theme


def _check_colour(key: str, value: object) -> None:
    try:
        Color.parse(str(value))
    except ColorParseError as error:
        raise BadTheme(f"{key} = {value!r} is not a colour") from error


def _read(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))
