"""The ledger as a matrix of checkpoints and disks, and a page on each checkpoint."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from vmsnap_tui.model.ledger import (
    Cell,
    Drift,
    Holding,
    Ledger,
    LedgerRow,
    NextBackup,
    Owner,
    Severity,
    Standing,
)
from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.view.age import age
from vmsnap_tui.tui.view.paragraphs import (
    BLANK,
    Page,
    Paragraph,
    joined,
    labelled,
    said,
    warning,
)
from vmsnap_tui.tui.view.point_rows import Clock
from vmsnap_tui.tui.view.spans import Line, Tone, plain
from vmsnap_tui.units import format_bytes

DISK_CELLS = 14
_FIXED_CELLS = 46
"""All columns but those of disks, with their gaps, at their least."""
_ID_CELLS = 8
_SCRATCH = "-scratch"
_TONES: dict[Severity, Tone] = {
    "alarm": Tone.ALARM,
    "warning": Tone.CAUTION,
    "note": Tone.MUTED,
}
_SIGNS: dict[Severity, Callable[[Glyphs], str]] = {
    "alarm": lambda glyphs: glyphs.alarm,
    "warning": lambda glyphs: glyphs.caution,
    "note": lambda glyphs: glyphs.dot,
}
_CALM = frozenset({Standing.RECORDING, Standing.UNTRACKED, Standing.BUSY})


@dataclass(frozen=True, slots=True)
class Matrix:
    """`disks` are the titles of the columns in the middle, the last of which may stand
    for several; each row has its key and a cell for every column."""

    disks: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Line, ...]], ...]


def matrix(ledger: Ledger, width: int, now: datetime, glyphs: Glyphs) -> Matrix:
    """A row a checkpoint, and as many disks as there is room for; the sign and the
    drift's name say what the tone says."""
    room = max((width - _FIXED_CELLS) // (DISK_CELLS + 1), 1)
    fit = room - 1 if len(ledger.disks) > room else room
    shown, rest = ledger.disks[:fit], ledger.disks[fit:]
    titles = tuple(plain(said(target)) for target in shown)
    return Matrix(
        (*titles, f"+{len(rest)} disks") if rest else titles,
        tuple((row.name, _cells(row, shown, rest, now, glyphs)) for row in ledger.rows),
    )


def _cells(
    row: LedgerRow,
    shown: tuple[str, ...],
    rest: tuple[str, ...],
    now: datetime,
    glyphs: Glyphs,
) -> tuple[Line, ...]:
    sign, tone = _sign_of(row, glyphs)
    by_target = {cell.target: cell for cell in row.cells}
    found = [by_target[target] for target in shown]
    if rest:
        found.append(max((by_target[target] for target in rest), key=_weight))
    return (
        said(sign, tone),
        said(short_name(row)),
        said(age(row.created_utc, now) if row.created_utc else "", Tone.MUTED),
        *(_cell(cell, glyphs) for cell in found),
        said(row.stored or glyphs.rule, Tone.PLAIN if row.stored else Tone.MUTED),
        said(_drift_names(row), tone),
    )


def severity_of(row: LedgerRow) -> Severity | None:
    """The worst of its drifts; None where all agrees."""
    order: tuple[Severity, ...] = ("alarm", "warning", "note")
    found = {drift.severity for drift in row.drifts}
    return next((severity for severity in order if severity in found), None)


def _sign_of(row: LedgerRow, glyphs: Glyphs) -> tuple[str, Tone]:
    """By the worst of its drifts; what is not known to agree is never called well."""
    worst = severity_of(row)
    if worst is not None:
        return _SIGNS[worst](glyphs), _TONES[worst]
    if row.agrees:
        return glyphs.good, Tone.GOOD
    if row.holding is Holding.PENDING:
        return glyphs.job, Tone.JOB
    return "?", Tone.MUTED


def short_name(row: LedgerRow) -> str:
    """Enough to tell rows apart; the page below has the whole name."""
    if row.owner is Owner.FOREIGN:
        return row.name
    scratch = "scratch " * row.name.endswith(_SCRATCH)
    ours = "" if row.owner is Owner.OURS else f"{row.name.split('-')[1]}: "
    return f"{ours}{scratch}{row.name.removesuffix(_SCRATCH)[-_ID_CELLS:]}"


def _drift_names(row: LedgerRow) -> str:
    if row.drifts or row.agrees:
        return ", ".join(drift.kind.value for drift in row.drifts)
    return "being made" if row.holding is Holding.PENDING else "not known"


def _cell(cell: Cell, glyphs: Glyphs) -> Line:
    if not cell.words:
        return said(glyphs.rule, Tone.MUTED)
    tone = Tone.PLAIN if cell.standing in _CALM else Tone.CAUTION
    return said(cell.words, Tone.MUTED if cell.standing is Standing.UNKNOWN else tone)


def _weight(cell: Cell) -> tuple[bool, bool]:
    """Of several disks in one column the one that says most against it."""
    return cell.standing.dead, bool(cell.words)


def row_page(row: LedgerRow, ledger: Ledger, clock: Clock, glyphs: Glyphs) -> Page:
    """All that is known of one checkpoint: drifts first, then the three records."""
    rows = [labelled("checkpoint", said(row.name, Tone.STRONG))]
    for drift in row.drifts:
        rows += _drift(drift, glyphs)
    if not row.drifts:
        sign, tone = _sign_of(row, glyphs)
        rows.append(Paragraph(said(f" {sign} ", tone), said(_calm(row), tone)))
    rows += [BLANK, labelled("made by", said(row.maker or "nobody that is known here"))]
    if row.created_utc:
        ago = said(clock.age(row.created_utc), Tone.MUTED)
        rows.append(
            labelled("since", joined([said(clock.local(row.created_utc)), ago]))
        )
    if row.in_metadata is not None:
        known = "known" if row.in_metadata else "not known"
        rows.append(labelled("metadata", said(f"{known} to the hypervisor")))
    if row.point:
        rows.append(labelled("point", joined([said(row.point), _stored(row)])))
    rows += [labelled(cell.target, _told(cell)) for cell in row.cells]
    return (*rows, *_after(ledger))


def _calm(row: LedgerRow) -> str:
    if row.agrees:
        return "checkpoint, bitmaps and point agree"
    if row.holding is Holding.PENDING:
        return "its backup is not over: the point is being made, or to be recovered"
    return "it cannot be told now whether its records agree"


def _stored(row: LedgerRow) -> Line:
    words = {"yes": "in the repository", "no": "not in the repository"}
    return said(words.get(row.stored, row.stored), Tone.MUTED)


def _drift(drift: Drift, glyphs: Glyphs) -> list[Paragraph]:
    tone = _TONES[drift.severity]
    lead = said(f" {_SIGNS[drift.severity](glyphs)} ", tone)
    disks = said(f"on {', '.join(drift.targets)}", Tone.MUTED) if drift.targets else ()
    arrow = said(f"   {glyphs.leads_to} ", Tone.MUTED)
    return [
        Paragraph(lead, joined([said(drift.kind.value, tone), disks])),
        Paragraph(said("   "), said(drift.reason)),
        Paragraph(arrow, said(drift.remedy)),
    ]


def _told(cell: Cell) -> Line:
    needed = said("the next increment stands on it", Tone.MUTED) if cell.needed else ()
    words = cell.words or cell.standing.value
    return joined([said(words), said(cell.reason, Tone.MUTED), needed])


def _after(ledger: Ledger) -> Page:
    rows = [BLANK] if ledger.next else []
    rows += [_next(found) for found in ledger.next]
    if ledger.untold:
        rows.append(warning(ledger.untold))
    return tuple(rows)


def _next(found: NextBackup) -> Paragraph:
    if not found.level:
        return labelled(f"next {found.target}", said(found.reason, Tone.MUTED))
    size = said(f"about {format_bytes(found.bytes)}")
    parts = [said(found.level, Tone.STRONG), size, said(found.reason, Tone.MUTED)]
    return labelled(f"next {found.target}", joined(parts))


def empty_page(ledger: Ledger, glyphs: Glyphs) -> Page:
    """What to do where no party keeps a record yet."""
    rows: list[Paragraph] = []
    if not ledger.untold:
        calm = said("no checkpoint, no bitmap and no point of this machine")
        rows.append(Paragraph(said(f" {glyphs.dot} "), calm))
        hint = said("b on the machine backs it up: that begins all three")
        rows.append(Paragraph(said(f" {glyphs.leads_to} ", Tone.MUTED), hint))
    for drift in ledger.drifts:
        rows += _drift(drift, glyphs)
    return (*rows, *_after(ledger))


def summary(ledger: Ledger) -> str:
    """`2 checkpoints · 1 drift · 1 can be repaired`, for the heading."""
    drifts = [
        drift
        for drift in (*ledger.drifts, *(d for row in ledger.rows for d in row.drifts))
        if not drift.kind.of_others
    ]
    if not ledger.rows and not drifts:
        return "nothing is recorded yet"
    parts = [_count(len(ledger.rows), "checkpoint")]
    agree = all(row.agrees or row.drifts for row in ledger.rows)
    calm = "all agree" if agree else "not all is known"
    parts.append(_count(len(drifts), "drift") if drifts else calm)
    if ledger.mendable:
        parts.append(f"{len(ledger.mendable)} can be repaired")
    return " · ".join(parts)


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"
