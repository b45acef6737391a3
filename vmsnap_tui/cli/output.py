"""stdout: data, and nothing but data. The one module that writes there."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from typing import TextIO

from vmsnap_tui.text import visible


class Output:
    """One JSON document with `--json`, aligned plain text without.

    JSON is pure ASCII, so that no name of a machine is anything but text to a
    terminal; plain text passes `visible` for the same reason. A reader that went
    away raises BrokenPipeError from here.
    """

    def __init__(self, *, as_json: bool = False, stream: TextIO | None = None) -> None:
        self.as_json = as_json
        self._stream = sys.stdout if stream is None else stream

    def document(self, value: object) -> None:
        """The one JSON document of a verb."""
        self._write(json.dumps(value, indent=2))

    def json_line(self, value: object) -> None:
        """One JSON object of a stream, on a line of its own."""
        self._write(json.dumps(value))

    def line(self, text: str = "") -> None:
        self._write("\n".join(visible(part) for part in text.split("\n")))

    def table(
        self,
        header: Sequence[str],
        rows: Iterable[Sequence[str]],
        *,
        right: frozenset[int] = frozenset(),
    ) -> None:
        """Columns as wide as their widest cell; `right` are aligned to the right."""
        cells = [[visible(cell) for cell in row] for row in (header, *rows)]
        widths = [max(map(_width, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            padded = (
                _padded(cell, width, right=n in right)
                for n, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            self._write("  ".join(padded).rstrip())

    def _write(self, text: str) -> None:
        print(text, file=self._stream, flush=True)


def _width(text: str) -> int:
    """Columns on a terminal: East Asian wide characters take two."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    marks = sum(unicodedata.combining(c) != 0 for c in text)
    return len(text) + wide - marks


def _padded(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - _width(text))
    return space + text if right else text + space
