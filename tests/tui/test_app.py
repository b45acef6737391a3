"""The app: what it does with what the engine tells."""

from pathlib import Path

import pytest
from textual.notifications import Notification
from textual.pilot import Pilot

from tests.tui.conftest import Stage, app_of, screen_text
from vmsnap_tui.backends.base import Link, WireHeard
from vmsnap_tui.engine.events import (
    ConnectionView,
    FleetChanged,
    JobsMoved,
    Outcome,
    RunEnded,
    RunResult,
)
from vmsnap_tui.errors import NoConnection
from vmsnap_tui.tui.app import local_time
from vmsnap_tui.tui.messages import EngineSpoke
from vmsnap_tui.tui.scene import until
from vmsnap_tui.tui.scenes import EMPTY, FLEET, WEB, jobs
from vmsnap_tui.tui.screens.confirm import ConfirmDialog, Question
from vmsnap_tui.tui.screens.home import HomeScreen
from vmsnap_tui.tui.still import Still, StillConnection, still_app


async def test_the_first_screen_is_there_before_any_connection_answers(
    tmp_path: Path,
) -> None:
    app = still_app(FLEET, tmp_path)
    async with app.run_test() as pilot:
        assert isinstance(app.screen, HomeScreen)
        await until(pilot, lambda: app.observed.opened)


async def test_what_the_engine_tells_is_observed(stage: Stage) -> None:
    async with stage(EMPTY) as pilot:
        app = app_of(pilot)
        view = ConnectionView("qmp:///x", Link.UP, "", (WEB,))
        app.post_message(EngineSpoke(FleetChanged((view,))))
        app.post_message(EngineSpoke(JobsMoved(WEB.key, jobs())))
        app.post_message(EngineSpoke(WireHeard(WEB.key, "STOP", {}, 0.0)))
        await until(pilot, lambda: "web-01" in screen_text(pilot))
        assert app.observed.vm(WEB.key) is WEB
        assert app.observed.all_jobs == jobs()
        assert app.observed.wire[-1].name == "STOP"


async def test_what_an_operation_left_is_read_without_a_pause(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next key may restore the point that was made just now."""
    monkeypatch.setattr("vmsnap_tui.tui.app.RECORDS_EVERY_S", 3600.0)
    async with stage(FLEET) as pilot:
        app = app_of(pilot)
        repository = app.engine.repository
        assert repository is not None
        app.read_records()
        await until(pilot, lambda: bool(app.observed.records.points))
        repository.path.rename(repository.path.with_name("elsewhere"))
        result = RunResult("0123456789ab", Outcome.DONE, "Back up web-01", "web-01")
        app.post_message(EngineSpoke(RunEnded(result.operation, result)))
        await until(pilot, lambda: not app.observed.records.points)


def told(pilot: Pilot[None]) -> list[Notification]:
    return list(pilot.app._notifications)


@pytest.mark.parametrize(
    "name", ["db [prod]", "[/x]", "[@click=app.quit]quitme", "a\x1b]0;x\x07", "\x9b31m"]
)
async def test_a_hostile_name_is_shown_exactly_and_obeyed_by_nobody(
    stage: Stage, name: str
) -> None:
    from dataclasses import replace

    vm = replace(WEB, name=name)
    still = Still(connections=(StillConnection(WEB.connection, vm),))
    async with stage(still, "enter", size=(120, 36)) as pilot:
        text = screen_text(pilot)
        app_of(pilot).say(name, "error")
        await pilot.pause()
        text += screen_text(pilot)
    assert not any(ord(c) < 32 and c != "\n" for c in text)
    if name.isprintable():
        assert name in text


async def test_a_greyed_key_says_why(stage: Stage) -> None:
    async with stage(EMPTY, "b") as pilot:
        assert "No machine is highlighted" in screen_text(pilot)


async def test_why_a_key_does_nothing_is_gone_with_the_next_key(stage: Stage) -> None:
    async with stage(EMPTY) as pilot:
        await pilot.press("b", "f", "b")
        assert [each.message for each in told(pilot)] == ["No machine is highlighted."]
        await pilot.press("d")
        assert told(pilot) == []


async def test_news_stay_their_time_whatever_key_is_pressed(stage: Stage) -> None:
    async with stage(EMPTY) as pilot:
        app_of(pilot).say_error(NoConnection("gone"))
        app_of(pilot).say("well")
        await pilot.press("b", "d")
        assert {each.severity for each in told(pilot)} >= {"error", "information"}


async def test_an_error_is_told_with_its_remedy(stage: Stage) -> None:
    async with stage(EMPTY) as pilot:
        app_of(pilot).say_error(NoConnection("gone", remedy="start it"))
        await pilot.pause()
        assert "gone; start it" in screen_text(pilot)


async def test_the_theme_is_switched_and_switched_back(stage: Stage) -> None:
    async with stage(FLEET, "t") as pilot:
        assert app_of(pilot).theme == "paper"
        await pilot.press("t")
        assert app_of(pilot).theme == "graphite"


async def test_an_unknown_theme_is_told_and_is_the_default_one(
    tmp_path: Path,
) -> None:
    app = still_app(EMPTY, tmp_path, "[/x]")
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: "no theme [/x]" in screen_text(pilot))
    assert app.theme == "graphite"


async def test_a_bad_theme_of_the_operators_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    themes = tmp_path / "config" / "vmsnap-tui" / "themes"
    themes.mkdir(parents=True)
    (themes / "bad.toml").write_text("name = 3")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    app = still_app(EMPTY, tmp_path)
    async with app.run_test(notifications=True) as pilot:
        await until(pilot, lambda: app.observed.opened)
        await pilot.pause()
        assert any("is left out" in told.message for told in app._notifications)


async def test_every_action_is_in_the_palette_and_says_why_not(stage: Stage) -> None:
    async with stage(EMPTY) as pilot:
        app = app_of(pilot)
        commands = {c.title: c.help for c in app.get_system_commands(app.screen)}
    assert commands["Backup (b)"].startswith("Not now: ")
    assert commands["Help (?)"] == "This list of keys."


async def test_the_palette_opens_and_runs_an_action(stage: Stage) -> None:
    async with stage(FLEET, "ctrl+p") as pilot:
        await pilot.press(*"jobs")
        await until(pilot, lambda: len(pilot.app.screen_stack) == 2)
        await pilot.pause(0.3)
        await pilot.press("down", "enter")
        await until(pilot, lambda: type(pilot.app.screen).__name__ == "JobsScreen")


async def test_what_was_agreed_runs_and_what_was_not_does_not(stage: Stage) -> None:
    done: list[str] = []
    async with stage(EMPTY) as pilot:
        app = app_of(pilot)
        app.ask(Question("Do a?", "Do"), lambda: done.append("a"))
        await pilot.pause()
        assert isinstance(app.screen, ConfirmDialog)
        await pilot.press("enter")
        app.ask(Question("Do b?", "Do"), lambda: done.append("b"))
        await pilot.pause()
        await pilot.press("tab", "enter")
        await pilot.pause()
    assert done == ["b"]


async def test_leaving_gives_the_exit_code(stage: Stage) -> None:
    async with stage(EMPTY) as pilot:
        app_of(pilot).leave(143)
        await pilot.pause()
    assert app_of(pilot).return_code == 143


def test_the_clock_knows_its_zone() -> None:
    assert local_time().tzinfo is not None


async def test_ctrl_q_leaves_as_q_does(stage: Stage) -> None:
    async with stage(EMPTY, "ctrl+q") as pilot:
        await pilot.pause()
    assert app_of(pilot).return_code == 0
