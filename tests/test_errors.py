"""Errors: the sentence an operator reads, and the exit code a script holds."""

import pytest

from vmsnap_tui import errors
from vmsnap_tui.errors import ExitCode, PlanRefused, VmsnapError


def _kinds() -> list[type[VmsnapError]]:
    return [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, VmsnapError)
    ]


def test_the_sentence_is_cause_then_evidence_then_remedy() -> None:
    error = PlanRefused(
        "web-01 is not running",
        evidence="its state is shutdown",
        remedy="start it",
    )
    assert str(error) == "web-01 is not running (its state is shutdown); start it"
    assert (error.cause, error.evidence, error.remedy) == (
        "web-01 is not running",
        "its state is shutdown",
        "start it",
    )


@pytest.mark.parametrize(
    ("evidence", "remedy", "text"),
    [("", "", "no"), ("e", "", "no (e)"), ("", "r", "no; r")],
)
def test_what_is_not_known_leaves_no_trace(
    evidence: str, remedy: str, text: str
) -> None:
    assert str(VmsnapError("no", evidence=evidence, remedy=remedy)) == text


def test_every_kind_has_its_own_name_and_its_exit_code() -> None:
    assert {kind.__name__: (kind.kind, int(kind.exit_code)) for kind in _kinds()} == {
        "VmsnapError": ("error", 1),
        "UsageError": ("usage", 2),
        "PlanRefused": ("refused", 4),
        "StepFailed": ("failed", 5),
        "ConnectionLost": ("unknown", 6),
        "RunStuck": ("stuck", 7),
        "NoConnection": ("no-connection", 8),
        "NotFound": ("not-found", 10),
        "Locked": ("locked", 11),
        "DamagedPoint": ("damaged", 4),
    }


def test_exit_codes_are_a_contract() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "DONE": 0,
        "UNEXPECTED": 1,
        "USAGE": 2,
        "WARNINGS": 3,
        "REFUSED": 4,
        "UNDONE": 5,
        "UNKNOWN": 6,
        "STUCK": 7,
        "NO_CONNECTION": 8,
        "NOT_FOUND": 10,
        "LOCKED": 11,
        "INTERRUPTED": 130,
    }


def test_none_is_mistaken_for_another_by_an_except() -> None:
    """A refusal that was caught as a failure would be undone, and the other way."""
    for kind in _kinds():
        assert kind is VmsnapError or kind.__bases__ == (VmsnapError,)
