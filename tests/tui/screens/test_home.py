"""The fleet."""

from dataclasses import replace

from tests.tui.conftest import Stage, app_of, screen_text
from vmsnap_tui.backends.base import Link
from vmsnap_tui.engine.events import ConnectionView, FleetChanged, JobsMoved
from vmsnap_tui.tui.messages import EngineSpoke
from vmsnap_tui.tui.scene import until
from vmsnap_tui.tui.scenes import DB, EMPTY, FLEET, UNREACHABLE, WEB, jobs
from vmsnap_tui.tui.scenes_libvirt import FORBIDDEN, REMOTE, SHOP, SYSTEM
from vmsnap_tui.tui.screens.home import HomeScreen
from vmsnap_tui.tui.still import Still, StillConnection
from vmsnap_tui.tui.widgets.table import Table


async def test_the_highlighted_machine_is_beside_the_list(stage: Stage) -> None:
    async with stage(FLEET, size=(120, 36)) as pilot:
        assert "paused by an I/O error" in screen_text(pilot)
        await pilot.press("down")
        await pilot.pause()
        assert "build-02.qcow2" in screen_text(pilot)


async def test_a_small_screen_has_the_list_alone(stage: Stage) -> None:
    async with stage(FLEET) as pilot:
        assert "db-01.qcow2" not in screen_text(pilot)
        await pilot.press("enter")
        await pilot.pause()
        assert "db-01.qcow2" in screen_text(pilot)


async def test_a_lost_machine_is_marked_and_stays(stage: Stage) -> None:
    async with stage(FLEET) as pilot:
        [row] = [each for each in screen_text(pilot).splitlines() if "cache-03" in each]
    assert "stale" in row


async def test_a_connection_that_is_down_says_why_on_any_screen(stage: Stage) -> None:
    async with stage(UNREACHABLE) as pilot:
        assert "another client holds it" in screen_text(pilot)
        app = app_of(pilot)
        up = ConnectionView(UNREACHABLE.connections[0].uri, Link.UP, "", (WEB, DB))
        app.post_message(EngineSpoke(FleetChanged((up,))))
        await until(pilot, lambda: WEB.name in screen_text(pilot))
        await pilot.press("down")
        assert isinstance(app.screen, HomeScreen)
        assert app.screen.vm_key == WEB.key, "the keys are the list's again"
        await pilot.press("escape")
        await pilot.pause()
        assert "another client" not in screen_text(pilot)


async def test_no_connection_says_how_to_name_one(stage: Stage) -> None:
    async with stage(EMPTY) as pilot:
        assert "--connect" in screen_text(pilot)


async def test_jobs_are_under_the_list_while_they_run(stage: Stage) -> None:
    async with stage(FLEET) as pilot:
        app = app_of(pilot)
        app.post_message(EngineSpoke(JobsMoved(WEB.key, jobs())))
        await pilot.pause()
        assert "112 MiB/s" in screen_text(pilot)
        app.post_message(EngineSpoke(JobsMoved(WEB.key, ())))
        await pilot.pause()
        assert "112 MiB/s" not in screen_text(pilot)


async def test_the_order_can_be_changed(stage: Stage) -> None:
    async with stage(FLEET, "o", "o") as pilot:
        table = app_of(pilot).screen.query_one("#fleet", Table)
        assert table.sort_key == "name"
        assert table.shown_rows[0].key != DB.key


async def test_actions_are_about_the_machine_under_the_cursor(stage: Stage) -> None:
    async with stage(FLEET) as pilot:
        screen = app_of(pilot).screen
        assert isinstance(screen, HomeScreen)
        keys = [screen.vm_key]
        await pilot.press("end")
        keys.append(screen.vm_key)
        assert keys == [DB.key, None]
        assert screen.why_not("open") == ""
        assert screen.why_not("backup")


async def test_a_frozen_guest_is_an_alarm(stage: Stage) -> None:
    async with stage(FLEET, size=(120, 36)) as pilot:
        app = app_of(pilot)
        app.observed.frozen[WEB.key] = "by hand"
        app.show_all()
        await pilot.pause()
        rows = screen_text(pilot).splitlines()
    assert "web-01 ■ frozen" in rows[3]
    assert "4 alarms" in rows[0]


async def test_the_first_row_is_highlighted_whichever_machine_came_first(
    stage: Stage,
) -> None:
    slow_first = Still(connections=(FLEET.connections[1], FLEET.connections[0]))
    async with stage(slow_first) as pilot:
        screen = app_of(pilot).screen
        assert isinstance(screen, HomeScreen)
        assert screen.vm_key == DB.key


async def test_the_cursor_stays_once_everything_was_read(stage: Stage) -> None:
    async with stage(FLEET) as pilot:
        app, screen = app_of(pilot), app_of(pilot).screen
        app.observed.frozen[WEB.key] = "by hand"
        app.show_all()
        await pilot.pause()
        assert isinstance(screen, HomeScreen)
        assert screen.vm_key == DB.key


async def test_the_row_of_a_connection_tells_which_right_is_missing(
    stage: Stage,
) -> None:
    async with stage(FORBIDDEN, size=(120, 36)) as pilot:
        text = screen_text(pilot)
        assert f"{REMOTE} is read-only: its row says why" in text
        await pilot.press("up")
        assert "usermod -aG" in screen_text(pilot)
        await pilot.press("down")
        await pilot.pause()
        assert "● running   read-only" in screen_text(pilot)


async def test_a_thousand_machines_are_listed_and_found(stage: Stage) -> None:
    vms = tuple(
        replace(SHOP, name=f"vm-{n:04}", uuid=f"{n:08x}{SHOP.uuid[8:]}")
        for n in range(1000)
    )
    still = Still((StillConnection(SYSTEM, vms=vms),))
    async with stage(still, "slash", *"0997", size=(120, 36)) as pilot:
        screen = app_of(pilot).screen
        assert isinstance(screen, HomeScreen)
        await until(pilot, lambda: len(screen.table.shown_rows) == 2)
        assert "vm-0997" in screen_text(pilot)


async def test_rows_that_say_the_same_stay_the_same(stage: Stage) -> None:
    twice = (StillConnection(SYSTEM, SHOP), StillConnection(REMOTE, SHOP))
    async with stage(Still(twice)) as pilot:
        screen = app_of(pilot).screen
        assert isinstance(screen, HomeScreen)
        before = screen.table.shown_rows
        assert [row.key for row in before].count(SHOP.key) == 2
        screen.reload()
        pairs = zip(before, screen.table.shown_rows, strict=True)
        assert all(old is new for old, new in pairs)
