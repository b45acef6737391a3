"""One machine."""

from pathlib import Path

import pytest

from tests.conftest import StartDomain
from tests.tui.conftest import Stage, app_of, screen_text
from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.events import FleetChanged
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.tui.app import VmsnapApp
from vmsnap_tui.tui.messages import EngineSpoke
from vmsnap_tui.tui.scene import until
from vmsnap_tui.tui.scenes import FLEET, WEB
from vmsnap_tui.tui.scenes_libvirt import HOST
from vmsnap_tui.tui.screens.vm import VmScreen
from vmsnap_tui.tui.view.spans import plain
from vmsnap_tui.tui.widgets.lines import LinesView

_OPEN = ("down", "down", "down", "down", "enter")


async def test_on_a_wide_screen_points_stand_beside_the_chains(stage: Stage) -> None:
    async with stage(FLEET, *_OPEN, size=(120, 36)) as pilot:
        [row] = [
            each for each in screen_text(pilot).splitlines() if "Points  3" in each
        ]
    assert "web-01" in row


async def test_on_a_small_screen_they_stand_below(stage: Stage) -> None:
    async with stage(FLEET, *_OPEN) as pilot:
        text = screen_text(pilot)
        await pilot.resize_terminal(120, 36)
        await pilot.pause()
        await pilot.pause()
        wide = screen_text(pilot)
    assert text.index("web-01-data.qcow2") < text.index("incremental")
    assert wide.count("Machine") == 1


async def test_a_machine_that_goes_leaves_a_sentence(stage: Stage) -> None:
    async with stage(FLEET, *_OPEN) as pilot:
        app = app_of(pilot)
        app.post_message(EngineSpoke(FleetChanged(())))
        await until(pilot, lambda: "not there any more" in screen_text(pilot))
        assert isinstance(app.screen, VmScreen)
        assert app.screen.vm_key == WEB.key
        assert app.screen.why_not("backup")


_SHOP = (*("down",) * 4, "enter")


async def test_a_domain_has_its_tree_its_checkpoints_and_its_limits(
    stage: Stage,
) -> None:
    async with stage(HOST, *_SHOP, size=(120, 36)) as pilot:
        text = screen_text(pilot)
    assert "▸ you are here" in text and "virtnbdbackup.0" in text
    [row] = [each for each in text.splitlines() if "What can be done here" in each]
    assert row.index("What can be done here") > 70


async def test_on_a_small_screen_the_limits_come_last(stage: Stage) -> None:
    async with stage(HOST, *_SHOP) as pilot:
        chains = pilot.app.screen.query_one("#chains", LinesView)
        text = "\n".join(plain(each) for each in chains.lines_shown)
        titles = ("Snapshots", "Checkpoints", "Points", "Machine", "What can be")
        places = [text.index(title) for title in titles]
        assert places == sorted(places)
        assert all(len(plain(each)) <= 80 for each in chains.lines_shown)


@pytest.mark.qemu
async def test_a_domain_that_is_opened_is_looked_at_and_again_when_it_changes(
    domain: StartDomain, lab_directory: Path
) -> None:
    web = await domain(DiskSpec("vda"))
    take = ("snapshot-create-as", web.name, "--disk-only", "--atomic", "--name")
    await web.libvirtd.virsh(*take, "before")
    settings = Settings(
        (web.connection,), lab_directory / "repository", lab_directory / "state"
    )
    app = VmsnapApp(Engine(settings))
    async with app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: app.observed.opened and app.observed.records_read)
        assert app.observed.fleet[0].vms[0].snapshots is None
        await pilot.press("down", "enter")
        await until(pilot, lambda: "Snapshots  1" in screen_text(pilot))
        assert "What can be done here" in screen_text(pilot)
        assert "libvirt 9" in screen_text(pilot)
        await web.libvirtd.virsh(*take, "after")
        await until(pilot, lambda: "Snapshots  2" in screen_text(pilot))
        assert "└ after" in screen_text(pilot)
