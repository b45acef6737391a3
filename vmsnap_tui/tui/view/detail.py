"""What is shown of the highlighted machine beside the fleet."""

from datetime import datetime

from vmsnap_tui.backends.base import Link
from vmsnap_tui.engine.events import ConnectionView
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.limit import Ability
from vmsnap_tui.model.vm import Vm
from vmsnap_tui.repository.stored import StoredPoint
from vmsnap_tui.tui.glyphs import Glyphs
from vmsnap_tui.tui.observed import Observed
from vmsnap_tui.tui.view.age import age
from vmsnap_tui.tui.view.chain import chain_lines
from vmsnap_tui.tui.view.fleet import state_span
from vmsnap_tui.tui.view.limit_rows import why_connection_read_only, why_read_only
from vmsnap_tui.tui.view.spans import BLANK, Line, Span, Tone, line, span
from vmsnap_tui.tui.view.timeline import timeline, verified_span
from vmsnap_tui.tui.view.tracking import changed_since, tracking_span
from vmsnap_tui.units import format_bytes


def vm_lines(
    observed: Observed, key: str, now: datetime, glyphs: Glyphs, width: int
) -> tuple[Line, ...]:
    """Head, alarms, every disk with its chain, and the points."""
    vm, connection = observed.vm(key), observed.connection_of(key)
    if vm is None or connection is None:
        return (line(span("This machine is not there any more.", Tone.CAUTION)),)
    stored = observed.last_point(key)
    lines: list[Line] = [
        head_line(vm, glyphs, stale=connection.stale),
        facts_line(vm, width),
        *stale_lines(connection, width),
        *alarm_lines(observed.alarms(key), glyphs, width),
        BLANK,
    ]
    for disk in vm.disks:
        lines.append(disk_line(disk, stored, now, glyphs))
        lines.extend(chain_lines(disk, glyphs, width, bitmaps=False))
        lines.append(BLANK)
    points = observed.records.points.get(key, ())
    signs = points_line(vm, points, glyphs, width - 8)
    lines.append(line(span("points  ", Tone.MUTED), *signs))
    if stored:
        lines.append(line("        ", *_last_point_line(stored, now)))
        lines.append(line("        ", verified_span(stored, now)))
    return tuple(lines)


def head_line(vm: Vm, glyphs: Glyphs, *, stale: bool) -> Line:
    """Name, state, and whether it may only be looked at."""
    read_only = "   read-only" if why_read_only(vm) else ""
    return line(
        span(vm.name, Tone.STRONG),
        "   ",
        state_span(vm, glyphs, stale=stale),
        span(read_only, Tone.CAUTION),
    )


def facts_line(vm: Vm, width: int) -> Line:
    """Agent, the versions that it runs on, and its disks where there is room."""
    if not vm.known:
        return line(span("its definition is being read", Tone.MUTED))
    disks = f"{len(vm.disks)} disk" + ("" if len(vm.disks) == 1 else "s")
    agent = agent_span(vm)
    facts = [fact for fact in (disks, vm.capabilities.label) if fact]
    rest = "".join(f"  ·  {fact}" for fact in facts)
    if len(agent.text) + len(rest) > width:
        rest = f"  ·  {facts[-1]}"
    return line(agent, span(rest, Tone.MUTED))


def agent_span(vm: Vm) -> Span:
    """How the guest agent is."""
    if vm.agent is None:
        return span("no agent channel", Tone.MUTED)
    if vm.agent.answers is None:
        return span("agent not asked", Tone.MUTED)
    if vm.agent.answers:
        return span("agent connected", Tone.GOOD)
    return span("agent not connected", Tone.CAUTION)


def stale_lines(connection: ConnectionView, width: int) -> tuple[Line, ...]:
    """What is wrong with the connection, whole, and that the rest is old."""
    if not connection.stale:
        return ()
    reason = connection.reason or connection.link.value
    return (
        line(span("as it was read last; the connection is lost:", Tone.STALE)),
        *_wrapped_lines(reason, width, Tone.ALARM),
    )


def alarm_lines(alarms: tuple[str, ...], glyphs: Glyphs, width: int) -> list[Line]:
    """Every alarm whole, over several lines where it must be."""
    lines: list[Line] = []
    for alarm in alarms:
        for number, part in enumerate(wrapped(alarm, width - 2)):
            sign = f"{glyphs.alarm} " if number == 0 else "  "
            lines.append(line(span(sign + part, Tone.ALARM)))
    return lines


def disk_line(
    disk: Disk, stored: StoredPoint | None, now: datetime, glyphs: Glyphs
) -> Line:
    """Target, size, what changed since the last point, and its tracking."""
    parts: list[Span] = [
        span(disk.target, Tone.STRONG),
        span(f"  {size_text(disk)}  "),
    ]
    changed = changed_since(disk, stored)
    if stored and changed is not None:
        since = age(stored.point.created_utc, now)
        parts.append(span(f"{glyphs.changed} {format_bytes(changed)}", Tone.PLAIN))
        parts.append(span(f" in {since}   " if since != "now" else "   ", Tone.MUTED))
    parts.append(tracking_span(disk, stored))
    return tuple(parts)


def size_text(disk: Disk) -> str:
    """What the guest sees; a list alone does not tell it of every hypervisor."""
    return format_bytes(disk.virtual_bytes) if disk.virtual_bytes else ""


def points_line(
    vm: Vm, points: tuple[StoredPoint, ...], glyphs: Glyphs, width: int
) -> Line:
    """The timeline; who cannot make the first point is not told to."""
    if not points and vm.limit(Ability.BACKUP):
        return line(span("no point yet", Tone.CAUTION))
    return timeline(points, glyphs, width)


def _last_point_line(stored: StoredPoint, now: datetime) -> Line:
    ago = age(stored.point.created_utc, now)
    size = format_bytes(stored.point.stored_bytes)
    return line(
        span(f"last {ago} ago" if ago != "now" else "last just now"),
        span(f", {size}, {stored.point.consistency.value}", Tone.MUTED),
    )


def connection_lines(connection: ConnectionView, width: int) -> tuple[Line, ...]:
    """A connection, how it is, and what to do when it is down."""
    words = {
        Link.UP: span("connected", Tone.GOOD),
        Link.CONNECTING: span("connecting", Tone.CAUTION),
        Link.DOWN: span("down", Tone.ALARM),
    }
    lines = [*_wrapped_lines(connection.uri, width, Tone.STRONG)]
    lines.append(line(words[connection.link]))
    for reason in (connection.reason, why_connection_read_only(connection)):
        if reason:
            lines.append(BLANK)
            lines.extend(_wrapped_lines(reason, width, Tone.PLAIN))
    if connection.link is Link.DOWN:
        lines.append(BLANK)
        lines.extend(
            _wrapped_lines(
                "It is tried again by itself, every few seconds.", width, Tone.MUTED
            )
        )
    return tuple(lines)


def empty_lines(observed: Observed, width: int) -> tuple[Line, ...]:
    """What to do when there is no machine to show."""
    if not observed.opened:
        return (line(span("connecting", Tone.MUTED)),)
    if not observed.fleet:
        return (
            line(span("No connection.", Tone.STRONG)),
            BLANK,
            line("No libvirt, and no QEMU with a monitor socket, was found"),
            line("on this host. Name one on the command line:"),
            BLANK,
            line("  vmsnap-tui --connect qemu:///system"),
            line("  vmsnap-tui --connect qmp:///run/vm/web.qmp"),
            line("  vmsnap-tui --connect 'qmp:///run/vm/web.qmp"),
            line("      ?agent=/run/vm/web.qga'"),
            BLANK,
            line("A QEMU offers one when it is started with"),
            line("  -qmp unix:/run/vm/web.qmp,server=on,wait=off"),
            BLANK,
            line("Or look around in a lab of real machines:"),
            line("  vmsnap-tui demo"),
        )
    return (line(span("No machine passes the filter: esc shows all.", Tone.MUTED)),)


def _wrapped_lines(text: str, width: int, tone: Tone) -> list[Line]:
    return [line(span(part, tone)) for part in wrapped(text, width)]


def wrapped(text: str, width: int) -> list[str]:
    """The text in lines of at most `width`; long words are broken."""
    import textwrap

    from vmsnap_tui.text import visible

    return textwrap.wrap(visible(text), max(width, 10)) or [""]
