"""Values are taken in turn, their medians compared, and held against budgets."""

import pytest

from vmsnap_tui.lab.series import (
    Figure,
    Measured,
    Series,
    Values,
    in_turn,
    median_of,
    quantity,
)


async def test_two_are_taken_in_turn_and_the_first_round_is_thrown_away() -> None:
    taken: list[str] = []

    async def first() -> Values:
        taken.append("first")
        return {"first": float(len(taken))}

    async def second() -> Values:
        taken.append("second")
        return {"second [MB]": float(len(taken))}

    series = await in_turn(2, (first, second))
    assert taken == ["second", "first", "first", "second", "second", "first"]
    assert series == [Series("first", "s", (3, 6)), Series("second", "MB", (4, 5))]


async def test_what_each_round_needs_is_done_before_it() -> None:
    done: list[str] = []

    async def before() -> None:
        done.append("before")

    async def take() -> Values:
        done.append("take")
        return {"it": 0.0}

    await in_turn(1, (take,), before)
    assert done == ["before", "take"] * 2


def test_one_disturbed_round_does_not_move_the_median() -> None:
    assert median_of([Series("it", "s", (1.0, 90.0, 1.1))], "it") == 1.1


@pytest.mark.parametrize(
    ("figure", "kept"),
    [
        (Figure("ratio", "", 0.94, at_least=0.95), False),
        (Figure("ratio", "", 0.95, at_least=0.95), True),
        (Figure("added", "s", 0.51, at_most=0.5), False),
        (Figure("told", "s", 7.0), True),
    ],
)
def test_a_figure_keeps_its_budget_or_breaks_it(figure: Figure, kept: bool) -> None:
    assert figure.kept is kept
    assert figure.document()["kept"] is kept


def test_a_measure_is_a_table_and_a_document() -> None:
    series = Series("copying", "s", (0.5, 1.5, 0.25))
    figure = Figure("ratio", "", 0.5, at_least=0.95)
    measured = Measured("full", "two disks", (series,), (figure,))
    assert [line.split() for line in measured.lines()] == [
        ["full:", "two", "disks"],
        ["min", "median", "max"],
        ["copying", "250.0", "ms", "500.0", "ms", "1.500", "s"],
        ["ratio", "0.50", "(at", "least", "0.95:", "BROKEN)"],
    ]
    assert measured.document()["series"] == [
        {
            "name": "copying",
            "unit": "s",
            "min": 0.25,
            "median": 0.5,
            "max": 1.5,
            "values": [0.5, 1.5, 0.25],
        }
    ]


def test_numbers_are_told_with_their_unit() -> None:
    told = [quantity(0.0123, "s"), quantity(2.5, "s"), quantity(33.333, "MB")]
    assert told == ["12.3 ms", "2.500 s", "33.33 MB"]
