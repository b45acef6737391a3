"""The disks of a machine: every image of every chain, with its bitmaps."""

from datetime import datetime

from vmsnap_tui.model.disk import Disk
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.view.chain import chain_lines
from vmsnap_tui.tui.view.detail import disk_line
from vmsnap_tui.tui.view.spans import BLANK, Line
from vmsnap_tui.tui.widgets.lines import LinesView


class ChainMap(LinesView):
    """`show_disks` draws the chains from the active image down to the base."""

    def show_disks(
        self,
        disks: tuple[Disk, ...],
        stored: StoredPoint | None,
        now: datetime,
        glyphs: Glyphs,
        before: tuple[Line, ...] = (),
        after: tuple[Line, ...] = (),
    ) -> None:
        """`before` and `after` are lines of others above and below the chains."""

        def build(width: int) -> tuple[Line, ...]:
            lines = list(before)
            for disk in disks:
                lines.append(disk_line(disk, stored, now, glyphs))
                lines.extend(chain_lines(disk, glyphs, width, bitmaps=True))
                lines.append(BLANK)
            return (*lines, *after)

        self.show(build)
