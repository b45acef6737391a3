"""Instants as an operator reads them: how long ago, or at what time of the day."""

from datetime import datetime


def parsed(iso_utc: str) -> datetime:
    """Raises ValueError when the text is not an instant in ISO 8601 with a zone."""
    return datetime.fromisoformat(iso_utc)


def age(iso_utc: str, now: datetime) -> str:
    """`now`, `12 min`, `5 h`, `3 d`, `7 wk`; what is no instant is shown as it is."""
    try:
        seconds = (now - parsed(iso_utc)).total_seconds()
    except (ValueError, TypeError):
        return iso_utc
    if seconds < 60:
        return "now"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds // 3600:.0f} h"
    if seconds < 60 * 86400:
        return f"{seconds // 86400:.0f} d"
    return f"{seconds // (7 * 86400):.0f} wk"


def clock_text(iso_utc: str) -> str:
    """`2026-03-01 03:00 UTC`; what is no instant is shown as it is."""
    try:
        then = parsed(iso_utc)
    except ValueError:
        return iso_utc
    return f"{then:%Y-%m-%d %H:%M} UTC"
