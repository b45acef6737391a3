"""When a checkpoint or a snapshot was made."""

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsnap_tui.backends.libvirt.moments import created_utc


def _moment(text: str) -> ElementTree.Element:
    root = ElementTree.Element("domaincheckpoint")
    ElementTree.SubElement(root, "creationTime").text = text
    return root


def test_seconds_since_the_epoch_become_utc() -> None:
    assert created_utc(_moment("1795181601")) == "2026-11-20T13:33:21.000Z"


@pytest.mark.parametrize("text", ["", "-5", "soon", "9" * 30, "١٢"])
def test_what_is_no_time_is_left_empty(text: str) -> None:
    assert created_utc(_moment(text)) == ""


@given(st.text())
def test_no_text_breaks_it(text: str) -> None:
    assert isinstance(created_utc(_moment(text)), str)
