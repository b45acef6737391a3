"""What a ledger's values say of themselves."""

from dataclasses import replace

from vmsnap_tui.model.ledger import (
    Cell,
    Drift,
    DriftKind,
    Holding,
    Ledger,
    LedgerRow,
    Owner,
    Standing,
)
from vmsnap_tui.units import MiB


def a_row(name: str, *, drop: tuple[tuple[str, str], ...] = ()) -> LedgerRow:
    cells = (Cell("vda", Standing.RECORDING),)
    return LedgerRow(
        name, Owner.OURS, "vmsnap-tui", "", None, "", Holding.NONE, cells, drop=drop
    )


def test_what_cannot_be_told_is_not_dead() -> None:
    alive = {s for s in Standing if not s.dead}
    assert alive == {
        Standing.RECORDING,
        Standing.BUSY,
        Standing.UNTRACKED,
        Standing.UNKNOWN,
    }


def test_a_cell_exists_where_metadata_or_an_image_has_it() -> None:
    assert not Cell("vda", Standing.MISSING, needed=True, in_point=True).exists
    assert Cell("vda", Standing.MISSING, in_metadata=True).exists
    assert Cell("vda", Standing.RECORDING, bitmaps=1).exists


def test_a_cell_says_its_state_in_words() -> None:
    words = {
        Cell("a", Standing.RECORDING, dirty_bytes=MiB).words: "1.00 MiB dirty",
        Cell("a", Standing.RECORDING, dirty_bytes=MiB, in_metadata=False).words: (
            "no checkpoint, 1.00 MiB"
        ),
        Cell("a", Standing.MISSING, in_metadata=True).words: "no bitmap",
        Cell("a", Standing.MISSING).words: "missing",
        Cell("a", Standing.INCONSISTENT).words: "inconsistent",
        Cell("a", Standing.BUSY, dirty_bytes=MiB).words: "in use 1.00 MiB",
        Cell("a", Standing.UNTRACKED).words: "",
    }
    assert all(said == wanted for said, wanted in words.items()), words


def test_whether_the_point_is_stored_is_one_word() -> None:
    ours = a_row("a")
    assert ours.stored == "no"
    assert replace(ours, holding=Holding.STORED).stored == "yes"
    assert replace(ours, holding=Holding.PENDING).stored == "pending"
    assert replace(ours, holding=Holding.ELSEWHERE).stored == "other"
    assert replace(ours, owner=Owner.FOREIGN).stored == ""


def test_records_agree_only_where_all_of_them_are_known() -> None:
    row = replace(a_row("a"), holding=Holding.STORED)
    assert row.agrees
    assert not replace(row, holding=Holding.PENDING).agrees
    assert not replace(row, cells=(Cell("vda", Standing.UNKNOWN),)).agrees
    drift = Drift(DriftKind.FOREIGN, "why", "what", "note")
    assert not replace(row, drifts=(drift,)).agrees


def test_rows_are_found_by_name_and_by_what_a_repair_does() -> None:
    idle, useless = a_row("a"), a_row("b", drop=(("node", "b"),))
    ledger = Ledger("key", "web-01", "qmp:///x", False, ("vda",), (idle, useless))
    assert ledger.row("b") is useless
    assert ledger.row("c") is None
    assert ledger.mendable == (useless,)
    assert idle.cell("vda") is not None
    assert idle.cell("vdb") is None


def test_only_two_kinds_say_no_more_than_that_others_made_it() -> None:
    theirs = {kind for kind in DriftKind if kind.of_others}
    assert theirs == {DriftKind.FOREIGN, DriftKind.OTHER_REPOSITORY}
