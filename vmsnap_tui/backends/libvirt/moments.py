"""What checkpoints and snapshots share in libvirt's XML (`virDomainMomentDef`)."""

from datetime import UTC, datetime
from xml.etree import ElementTree


def created_utc(moment: ElementTree.Element) -> str:
    """ISO 8601 in UTC with milliseconds; empty where libvirt does not tell, or tells
    what is no time."""
    text = moment.findtext("creationTime", "")
    if not (text.isascii() and text.isdigit()):
        return ""
    try:
        return utc(int(text))
    except (OverflowError, ValueError, OSError):
        return ""


def utc(at_s: float) -> str:
    """Seconds since the epoch as ISO 8601 with milliseconds. Raises what datetime does
    for what is no time."""
    at = datetime.fromtimestamp(at_s, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
