"""Sizes, rates and durations, in and out; binary units, one spelling everywhere."""

import re

KiB = 1024
MiB = 1024 * KiB
GiB = 1024 * MiB
TiB = 1024 * GiB

_SUFFIXES = {"": 1, "K": KiB, "M": MiB, "G": GiB, "T": TiB}
_SIZE = re.compile(
    r"^\s*(\d{1,30})(?:\.(\d{1,30}))?\s*([KMGT]?)(?:i?B)?(?:/s)?\s*$",
    re.IGNORECASE | re.ASCII,
)


def parse_size(text: str) -> int:
    """Bytes of `64M`, `1.5 GiB`, `100MiB/s` or `4096`; units are binary.

    Raises ValueError when the text is not a size.
    """
    found = _SIZE.match(text)
    if not found:
        raise ValueError(f"not a size: {text!r} (say 64M, 1.5G or 4096)")
    whole, fraction, unit = found[1], found[2] or "0", _SUFFIXES[found[3].upper()]
    scale: int = 10 ** len(fraction)
    return int(whole) * unit + int(fraction) * unit // scale


def format_bytes(count: int) -> str:
    """Three significant digits and a binary unit: `1.20 GiB`, `312 MiB`, `17 B`."""
    if abs(count) < KiB:
        return f"{count} B"
    value = float(count)
    for unit in ("KiB", "MiB", "GiB", "TiB", "PiB"):
        value /= 1024
        if abs(value) < 999.5 or unit == "PiB":
            break
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f} {unit}"


def format_rate(bytes_per_s: float) -> str:
    return f"{format_bytes(round(bytes_per_s))}/s"


def format_duration(seconds: float) -> str:
    """`4 ms`, `1.2 s`, `3 min 20 s`, `2 h 5 min`: two units at most."""
    if seconds < 0.9995:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 59.5:
        return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} min"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"
