"""What QEMU alone, over its monitor, cannot do safely."""

from functools import lru_cache

from vmsnap_tui.backends import cliffs
from vmsnap_tui.backends.cliffs import Program
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.limit import Ability, Limit
from vmsnap_tui.model.vm import Capabilities

_HALFWAY = Limit(
    Ability.REVERT_INTERNAL,
    "one that fails leaves some disks reverted, others not, and the machine stopped",
    warns=True,
)
_RECORDED = Limit(
    Ability.REVERT_INTERNAL,
    "QEMU refuses it halfway while a disk has a bitmap, with some disks reverted",
    "no bitmaps",
)


def limits_of(capabilities: Capabilities, disks: tuple[Disk, ...]) -> tuple[Limit, ...]:
    """Every limit of the one machine behind a monitor."""
    recorded = any(image.bitmaps for disk in disks for image in disk.chain)
    return _limits(capabilities, recorded)


@lru_cache(maxsize=64)
def _limits(capabilities: Capabilities, recorded: bool) -> tuple[Limit, ...]:
    """The schema, and not the version, tells of the write buffer."""
    able = capabilities.backup_on_cbw_error
    rows = [r for r in cliffs.QEMU if not (able and r.ability is Ability.WRITE_BUFFER)]
    versions = {Program.QEMU: capabilities.qemu_version}
    found = cliffs.limits(rows, versions, frozenset())
    return (*found, _RECORDED if recorded else _HALFWAY)
