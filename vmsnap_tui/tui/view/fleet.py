"""The list of machines: one row each, alarms first, what is lost stays in place."""

from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from vmsnap_tui.backends.base import Link
from vmsnap_tui.backends.cliffs import MANY_OVERLAYS
from vmsnap_tui.engine.events import ConnectionView
from vmsnap_tui.model.vm import Vm, VmState
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.observed import Observed
from vmsnap_tui.tui.view.age import age
from vmsnap_tui.tui.view.limit_rows import why_connection_read_only
from vmsnap_tui.tui.view.snapshot_rows import mixes_kinds
from vmsnap_tui.tui.view.spans import Line, Span, Tone, line, span
from vmsnap_tui.tui.view.tracking import changed_since
from vmsnap_tui.units import format_bytes

CONNECTION_KEY = "connection:"
"""Before the URI in the row key of a connection."""

_SOCKETS = ("qmp://",)
"""Connections with one machine, which need no heading over it."""

_ORPHANS = "a revert can orphan overlays"

_STATE_TONES = {
    VmState.RUNNING: Tone.GOOD,
    VmState.PAUSED: Tone.CAUTION,
    VmState.IO_ERROR: Tone.ALARM,
    VmState.OFF: Tone.MUTED,
    VmState.CRASHED: Tone.ALARM,
    VmState.UNKNOWN: Tone.MUTED,
}


@dataclass(frozen=True, slots=True)
class FleetRow:
    """One line of the fleet table; `cells` are state, name, Δ, point, chain."""

    key: str
    cells: tuple[Line, ...]
    sort: tuple[str | int, ...]
    heading: bool = False
    group: str = ""


class _Drawn(NamedTuple):
    """A machine's row, and all that it was drawn from."""

    vm: Vm
    stored: StoredPoint | None
    signs: tuple[object, ...]
    row: FleetRow


class FleetRows:
    """Draws the rows, and keeps those of machines of which nothing has changed: each
    event of one among a thousand draws the list anew."""

    def __init__(self) -> None:
        self._drawn: dict[tuple[str, str], _Drawn] = {}

    def rows(
        self, observed: Observed, now: datetime, glyphs: Glyphs
    ) -> tuple[FleetRow, ...]:
        """All connections in their order; within each, alarms first, then by name."""
        before, self._drawn = self._drawn, {}
        rows: list[FleetRow] = []
        sockets = [c for c in observed.fleet if c.uri.startswith(_SOCKETS)]
        parts = [(sockets, False)]
        parts += [([c], True) for c in observed.fleet if c not in sockets]
        for connections, headed in parts:
            rows += [_heading(c, observed, glyphs) for c in connections if headed]
            found = [(c, vm) for c in connections for vm in c.vms]
            found.sort(key=lambda pair: _rank(pair[1], observed))
            for connection, vm in found:
                place = connection.uri, vm.key
                last = before.get(place)
                drawn = _drawn(connection, vm, observed, now, glyphs, last)
                self._drawn[place] = drawn
                rows.append(drawn.row)
            rows += [_lost(c, glyphs) for c in connections if _is_empty_socket(c)]
        return tuple(rows)


def _drawn(
    connection: ConnectionView,
    vm: Vm,
    observed: Observed,
    now: datetime,
    glyphs: Glyphs,
    last: _Drawn | None,
) -> _Drawn:
    key = vm.key
    stored = observed.last_point(key)
    signs = (
        glyphs,
        connection.stale,
        key in observed.frozen,
        bool(observed.alarms(key)),
        bool(observed.jobs.get(key)),
        point_span(stored, now),
    )
    same = last is not None and last.vm is vm and last.stored is stored
    if last is not None and same and last.signs == signs:
        return last
    row = _machine(connection, vm, observed, now, glyphs)
    return _Drawn(vm, stored, signs, row)


def _is_empty_socket(connection: ConnectionView) -> bool:
    return not connection.vms and connection.uri.startswith(_SOCKETS)


def fleet_rows(
    observed: Observed, now: datetime, glyphs: Glyphs
) -> tuple[FleetRow, ...]:
    """The rows as they are drawn at first."""
    return FleetRows().rows(observed, now, glyphs)


def banner_lines(observed: Observed, glyphs: Glyphs) -> tuple[Line, ...]:
    """What an operator must know before anything else."""
    lines: list[Line] = []
    count = len(observed.recoverable)
    if count:
        noun = "operation was" if count == 1 else "operations were"
        text = f" {glyphs.alarm} {count} {noun} interrupted: press R to recover"
        lines.append(line(span(text, Tone.ALARM)))
    if problem := observed.records.problem:
        text = f" {glyphs.alarm} the repository cannot be read: {problem}"
        lines.append(line(span(text, Tone.ALARM)))
    if damaged := len(observed.records.damaged):
        noun = "point is" if damaged == 1 else "points are"
        text = f" {glyphs.caution} {damaged} {noun} damaged: d tells more"
        lines.append(line(span(text, Tone.CAUTION)))
    return (*lines, *_caution_lines(observed, glyphs))


def _caution_lines(observed: Observed, glyphs: Glyphs) -> list[Line]:
    """What the connections and their snapshots stand in the way of."""
    texts = [
        f"{_short_name(connection, observed)} is read-only: its row says why"
        for connection in observed.fleet
        if why_connection_read_only(connection)
    ]
    mixed = [vm.name for c in observed.fleet for vm in c.vms if mixes_kinds(vm)]
    if len(mixed) == 1:
        texts.append(f"{mixed[0]} mixes internal and external snapshots: {_ORPHANS}")
    elif mixed:
        count = len(mixed)
        texts.append(
            f"{count} machines mix internal and external snapshots: {_ORPHANS}"
        )
    return [line(span(f" {glyphs.caution} {t}", Tone.CAUTION)) for t in texts]


def _rank(vm: Vm, observed: Observed) -> tuple[bool, str]:
    quiet = not observed.alarms(vm.key) and vm.state not in (
        VmState.IO_ERROR,
        VmState.CRASHED,
    )
    return quiet, vm.name.casefold()


def _machine(
    connection: ConnectionView,
    vm: Vm,
    observed: Observed,
    now: datetime,
    glyphs: Glyphs,
) -> FleetRow:
    stored = observed.last_point(vm.key)
    changed = changed_bytes(vm, stored) if vm.known else None
    depth = max((len(disk.chain) for disk in vm.disks), default=0)
    whole = all(disk.chain_known for disk in vm.disks)
    name = [span(vm.name, Tone.STALE if connection.stale else Tone.STRONG)]
    if vm.key in observed.frozen:
        name.append(span(f" {glyphs.frozen} frozen", Tone.FROZEN))
    elif observed.alarms(vm.key):
        name.append(span(f" {glyphs.alarm}", Tone.ALARM))
    if observed.jobs.get(vm.key):
        name.append(span(f" {glyphs.job}", Tone.JOB))
    cells = (
        (state_span(vm, glyphs, stale=connection.stale),),
        tuple(name),
        (changed_span(changed, stored if vm.known else None, glyphs),),
        (point_span(stored, now),),
        (depth_span(depth, glyphs, whole=whole),),
    )
    point_time = stored.point.created_utc if stored else ""
    sort = (
        vm.state.value,
        vm.name.casefold(),
        -1 if changed is None else changed,
        point_time,
        depth,
    )
    return FleetRow(vm.key, cells, sort, group=connection.uri)


def _heading(
    connection: ConnectionView, observed: Observed, glyphs: Glyphs
) -> FleetRow:
    name = _short_name(connection, observed)
    sign = glyphs.opened if connection.link is Link.UP else glyphs.stale
    tone = Tone.ALARM if connection.link is Link.DOWN else Tone.ACCENT
    parts = [span(f"{sign} {name}", tone), _link_words(connection)]
    if why_connection_read_only(connection):
        parts.append(span("  read-only", Tone.CAUTION))
    cell = line(*parts)
    key = CONNECTION_KEY + connection.uri
    return FleetRow(key, (cell,), (), heading=True, group=connection.uri)


def _short_name(connection: ConnectionView, observed: Observed) -> str:
    """The URI; what is behind its `?` only where that tells two apart."""
    bare = connection.uri.split("?", 1)[0]
    alike = sum(each.uri.split("?", 1)[0] == bare for each in observed.fleet)
    return bare if alike == 1 else connection.uri


def _link_words(connection: ConnectionView) -> Span:
    if connection.link is Link.UP:
        return span(f"  {len(connection.vms)}", Tone.MUTED)
    if connection.link is Link.CONNECTING:
        return span("  connecting", Tone.CAUTION)
    return span("  down", Tone.ALARM)


def _lost(connection: ConnectionView, glyphs: Glyphs) -> FleetRow:
    """A socket behind which no machine was ever read."""
    connecting = connection.link is Link.CONNECTING
    word, tone = ("connecting", Tone.CAUTION) if connecting else ("down", Tone.ALARM)
    cells = (
        line(span(f"{glyphs.stale} {word}", tone)),
        line(span(socket_name(connection.uri), tone)),
        line(),
        line(),
        line(),
    )
    key = CONNECTION_KEY + connection.uri
    sort = (word, connection.uri, -1, "", 0)
    return FleetRow(key, cells, sort, group=connection.uri)


def socket_name(uri: str) -> str:
    """The part of a socket's URI that an operator knows it by."""
    bare = uri.split("?", 1)[0]
    return bare.rsplit("/", 1)[-1] or bare


def state_span(vm: Vm, glyphs: Glyphs, *, stale: bool) -> Span:
    """Sign and word of the machine's state; a stale one is as it was read last."""
    if stale:
        return span(f"{glyphs.stale} stale", Tone.STALE)
    sign = {
        VmState.RUNNING: glyphs.running,
        VmState.PAUSED: glyphs.paused,
        VmState.IO_ERROR: glyphs.alarm,
        VmState.OFF: glyphs.off,
        VmState.CRASHED: glyphs.alarm,
        VmState.UNKNOWN: glyphs.caution,
    }[vm.state]
    return span(f"{sign} {vm.state.value}", _STATE_TONES[vm.state])


def depth_span(depth: int, glyphs: Glyphs, *, whole: bool = True) -> Span:
    """Images of the longest chain; one that somebody forgot to merge stands out. One
    that was not told to its end (of a machine that is off) has a `+`."""
    more = "" if whole else "+"
    if depth > MANY_OVERLAYS:
        return span(f"{glyphs.caution} {depth}{more}", Tone.CAUTION)
    return span(f"{depth}{more}" if depth else "", Tone.MUTED)


def changed_bytes(vm: Vm, stored: StoredPoint | None) -> int | None:
    """What was written since the point on the disks in it; None when unknown."""
    if stored is None:
        return None
    total = 0
    for stored_disk in stored.point.disks:
        disk = vm.disk(stored_disk.target)
        if disk is None:
            continue
        changed = changed_since(disk, stored)
        if changed is None:
            return None
        total += changed
    return total


def changed_span(
    changed: int | None, stored: StoredPoint | None, glyphs: Glyphs
) -> Span:
    """Bytes since the point; `unknown` where there is a point and no count."""
    if changed is None:
        return span("unknown" if stored else "", Tone.MUTED)
    return span(f"{glyphs.changed} {format_bytes(changed)}")


def point_span(stored: StoredPoint | None, now: datetime) -> Span:
    if stored is None:
        return span("never", Tone.CAUTION)
    return span(age(stored.point.created_utc, now))
