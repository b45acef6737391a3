"""Running jobs in one widget."""

from dataclasses import replace

from textual.app import App, ComposeResult

from vmsnap_tui.engine.events import JobView
from vmsnap_tui.tui.glyphs import UNICODE
from vmsnap_tui.tui.scenes import jobs
from vmsnap_tui.tui.theme import load_themes
from vmsnap_tui.tui.widgets.job_panel import JobList, JobPanel


class JobsApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.panel = JobPanel(UNICODE, rows=3)
        self.list = JobList(UNICODE)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return load_themes().variable_defaults

    def compose(self) -> ComposeResult:
        yield self.panel
        yield self.list


def many(count: int) -> tuple[JobView, ...]:
    base = jobs()[0]
    return tuple(
        replace(base, job=replace(base.job, id=f"job-{number}", target=f"vd{number}"))
        for number in range(count)
    )


async def test_the_panel_is_as_high_as_there_are_jobs() -> None:
    app = JobsApp()
    async with app.run_test(size=(80, 24)) as pilot:
        assert not app.panel.display
        app.panel.set_jobs(many(2))
        await pilot.pause()
        assert app.panel.size.height == 2
        app.panel.set_jobs(())
        await pilot.pause()
        assert not app.panel.display


async def test_jobs_that_find_no_room_are_counted() -> None:
    app = JobsApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.panel.set_jobs(many(7))
        await pilot.pause()
        assert app.panel.size.height == 3
        assert "and 5 more" in app.panel.render_line(2).text


async def test_only_lines_that_moved_are_drawn_again() -> None:
    app = JobsApp()
    async with app.run_test(size=(80, 24)) as pilot:
        first, second = many(2)
        app.panel.set_jobs((first, second))
        await pilot.pause()
        drawn: list[int] = []
        original = app.panel.render_line

        def counting(y: int):  # type: ignore[no-untyped-def]
            drawn.append(y)
            return original(y)

        app.panel.render_line = counting  # type: ignore[method-assign]
        moved = replace(second, job=replace(second.job, done_bytes=1))
        app.panel.set_jobs((first, moved))
        await pilot.pause()
        assert set(drawn) == {1}


async def test_the_lists_cursor_stays_with_its_job() -> None:
    app = JobsApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.list.set_jobs(many(5))
        app.list.focus()
        await pilot.press("down", "down")
        assert app.list.selected is not None
        assert app.list.selected.job.id == "job-2"
        app.list.set_jobs(many(5)[1:])
        assert app.list.selected.job.id == "job-2"
        app.list.set_jobs(())
        assert app.list.selected is None


async def test_the_list_scrolls_to_its_cursor() -> None:
    app = JobsApp()
    async with app.run_test(size=(80, 12)) as pilot:
        app.list.set_jobs(many(20))
        app.list.focus()
        await pilot.press(*["down"] * 19)
        text = [app.list.render_line(y).text for y in range(app.list.size.height)]
        assert any("vd19" in each for each in text)


async def test_a_click_chooses_a_job() -> None:
    app = JobsApp()
    async with app.run_test(size=(80, 24)) as pilot:
        app.list.set_jobs(many(3))
        await pilot.pause()
        await pilot.click(app.list, offset=(5, 3))
        assert app.list.selected is not None
        assert app.list.selected.job.id == "job-1"
