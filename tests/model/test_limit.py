"""What cannot be done, in a sentence."""

import dataclasses

import pytest

from vmsnap_tui.model.limit import Ability, Limit


def test_the_sentence_says_what_can_where_something_can() -> None:
    limit = Limit(Ability.MERGE, "it would break", "libvirt 11.0")
    assert limit.sentence == "it would break (needs libvirt 11.0)"
    assert Limit(Ability.PAUSE_JOB, "there is no way").sentence == "there is no way"


def test_a_limit_refuses_unless_it_only_warns() -> None:
    assert not Limit(Ability.MERGE, "no").warns
    with pytest.raises(dataclasses.FrozenInstanceError):
        Limit(Ability.MERGE, "no").warns = True  # type: ignore[misc]
