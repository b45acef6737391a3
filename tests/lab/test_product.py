"""The product runs as a process of its own, and tells what its steps took."""

from pathlib import Path

import pytest

from tests.conftest import StartMachine
from vmsnap_tui import __version__
from vmsnap_tui.lab.monitor import LabFailed
from vmsnap_tui.lab.product import Product, nameless


@pytest.mark.qemu
async def test_a_backup_tells_the_time_of_each_kind_of_step(
    machine: StartMachine, lab_directory: Path
) -> None:
    web = await machine()
    product = Product(lab_directory)
    ran = product.run("backup", "web-01", "--json", "--yes", connect=nameless(web))
    assert ran.document["outcome"] == "done"
    assert {"prepare-point", "seal-target", "commit-point"} <= ran.phases_s.keys()
    assert 0 < ran.spent_s(*ran.phases_s) <= ran.wall_s
    assert ran.spent_s("no-such-step") == 0


def test_what_is_no_operation_has_no_steps(lab_directory: Path) -> None:
    ran = Product(lab_directory).run("--version")
    assert (ran.out, ran.phases_s) == (f"vmsnap-tui {__version__}\n", {})


def test_the_operators_own_settings_are_left_alone(
    lab_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMSNAP_REPO", "/srv/backup")
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    environment = Product(lab_directory).environment
    assert not {"VMSNAP_REPO", "PYTHONDONTWRITEBYTECODE"} & environment.keys()
    assert Path(environment["VMSNAP_STATE_DIR"]).is_relative_to(lab_directory)


def test_what_fails_says_why(lab_directory: Path) -> None:
    with pytest.raises(LabFailed, match="no-such-verb"):
        Product(lab_directory).run("no-such-verb")
