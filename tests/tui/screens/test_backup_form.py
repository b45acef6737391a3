"""A backup is two keys away, and the form shows what would happen all the while."""

import asyncio
from dataclasses import replace

from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Button

from tests.tui.operation_stage import (
    on_stage,
    planned,
    reached,
    shown,
    told,
    top,
)
from vmsnap_tui.engine.events import FleetChanged
from vmsnap_tui.errors import PlanRefused
from vmsnap_tui.model.limit import Ability, Limit
from vmsnap_tui.model.vm import Vm, VmState
from vmsnap_tui.plan.plan import Plan
from vmsnap_tui.plan.requests import BackupRequest, Level, Request
from vmsnap_tui.tui.fixed_operations import KEY, OPERATION, completed, copying, web
from vmsnap_tui.tui.scenes_libvirt import SHOP
from vmsnap_tui.tui.screens.backup_form import BackupForm
from vmsnap_tui.tui.screens.confirm import ConfirmDialog
from vmsnap_tui.tui.screens.home import HomeScreen
from vmsnap_tui.tui.screens.plan_review import PlanReview
from vmsnap_tui.tui.screens.run_watch import RunWatch
from vmsnap_tui.tui.still_operations import StillEngine
from vmsnap_tui.tui.widgets.fields import Choice, TickBox
from vmsnap_tui.units import MiB


def form() -> Screen[None]:
    return BackupForm(KEY)


def last_request(engine: StillEngine) -> BackupRequest:
    request = engine.planned[-1]
    assert isinstance(request, BackupRequest)
    return request


async def test_enter_and_enter_again_back_the_machine_up() -> None:
    engine = StillEngine(web(), started=completed())
    async with on_stage(engine, form) as pilot:
        await pilot.press("enter")
        await reached(pilot, PlanReview)
        assert not engine.runs
        await pilot.press("enter")
        await reached(pilot, RunWatch)
        assert [run.operation for run in engine.runs] == [OPERATION]
        await pilot.press("escape")
        await reached(pilot, HomeScreen)


async def test_the_defaults_are_all_disks_the_best_level_and_a_freeze() -> None:
    engine = StillEngine(web())
    async with on_stage(engine, form) as pilot:
        assert last_request(engine) == BackupRequest(vm=KEY, quiesce=True)
        assert "incremental  about 312 MiB" in shown(pilot)
        assert isinstance(pilot.app.focused, Button)


async def test_a_disk_that_is_unticked_is_left_out() -> None:
    engine = StillEngine(web())
    async with on_stage(engine, form) as pilot:
        await pilot.press(*["up"] * 5, "space")
        await planned(pilot)
        assert last_request(engine).exclude == ("vdb",)
        assert "left out" in shown(pilot)


async def test_without_any_disk_it_says_so_in_place() -> None:
    engine = StillEngine(web())
    async with on_stage(engine, form) as pilot:
        await pilot.press(*["up"] * 5, "space", "up", "space")
        await planned(pilot)
        assert "no disk is ticked" in shown(pilot)
        await pilot.press("enter")
        assert "no disk is ticked" in told(pilot)
        top(pilot, BackupForm)


async def test_level_freeze_and_limit_are_in_the_request() -> None:
    engine = StillEngine(web())
    async with on_stage(engine, form) as pilot:
        await pilot.press("l", "f", "up", *"64M")
        await planned(pilot)
        request = last_request(engine)
        assert request.level is Level.FULL
        assert not request.quiesce
        assert request.speed_bytes_per_s == 64 * MiB
        assert "not frozen" in shown(pilot)


async def test_a_limit_that_is_no_size_is_refused_in_place() -> None:
    engine = StillEngine(web())
    async with on_stage(engine, form) as pilot:
        await pilot.press("up", *"fast")
        await planned(pilot)
        assert "the limit is not a size" in shown(pilot)


async def test_a_silent_agent_takes_the_freeze_away_and_says_why() -> None:
    engine = StillEngine(web(answers=False))
    async with on_stage(engine, form) as pilot:
        assert not last_request(engine).quiesce
        assert "[-] not possible: the guest agent does not run" in shown(pilot)
        await pilot.press("f")
        assert "the guest agent does not run" in told(pilot)


async def test_a_refusal_shows_cause_evidence_and_remedy() -> None:
    refusal = PlanRefused("no room", evidence="1 GiB free", remedy="make room")
    async with on_stage(StillEngine(web(), refusal=refusal), form) as pilot:
        text = shown(pilot)
        assert "✗ no room" in text
        assert "1 GiB free" in text
        assert "→ make room" in text


async def test_escape_leaves_and_nothing_was_started() -> None:
    engine = StillEngine(web())
    async with on_stage(engine, form) as pilot:
        await pilot.press("escape")
        await reached(pilot, HomeScreen)
        assert engine.runs == ()


class _Slow(StillEngine):
    """Plans when it is let."""

    def __init__(self) -> None:
        super().__init__(web())
        self.let = asyncio.Event()

    async def plan(self, request: Request) -> Plan:
        await self.let.wait()
        return await super().plan(request)


async def test_enter_before_the_plan_is_made_waits_for_it() -> None:
    engine = _Slow()
    engine.let.set()
    async with on_stage(engine, form) as pilot:
        engine.let.clear()
        await pilot.press("l", "enter", "enter")
        top(pilot, BackupForm)
        engine.let.set()
        review = await reached(pilot, PlanReview)
        assert {disk.level for disk in review.plan.disks} == {"full"}
        assert engine.runs == ()


def become(pilot: Pilot[None], vm: Vm) -> None:
    """The machine is read anew, and is another one."""
    screen = top(pilot, BackupForm)
    view = replace(screen.ours.observed.fleet[0], vms=(vm,))
    screen.ours.observed.fleet = (view,)
    screen.heard(FleetChanged((view,)))


async def test_an_agent_that_comes_meanwhile_makes_a_freeze_the_default() -> None:
    engine = StillEngine(web(answers=False))
    async with on_stage(engine, form) as pilot:
        assert not last_request(engine).quiesce
        become(pilot, web())
        await planned(pilot)
        assert last_request(engine).quiesce


async def test_a_machine_that_is_paused_meanwhile_is_planned_anew() -> None:
    engine = StillEngine(web())
    async with on_stage(engine, form) as pilot:
        count = len(engine.planned)
        become(pilot, web(VmState.PAUSED))
        await planned(pilot)
        assert len(engine.planned) > count
        assert not last_request(engine).quiesce
        assert "the machine is paused" in shown(pilot)


async def test_a_hostile_name_is_text_on_every_screen_of_the_way() -> None:
    hostile = replace(web(), name="[/x][@click=app.quit]\x1b]52;c;aGk=\x07")
    engine = StillEngine(hostile, started=copying())
    async with on_stage(engine, form) as pilot:
        name = "[/x][@click=app.quit]␛]52;c;aGk=␇"
        assert name in shown(pilot)
        await pilot.press("enter")
        await reached(pilot, PlanReview)
        assert name in shown(pilot)
        await pilot.press("enter")
        await reached(pilot, RunWatch)
        await pilot.press("x")
        await reached(pilot, ConfirmDialog)
        await pilot.press("escape", "escape")
        await reached(pilot, HomeScreen)
        assert "\x1b" not in shown(pilot) + told(pilot)


async def test_what_libvirt_cannot_do_is_greyed_with_the_reason() -> None:
    engine = StillEngine(replace(web(), limits=SHOP.limits))
    async with on_stage(engine, form) as pilot:
        text = shown(pilot)
        assert "[-] not possible: libvirt's backups are not compressed" in text
        assert last_request(engine).compress is False
        assert "(-)" not in text


async def test_compression_is_a_choice_where_it_can_be_had() -> None:
    engine = StillEngine(web())
    async with on_stage(engine, form) as pilot:
        top(pilot, BackupForm).query_one("#compress", TickBox).action_flip()
        await planned(pilot)
        assert last_request(engine).compress is True


async def test_a_limit_that_comes_while_the_form_is_open_changes_it() -> None:
    engine = StillEngine(web())
    async with on_stage(engine, form) as pilot:
        top(pilot, BackupForm).query_one("#level", Choice).action_move(2)
        await planned(pilot)
        assert last_request(engine).level is Level.INCREMENTAL
        never = Limit(Ability.INCREMENTAL, "no record here", "QEMU 99")
        become(pilot, replace(web(), limits=(never,)))
        await planned(pilot)
        assert "(-) incremental" in shown(pilot)
        assert "incremental: no record here (needs QEMU 99)" in shown(pilot)
        assert last_request(engine).level is Level.AUTO
