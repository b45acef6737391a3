"""What a benchmark measured: values taken in turn, and how their medians compare."""

import statistics
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Values = dict[str, float]
Take = Callable[[], Awaitable[Values]]


@dataclass(frozen=True, slots=True)
class Series:
    """The values of one thing, in the order in which they were taken."""

    name: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """What is compared: one disturbed round does not move it."""
        return statistics.median(self.values)

    def document(self) -> dict[str, object]:
        """Return the series as JSON values."""
        return {
            "name": self.name,
            "unit": self.unit,
            "min": min(self.values),
            "median": self.median,
            "max": max(self.values),
            "values": list(self.values),
        }


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that medians give, held against its budget; "" is a ratio's unit."""

    name: str
    unit: str
    value: float
    at_least: float | None = None
    at_most: float | None = None

    @property
    def kept(self) -> bool:
        """Whether the budget is kept; true where there is none."""
        enough = self.at_least is None or self.value >= self.at_least
        return enough and (self.at_most is None or self.value <= self.at_most)

    def document(self) -> dict[str, object]:
        """Return the figure as JSON values."""
        return {
            "name": self.name,
            "unit": self.unit,
            "value": self.value,
            "at_least": self.at_least,
            "at_most": self.at_most,
            "kept": self.kept,
        }


@dataclass(frozen=True, slots=True)
class Measured:
    """One measure of the benchmark, whole."""

    name: str
    what: str
    series: tuple[Series, ...]
    figures: tuple[Figure, ...]

    def document(self) -> dict[str, object]:
        """Return the measure as JSON values."""
        return {
            "name": self.name,
            "what": self.what,
            "series": [series.document() for series in self.series],
            "figures": [figure.document() for figure in self.figures],
        }

    def lines(self) -> list[str]:
        """Return the measure as a table."""
        names = [one.name for one in self.series] + [one.name for one in self.figures]
        width = max(map(len, names))
        lines = [f"{self.name}: {self.what}"]
        lines.append(f"  {'':{width}}  {'min':>10} {'median':>10} {'max':>10}")
        for one in self.series:
            three = (min(one.values), one.median, max(one.values))
            cells = " ".join(f"{quantity(value, one.unit):>10}" for value in three)
            lines.append(f"  {one.name:{width}}  {cells}")
        for figure in self.figures:
            told = f"{'':10} {quantity(figure.value, figure.unit):>10}"
            lines.append(
                f"  {figure.name:{width}}  {told}  {_verdict(figure)}".rstrip()
            )
        return lines


async def nothing() -> None:
    """What has to be done before a round of most measures."""


async def in_turn(
    rounds: int,
    takes: tuple[Take, ...],
    before_each: Callable[[], Awaitable[None]] = nothing,
) -> list[Series]:
    """Take each in turn, after one round that warms up and is thrown away.

    Every second round goes backwards, so that none always finds what the one before
    it left in the caches. A value's unit stands behind its name, seconds where
    none does: "memory [MB]".
    """
    values: dict[str, list[float]] = defaultdict(list)
    for number in range(rounds + 1):
        await before_each()
        for take in takes if number % 2 else reversed(takes):
            for name, value in (await take()).items():
                if number:
                    values[name].append(value)
    return [_series(name, tuple(taken)) for name, taken in values.items()]


def _series(name: str, values: tuple[float, ...]) -> Series:
    plain, _, unit = name.rstrip("]").partition(" [")
    return Series(plain, unit or "s", values)


def median_of(series: list[Series], name: str) -> float:
    """Return the median of the series of that name."""
    return next(one.median for one in series if one.name == name)


def quantity(value: float, unit: str) -> str:
    """Return a number as a reader wants it: 12.3 ms, 1.234 s, 0.97."""
    if unit == "s":
        return f"{value * 1000:.1f} ms" if abs(value) < 1 else f"{value:.3f} s"
    return f"{value:.2f} {unit}".rstrip()


def _verdict(figure: Figure) -> str:
    bounds = [(figure.at_least, "at least"), (figure.at_most, "at most")]
    said = [f"{word} {quantity(b, figure.unit)}" for b, word in bounds if b is not None]
    if not said:
        return ""
    return f"({' and '.join(said)}: {'kept' if figure.kept else 'BROKEN'})"
