"""What is shown of the highlighted machine."""

from dataclasses import replace

import pytest

from vmsnap_tui.backends.base import Link
from vmsnap_tui.engine.events import ConnectionView
from vmsnap_tui.model.vm import Agent, Capabilities
from vmsnap_tui.tui.glyphs import UNICODE
from vmsnap_tui.tui.observed import Observed, Records
from vmsnap_tui.tui.scenes import WEB
from vmsnap_tui.tui.scenes_libvirt import DESKTOP, FAR, REMOTE, SHOP
from vmsnap_tui.tui.still import NOW
from vmsnap_tui.tui.view.detail import (
    agent_span,
    connection_lines,
    empty_lines,
    facts_line,
    head_line,
    points_line,
    vm_lines,
    wrapped,
)
from vmsnap_tui.tui.view.spans import Line, plain


def text(lines: tuple[Line, ...]) -> str:
    return "\n".join(plain(each) for each in lines)


def shown(observed: Observed) -> str:
    return text(vm_lines(observed, WEB.key, NOW, UNICODE, 60))


def observed(link: Link = Link.UP, reason: str = "") -> Observed:
    view = ConnectionView(WEB.connection, link, reason, (WEB,))
    return Observed(fleet=(view,), opened=True)


def test_every_disk_and_every_image_is_there() -> None:
    said = shown(observed())
    for name in ("vda", "vdb", "web-01.s2.qcow2", "web-01.s1.qcow2", "web-01.qcow2"):
        assert name in said


def test_alarms_are_whole_sentences() -> None:
    seen = observed()
    seen.records = Records(alarms={WEB.key: ("word " * 30,)})
    assert shown(seen).count("word") == 30


def test_what_is_stale_says_since_it_lost_what() -> None:
    assert "the socket was closed" in shown(
        observed(Link.DOWN, "the socket was closed")
    )


def test_a_machine_that_went_says_so() -> None:
    assert "not there any more" in shown(Observed())


@pytest.mark.parametrize(
    ("agent", "word"),
    [
        (None, "no agent channel"),
        (Agent("/x", None), "not asked"),
        (Agent("/x", True), "agent connected"),
        (Agent("/x", False), "not connected"),
    ],
)
def test_the_agent_is_in_words(agent: Agent | None, word: str) -> None:
    assert word in agent_span(replace(WEB, agent=agent)).text


def test_a_connection_says_why_it_is_down() -> None:
    down = ConnectionView("qmp:///a", Link.DOWN, "refused by everybody")
    assert "refused by everybody" in text(connection_lines(down, 40))
    assert "connecting" in text(
        connection_lines(replace(down, link=Link.CONNECTING), 40)
    )


def test_nothing_to_show_says_what_to_do() -> None:
    assert "connecting" in text(empty_lines(Observed(), 60))
    assert "--connect" in text(empty_lines(Observed(opened=True), 60))
    assert "esc" in text(empty_lines(observed(), 60))


def test_wrapping_never_loses_a_word_nor_passes_an_escape() -> None:
    assert "".join(wrapped("x" * 50, 20)) == "x" * 50
    assert wrapped("", 20) == [""]
    assert "\x1b" not in "".join(wrapped("a\x1bb", 20))


def test_who_cannot_make_a_point_is_not_told_to() -> None:
    assert plain(points_line(SHOP, (), UNICODE, 60)) == "no point yet: b makes one"
    for vm in (FAR[0], DESKTOP):
        assert plain(points_line(vm, (), UNICODE, 60)) == "no point yet"


def test_versions_and_rights_are_seen_at_once() -> None:
    versions = "libvirt 9.0.0  ·  QEMU 7.2.22"
    assert plain(facts_line(SHOP, 62)) == f"agent connected  ·  2 disks  ·  {versions}"
    assert plain(facts_line(SHOP, 60)) == f"agent connected  ·  {versions}"
    unknown = replace(SHOP, capabilities=Capabilities((0, 0, 0)))
    assert plain(facts_line(unknown, 60)).endswith("2 disks")
    assert plain(head_line(FAR[0], UNICODE, stale=False)).endswith("   read-only")
    assert "read-only" not in plain(head_line(SHOP, UNICODE, stale=False))


def test_a_connection_that_may_only_read_tells_which_right_is_missing() -> None:
    view = ConnectionView(REMOTE, Link.UP, "", FAR)
    assert "usermod -aG libvirt" in text(connection_lines(view, 200))
