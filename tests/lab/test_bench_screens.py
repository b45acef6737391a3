"""Processes and the UI are measured from outside; the shape, never a time."""

import sys
from pathlib import Path

import pytest

from vmsnap_tui.lab import bench_screens
from vmsnap_tui.lab.bench_disks import Sizes
from vmsnap_tui.lab.bench_screens import Terminal, two_machines
from vmsnap_tui.lab.monitor import LabFailed

_TINY = Sizes(rounds=1, watched_s=0.1)
_PATH = {"PATH": "/usr/bin:/bin"}


@pytest.mark.qemu
async def test_whole_processes_are_compared_with_python_alone(
    lab_directory: Path,
) -> None:
    measured = await bench_screens.commands(_TINY, lab_directory, two_machines)
    wall = ["python -c pass", "vmsnap-tui --version", "vmsnap-tui list"]
    names = {series.name for series in measured.series}
    assert names == {*wall, *(f"{name}, on a core" for name in wall)}
    assert [figure.name for figure in measured.figures] == ["--version", "list"]


@pytest.mark.qemu
async def test_the_ui_is_measured_on_a_real_terminal(lab_directory: Path) -> None:
    measured = await bench_screens.screen(_TINY, lab_directory, two_machines)
    wall = ["vmsnap-tui, names on screen", "bare Textual, names on screen"]
    names = {series.name for series in measured.series}
    assert names == {*wall, *(f"{name}, on a core" for name in wall)}
    figures = {figure.name: figure for figure in measured.figures}
    assert figures["memory (RSS)"].value > 1
    assert figures["idle"].at_most == bench_screens.IDLE_AT_MOST_PERCENT


def test_a_terminal_has_a_size_and_is_read_until_a_text_is_there() -> None:
    with Terminal(["sh", "-c", "stty size; exec sleep 60"], _PATH) as terminal:
        assert terminal.until("36 120") > 0
        assert terminal.memory_mb > 0
        assert terminal.cpu_s >= 0


def test_what_is_drawn_meanwhile_is_counted() -> None:
    code = "import sys; [print('x' * 99, flush=True) for _ in iter(int, 1)]"
    with Terminal([sys.executable, "-c", code], _PATH) as terminal:
        assert terminal.read_for(0.3) > 99


def test_a_key_is_pressed_and_what_is_drawn_for_it_waited_for() -> None:
    with Terminal(["sh", "-c", "echo ready; exec cat"], _PATH) as terminal:
        terminal.until("ready")
        terminal.press("x")


def test_a_program_that_ends_too_early_is_an_error_with_its_words() -> None:
    with (
        pytest.raises(LabFailed, match="no such thing"),
        Terminal(["sh", "-c", "echo no such thing"], _PATH) as terminal,
    ):
        terminal.until("web-01")
