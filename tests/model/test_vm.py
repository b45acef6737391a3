"""Who a machine is, over restarts and renames, and what no name of it can do."""

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.plan.material import a_disk, a_vm, an_image
from vmsnap_tui.model.job import Job, JobStatus
from vmsnap_tui.model.vm import NO_UUID, Capabilities

VM = a_vm(a_disk(an_image("base")), a_disk(an_image("data"), target="vdb"))


def test_a_machine_is_known_by_its_uuid() -> None:
    assert VM.key == VM.uuid
    assert replace(VM, name="renamed", connection="qmp:///other").key == VM.key


@pytest.mark.parametrize("uuid", ["", NO_UUID])
def test_without_a_uuid_it_is_known_by_name_and_connection(uuid: str) -> None:
    vm = replace(VM, uuid=uuid, connection="qmp:///run/web.qmp?agent=/run/web.qga")
    assert vm.key == "qmp:///run/web.qmp#web-01"
    with_other_agent = replace(vm, connection="qmp:///run/web.qmp?agent=/elsewhere")
    assert with_other_agent.key == vm.key
    assert replace(vm, name="db-01").key != vm.key


def test_disks_and_jobs_are_found_by_name() -> None:
    job = Job("vmsnap-1-vda", "backup", JobStatus.RUNNING, 0, 1)
    vm = replace(VM, jobs=(job,))
    assert vm.disk("vdb") == VM.disks[1]
    assert vm.disk("vd") is None
    assert vm.job("vmsnap-1-vda") == job
    assert vm.job("vmsnap-1") is None


def test_a_version_reads_as_qemu_prints_it() -> None:
    assert Capabilities((7, 2, 22)).version_text == "7.2.22"


# Directory names

DIRECTORY = re.compile(r"[a-z0-9-]{1,40}-[0-9a-f]{12}")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("web-01", "web-01"),
        ("Web 01!", "web-01"),
        ("../../etc/passwd", "etc-passwd"),
        ("-rf", "rf"),
        ("..", "vm"),
        ("", "vm"),
        ("データ", "vm"),
        ("\x1b[2J\n", "2j"),
        ("\udcff", "vm"),
        ("x" * 300, "x" * 40),
    ],
)
def test_a_directory_reads_as_the_name_and_holds_no_more_of_it(
    name: str, slug: str
) -> None:
    directory = replace(VM, name=name).directory_name
    assert directory == f"{slug}-{directory[-12:]}"
    assert DIRECTORY.fullmatch(directory)


@given(name=st.text(), uuid=st.sampled_from(["", NO_UUID, "u"]))
def test_no_name_chooses_a_path(name: str, uuid: str) -> None:
    assert DIRECTORY.fullmatch(replace(VM, name=name, uuid=uuid).directory_name)


def test_names_that_look_alike_are_two_directories() -> None:
    one, other = (replace(VM, name=name, uuid="") for name in ("web 01", "web-01"))
    assert one.directory_name != other.directory_name


def test_a_renamed_machine_keeps_the_end_of_its_directory_name() -> None:
    renamed = replace(VM, name="db-01").directory_name
    assert renamed.startswith("db-01-")
    assert renamed[-12:] == VM.directory_name[-12:]
