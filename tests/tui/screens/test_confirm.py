"""The question before anything that cannot be taken back."""

from tests.tui.conftest import Stage, app_of, screen_text
from vmsnap_tui.engine.events import FleetChanged
from vmsnap_tui.tui.messages import EngineSpoke
from vmsnap_tui.tui.scene import until
from vmsnap_tui.tui.scenes import EMPTY
from vmsnap_tui.tui.screens.confirm import ConfirmDialog, Question
from vmsnap_tui.tui.view.spans import line


async def test_the_object_the_verb_and_the_consequence_are_there(
    stage: Stage,
) -> None:
    async with stage(EMPTY) as pilot:
        asked = Question("Remove [/x]?", "Remove it", (line("It is gone then."),))
        app_of(pilot).ask(asked, lambda: None)
        await pilot.pause()
        text = screen_text(pilot)
    for word in ("Remove [/x]?", "Remove it", "It is gone then.", "Cancel"):
        assert word in text


async def test_esc_and_the_first_enter_cancel(stage: Stage) -> None:
    done: list[int] = []
    async with stage(EMPTY) as pilot:
        for key in ("escape", "enter", "n"):
            app_of(pilot).ask(Question("Do?", "Do"), lambda: done.append(1))
            await pilot.pause()
            await pilot.press(key)
            assert not isinstance(app_of(pilot).screen, ConfirmDialog)
    assert done == []


async def test_a_question_that_no_longer_stands_closes_itself(stage: Stage) -> None:
    reason = [""]
    done: list[int] = []
    async with stage(EMPTY) as pilot:
        app = app_of(pilot)
        asked = Question("Do?", "Do", void=lambda: reason[0])
        app.ask(asked, lambda: done.append(1))
        await pilot.pause()
        reason[0] = "the job has ended"
        app.post_message(EngineSpoke(FleetChanged(())))
        await until(pilot, lambda: not isinstance(app.screen, ConfirmDialog))
        await pilot.pause()
        assert "the job has ended" in screen_text(pilot)
    assert done == []


async def test_an_answer_to_a_void_question_does_nothing(stage: Stage) -> None:
    reason = [""]
    done: list[int] = []
    async with stage(EMPTY) as pilot:
        asked = Question("Do?", "Do", void=lambda: reason[0])
        app_of(pilot).ask(asked, lambda: done.append(1))
        await pilot.pause()
        reason[0] = "it is gone"
        await pilot.press("tab", "enter")
        await pilot.pause()
        assert "Nothing was done: it is gone" in screen_text(pilot)
    assert done == []
