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
        created = datetime.fromtimestamp(int(text), UTC)
    except (OverflowError, ValueError, OSError):
        return ""
    return created.isoformat(timespec="milliseconds").replace("+00:00", "Z")
