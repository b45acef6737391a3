"""A dirty bitmap of one image, as QEMU tells it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bitmap:
    """QAPI `BlockDirtyInfo`; `dirty_bytes` counts whole granules that were written."""

    name: str
    granularity_bytes: int
    dirty_bytes: int
    recording: bool
    busy: bool
    inconsistent: bool
    persistent: bool

    @property
    def trusted(self) -> bool:
        """Whether it has recorded every write since it was made, and still does."""
        return self.recording and not self.inconsistent
