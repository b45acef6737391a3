"""Wire events as rows: when, which machine, what, with which data."""

import json
from datetime import UTC, datetime

from vmsnap_tui.backends.base import WireHeard
from vmsnap_tui.tui.view.spans import Line, Tone, line, span

_LOUD = ("ERROR", "CORRUPT", "PANIC", "WATCHDOG")
_JOBS = ("JOB_", "BLOCK_JOB")


def event_cells(heard: WireHeard, vm_name: str, now: datetime) -> tuple[Line, ...]:
    """Time in the operator's zone, machine, name, data in one line."""
    at = datetime.fromtimestamp(heard.at_s, UTC).astimezone(now.tzinfo)
    return (
        line(span(f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}", Tone.MUTED)),
        line(vm_name),
        line(span(heard.name, _tone(heard.name))),
        line(span(data_text(heard), Tone.MUTED)),
    )


def data_text(heard: WireHeard) -> str:
    """The event's data as JSON, in one line."""
    if not heard.data:
        return ""
    return json.dumps(heard.data, ensure_ascii=False, default=str)


def _tone(name: str) -> Tone:
    if any(word in name for word in _LOUD):
        return Tone.ALARM
    return Tone.JOB if name.startswith(_JOBS) else Tone.PLAIN
