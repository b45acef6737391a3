"""What a hypervisor vouches for."""

from vmsnap_tui.model.checkpoint import Record


def test_a_record_is_whole_unless_something_says_otherwise() -> None:
    assert Record("c1", 5).whole
    assert not Record("c1", broken="a bitmap is missing").whole


def test_what_was_not_asked_is_not_whole_either() -> None:
    record = Record("c1", broken="a job runs", asked=False)
    assert not record.whole and not record.asked
