"""What QEMU alone cannot do."""

from dataclasses import replace

from vmsnap_tui.backends.qmp.limits import limits_of
from vmsnap_tui.model.bitmap import Bitmap
from vmsnap_tui.model.disk import Disk, Image
from vmsnap_tui.model.limit import Ability, Limit
from vmsnap_tui.model.vm import Capabilities

OLD = Capabilities((7, 2, 22))
NEW = Capabilities((11, 1, 3), backup_on_cbw_error=True, graph_safe_during_jobs=True)
IMAGE = Image("/srv/a.qcow2", "qcow2", "d0", 1, 1, read_only=False)
BITMAP = Bitmap("b", 65536, 0, True, False, False, True)


def refused(found: tuple[Limit, ...]) -> set[Ability]:
    return {limit.ability for limit in found if not limit.warns}


def test_the_schema_and_not_the_version_tells_of_the_write_buffer() -> None:
    assert refused(limits_of(OLD, ())) == {Ability.WRITE_BUFFER}
    assert refused(limits_of(NEW, ())) == set()
    backported = replace(OLD, backup_on_cbw_error=True)
    assert Ability.WRITE_BUFFER not in refused(limits_of(backported, ()))


def test_a_qemu_that_was_never_tried_is_not_backed_up() -> None:
    [limit] = [
        found
        for found in limits_of(Capabilities((6, 2, 0)), ())
        if found.ability is Ability.BACKUP
    ]
    assert limit.needs == "QEMU 7.2"


def test_a_bitmap_keeps_from_a_revert_that_would_stop_halfway() -> None:
    recorded = Disk("vda", "", (replace(IMAGE, bitmaps=(BITMAP,)),))
    assert Ability.REVERT_INTERNAL in refused(limits_of(NEW, (recorded,)))
    assert Ability.REVERT_INTERNAL not in refused(
        limits_of(NEW, (Disk("vda", "", (IMAGE,)),))
    )


def test_no_program_beside_is_blamed_where_the_monitor_serves_one_client() -> None:
    found = limits_of(OLD, ())
    assert Ability.BACKUP not in {limit.ability for limit in found}
