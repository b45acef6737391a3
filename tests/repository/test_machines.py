import json
import os
from pathlib import Path

import pytest

from tests.repository.material import a_vm, store
from vmsnap_tui.repository.layout import VM_FILE
from vmsnap_tui.repository.machines import MachineRecord, read_machine
from vmsnap_tui.repository.repository import Repository


def test_the_latest_name_of_a_vm_is_kept(repository: Repository) -> None:
    store(repository, a_vm("before"), 1)
    directory = store(repository, a_vm("after\x1b[2J"), 2).parent.parent
    vm = a_vm("after\x1b[2J")
    assert read_machine(directory) == MachineRecord(vm.name, vm.uuid, vm.key)
    assert json.loads((directory / VM_FILE).read_text())["format"] == 1


def test_a_lost_file_comes_back_with_the_next_point(repository: Repository) -> None:
    directory = store(repository, a_vm(), 1).parent.parent
    (directory / VM_FILE).unlink()
    assert read_machine(directory).name == directory.name
    assert len(repository.listing(a_vm().name)) == 1
    store(repository, a_vm(), 2)
    assert read_machine(directory).name == "web-01"


@pytest.mark.parametrize(
    "data", [b"", b"{", b"[]", b'{"name":1}', b"[" * 100000, b"\xff", b" " * 2_000_000]
)
def test_a_file_that_is_no_help_is_passed_over(tmp_path: Path, data: bytes) -> None:
    (tmp_path / VM_FILE).write_bytes(data)
    assert read_machine(tmp_path).name == tmp_path.name


def test_a_fifo_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / VM_FILE)
    assert read_machine(tmp_path).name == tmp_path.name
