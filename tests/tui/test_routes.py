"""Where actions lead, and what keeps them from it."""

from dataclasses import replace

import pytest

from tests.tui.conftest import Stage, app_of, screen_text
from vmsnap_tui.model.disk import Disk
from vmsnap_tui.model.limit import Ability
from vmsnap_tui.tui.scene import until
from vmsnap_tui.tui.scenes import BUILD, CACHE, FLEET, INTERRUPTED, MAIL, WEB
from vmsnap_tui.tui.scenes_libvirt import BUILD as SILENT
from vmsnap_tui.tui.scenes_libvirt import (
    DESKTOP,
    FAR,
    FORBIDDEN,
    HOST,
    RIGHT,
    SHOP,
)
from vmsnap_tui.tui.still import Still, StillConnection

_TO_WEB = ("down", "down", "down", "down")


@pytest.mark.parametrize(
    ("key", "screen"),
    [
        ("enter", "VmScreen"),
        ("b", "BackupForm"),
        ("p", "PointsScreen"),
        ("r", "RestoreForm"),
        ("j", "JobsScreen"),
        ("e", "EventsScreen"),
        ("d", "DoctorScreen"),
        ("question_mark", "HelpScreen"),
        ("f", "ConfirmDialog"),
    ],
)
async def test_a_key_leads_to_its_screen_and_esc_back(
    stage: Stage, key: str, screen: str
) -> None:
    async with stage(FLEET, *_TO_WEB, key, size=(120, 36)) as pilot:
        await until(pilot, lambda: type(pilot.app.screen).__name__ == screen)
        await pilot.press("escape")
        await until(pilot, lambda: type(pilot.app.screen).__name__ == "HomeScreen")


async def test_reasons_are_about_the_machine(stage: Stage) -> None:
    async with stage(FLEET) as pilot:
        app = app_of(pilot)
        assert "no point yet: b" in app.why_not("restore", MAIL.key)
        assert "agent" in app.why_not("freeze", MAIL.key)
        assert "agent" in app.why_not("freeze", BUILD.key)
        assert "connection is down" in app.why_not("backup", CACHE.key)
        assert "nothing to recover" in app.why_not("recover", None)
        assert app.why_not("backup", WEB.key) == ""
        assert app.why_not("restore", CACHE.key) == ""


async def test_a_machine_without_a_fit_disk_has_nothing_to_back_up(
    stage: Stage,
) -> None:
    vm = replace(WEB, disks=(Disk("cd", "cd", (), unfit="it is empty"),))
    still = Still(connections=(StillConnection(WEB.connection, vm),))
    async with stage(still, "b") as pilot:
        assert "no disk" in screen_text(pilot)


async def test_interrupted_operations_are_offered_at_the_start(stage: Stage) -> None:
    async with stage(INTERRUPTED, size=(120, 36)) as pilot:
        assert "press R to recover" in screen_text(pilot)
        await pilot.press("R")
        assert "Recover “backup web-01”?" in screen_text(pilot)
        await pilot.press("tab", "enter")
        await until(pilot, lambda: type(pilot.app.screen).__name__ == "RunWatch")


async def test_f5_reads_everything_again(stage: Stage) -> None:
    async with stage(FLEET, "f5") as pilot:
        app = app_of(pilot)
        await until(pilot, lambda: not app.workers._workers or app.observed.opened)
        assert len(app.observed.fleet) == 6


async def test_quitting_asks_only_while_something_runs(stage: Stage) -> None:
    async with stage(FLEET, "q") as pilot:
        await pilot.pause()
    assert app_of(pilot).return_code == 0


async def test_what_libvirt_cannot_do_is_the_reason_with_the_version_that_can(
    stage: Stage,
) -> None:
    async with stage(HOST) as pilot:
        app = app_of(pilot)
        assert "only while it runs" in app.why_not("backup", DESKTOP.key)
        assert app.why_not("backup", FAR[0].key) == f"{RIGHT}."
        assert app.why_not("freeze", FAR[0].key) == f"{RIGHT}."
        assert "org.qemu.guest_agent.0" in app.why_not("freeze", SILENT.key)
        reason = app.why_unable(Ability.REVERT_EXTERNAL, SHOP)
        assert reason.endswith("(needs libvirt 9.9).")
        assert app.why_not("backup", SHOP.key) == app.why_not("freeze", SHOP.key) == ""
        assert app.why_not("pause", SHOP.key) == ""  # of the event list too


async def test_the_key_says_the_reason(stage: Stage) -> None:
    async with stage(FORBIDDEN, "down", "b", size=(120, 36)) as pilot:
        await until(pilot, lambda: "usermod -aG" in screen_text(pilot))
        assert type(pilot.app.screen).__name__ == "HomeScreen"


async def test_who_may_not_back_up_is_not_told_to(stage: Stage) -> None:
    async with stage(FORBIDDEN) as pilot:
        app = app_of(pilot)
        [key] = [vm.key for vm in app.observed.fleet[0].vms][:1]
        assert app.why_not("restore", key) == "The machine has no point yet."
