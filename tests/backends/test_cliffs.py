"""Which version can do what, exactly at each cliff's edge."""

import pytest

from vmsnap_tui.backends.cliffs import (
    LIBVIRT,
    QEMU,
    Cliff,
    Program,
    Trait,
    Version,
    depth_limits,
    limits,
)
from vmsnap_tui.model.limit import Ability, Limit

EVERY_TRAIT = frozenset(Trait)


def of_libvirt(
    *version: int, traits: frozenset[Trait] = frozenset()
) -> tuple[Limit, ...]:
    return limits(LIBVIRT, {Program.LIBVIRT: version}, traits)


def refused(found: tuple[Limit, ...]) -> set[Ability]:
    return {limit.ability for limit in found if not limit.warns}


def warned(found: tuple[Limit, ...]) -> set[Ability]:
    return {limit.ability for limit in found if limit.warns}


@pytest.mark.parametrize(
    ("ability", "last_without", "first_with", "traits"),
    [
        (Ability.MERGE, (8, 10, 0), (9, 0, 0), ()),
        (Ability.REVERT_EXTERNAL, (9, 8, 0), (9, 9, 0), ()),
        (Ability.SNAPSHOT_INTERNAL, (9, 2, 0), (9, 3, 0), (Trait.UEFI, Trait.OFF)),
        (
            Ability.SNAPSHOT_INTERNAL,
            (10, 8, 0),
            (10, 9, 0),
            (Trait.UEFI, Trait.RUNNING),
        ),
        (Ability.REVERT_INTERNAL, (10, 9, 0), (10, 10, 0), (Trait.UEFI,)),
        (Ability.MERGE, (10, 10, 0), (11, 0, 0), (Trait.MIXED,)),
        (Ability.DISCARD, (10, 10, 0), (11, 0, 0), (Trait.MIXED,)),
        (Ability.REVERT_INTERNAL, (10, 10, 0), (11, 0, 0), (Trait.MIXED,)),
    ],
)
def test_what_loses_data_or_cannot_work_is_refused_up_to_the_cliff(
    ability: Ability,
    last_without: tuple[int, ...],
    first_with: tuple[int, ...],
    traits: tuple[Trait, ...],
) -> None:
    having = frozenset(traits)
    assert ability in refused(of_libvirt(*last_without, traits=having))
    assert ability not in refused(of_libvirt(*first_with, traits=having))


@pytest.mark.parametrize(
    ("ability", "last_without", "first_with"),
    [
        (Ability.SNAPSHOT_MEMORY, (9, 0, 9), (9, 1, 0)),
        (Ability.INSPECT, (10, 7, 0), (10, 8, 0)),
        (Ability.FREEZE, (11, 1, 0), (11, 2, 0)),
        (Ability.SNAPSHOT, (11, 8, 0), (11, 9, 0)),
        (Ability.BACKUP, (11, 9, 0), (11, 10, 0)),
        (Ability.SNAPSHOT_OFFLINE, (11, 9, 0), (11, 10, 0)),
        (Ability.MERGE, (12, 0, 0), (12, 1, 0)),
    ],
)
def test_what_only_fails_or_hurts_is_warned_of_up_to_the_cliff(
    ability: Ability, last_without: tuple[int, ...], first_with: tuple[int, ...]
) -> None:
    assert ability in warned(of_libvirt(*last_without, traits=EVERY_TRAIT))
    assert ability not in warned(of_libvirt(*first_with, traits=EVERY_TRAIT))


@pytest.mark.parametrize(
    ("version", "concerned"),
    [
        ((9, 1, 0), False),
        ((9, 2, 0), True),
        ((9, 2, 7), True),
        ((9, 3, 0), False),
        ((11, 1, 0), False),
        ((11, 2, 0), True),
        ((11, 3, 0), True),
        ((11, 4, 0), False),
    ],
)
def test_a_regression_concerns_only_the_versions_that_have_it(
    version: tuple[int, ...], concerned: bool
) -> None:
    slow = Ability.LIMIT_JOB
    ranged = [r for r in LIBVIRT if r.since >= (9, 2) and r.ability is not slow]
    assert [row.before for row in ranged] == [(9, 3), (11, 4)]
    assert any(row.concerns(version) for row in ranged) == concerned


def test_a_limit_is_heeded_late_between_what_was_tried() -> None:
    for version, late in (((9, 0, 0), False), ((11, 3, 0), True), ((12, 8, 0), False)):
        found = warned(of_libvirt(*version, traits=EVERY_TRAIT))
        assert (Ability.LIMIT_JOB in found) is late


def test_a_limit_names_the_version_that_can() -> None:
    [limit] = [
        found
        for found in of_libvirt(9, 0, 0)
        if found.ability is Ability.REVERT_EXTERNAL
    ]
    assert limit.needs == "libvirt 9.9"
    assert limit.sentence.endswith("(needs libvirt 9.9)")


def test_an_unknown_version_is_not_taken_for_an_old_one() -> None:
    assert of_libvirt(0, 0, 0, traits=EVERY_TRAIT) == ()
    assert limits(QEMU, {}, EVERY_TRAIT) == ()


def test_the_newest_has_no_cliff_left() -> None:
    versions: dict[Program, Version] = {
        Program.LIBVIRT: (12, 8, 0),
        Program.QEMU: (11, 1, 2),
    }
    assert limits((*LIBVIRT, *QEMU), versions, EVERY_TRAIT) == ()


def test_what_is_no_ability_is_known_and_limits_nothing() -> None:
    rows = [row for row in LIBVIRT if row.ability is None]
    assert {row.before for row in rows} == {
        (10, 10),
        (11, 1),
        (11, 5),
        (12, 1),
        (12, 3),
    }
    assert all(row.consequence and row.limit() is None for row in rows)


@pytest.mark.parametrize("row", [*LIBVIRT, *QEMU], ids=lambda row: row.reason[:30])
def test_a_row_says_what_is_done_about_it_in_one_sentence(row: Cliff) -> None:
    assert row.before, "a cliff that nothing is beyond is no cliff"
    assert not row.reason.endswith(".") and not row.consequence.endswith(".")
    assert row.since < row.before


@pytest.mark.parametrize(
    ("version", "ability", "refuses", "warns"),
    [
        ((7, 1, 0), Ability.BACKUP, True, True),
        ((7, 2, 22), Ability.BACKUP, False, True),
        ((10, 0, 2), Ability.BACKUP, False, False),
        ((7, 2, 22), Ability.WRITE_BUFFER, True, False),
        ((10, 2, 0), Ability.WRITE_BUFFER, True, False),
        ((11, 1, 3), Ability.WRITE_BUFFER, False, False),
        ((7, 2, 22), Ability.INSPECT, False, True),
        ((7, 2, 22), Ability.SNAPSHOT_MEMORY, False, True),
        ((10, 0, 2), Ability.SNAPSHOT_MEMORY, False, False),
    ],
)
def test_qemus_own_cliffs(
    version: tuple[int, ...], ability: Ability, refuses: bool, warns: bool
) -> None:
    found = limits(QEMU, {Program.QEMU: version}, EVERY_TRAIT)
    assert (ability in refused(found)) == refuses
    assert (ability in warned(found)) == warns


@pytest.mark.parametrize(
    ("version", "images", "said"),
    [
        ((9, 0, 0), 40, ""),
        ((10, 7, 0), 40, ""),
        ((10, 8, 0), 20, ""),
        ((10, 8, 0), 21, "may not start"),
        ((11, 10, 0), 26, "may not start"),
        ((11, 10, 0), 27, "will not start"),
        ((12, 0, 0), 40, ""),
    ],
)
def test_a_deep_chain_is_an_alarm_where_the_machine_would_not_start_again(
    version: tuple[int, ...], images: int, said: str
) -> None:
    found = depth_limits(version, images)
    assert bool(found) == bool(said)
    for limit in found:
        assert said in limit.reason and str(images - 1) in limit.reason
        assert limit.warns and limit.ability is Ability.SNAPSHOT


@pytest.mark.parametrize("version", [(9, 0, 0), (12, 8, 0)])
def test_the_deepest_chain_takes_no_more(version: tuple[int, ...]) -> None:
    assert refused(depth_limits(version, 199)) == set()
    assert refused(depth_limits(version, 200)) == {Ability.SNAPSHOT}
