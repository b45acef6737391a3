import json

from vmsnap_tui.backends.qmp import commands
from vmsnap_tui.backends.qmp.commands import Command, QmpWire
from vmsnap_tui.model.disk import Disk, Image
from vmsnap_tui.model.instant import BackupInstant, DiskInstant, RecordedIn
from vmsnap_tui.model.point import DiskLevel
from vmsnap_tui.model.vm import Capabilities, Vm, VmState

FULL = DiskInstant(
    target="vda",
    file="/repo/a.qcow2",
    target_node="t-vda",
    level=DiskLevel.FULL,
    bitmap="new",
    persistent=True,
    scratch_bitmap="scratch",
    merge=(),
)
INCREMENT = DiskInstant(
    target="vdb",
    file="/repo/b.qcow2",
    target_node="t-vdb",
    level=DiskLevel.INCREMENTAL,
    bitmap="new",
    persistent=False,
    scratch_bitmap="scratch",
    merge=(RecordedIn("base", "old"), RecordedIn("over", "old")),
)
INSTANT = BackupInstant("op1", (FULL, INCREMENT), speed_bytes_per_s=5, compress=True)
ROOTS = {"vda": "root-a", "vdb": "root-b"}
PLAIN = Capabilities((7, 2, 22))


def kinds(command: Command) -> list[str]:
    return [action["type"] for action in command.arguments["actions"]]


def test_one_transaction_in_which_bitmaps_stand_before_their_job() -> None:
    command = commands.start_backup(INSTANT, ROOTS, PLAIN)
    assert command.execute == "transaction"
    assert set(command.arguments) == {"actions"}
    assert kinds(command) == [
        "block-dirty-bitmap-add",
        "block-dirty-bitmap-add",
        "blockdev-backup",
        "block-dirty-bitmap-add",
        "block-dirty-bitmap-add",
        "block-dirty-bitmap-merge",
        "blockdev-backup",
    ]


def test_increment_copies_from_the_scratch_and_clears_nothing() -> None:
    actions = commands.start_backup(INSTANT, ROOTS, PLAIN).arguments["actions"]
    merge, job = actions[5]["data"], actions[6]["data"]
    assert merge["target"] == "scratch"
    assert merge["bitmaps"] == [
        {"node": "base", "name": "old"},
        {"node": "over", "name": "old"},
    ]
    assert (job["sync"], job["bitmap"], job["bitmap-mode"]) == (
        "bitmap",
        "scratch",
        "never",
    )
    assert (job["speed"], job["compress"]) == (5, True)
    assert job["auto-finalize"] is job["auto-dismiss"] is False
    assert not any("clear" in action["type"] for action in actions)


def test_scratch_bitmap_is_never_persistent_and_records_until_the_job_takes_it() -> (
    None
):
    actions = commands.start_backup(INSTANT, ROOTS, PLAIN).arguments["actions"]
    added = [a["data"] for a in actions if a["type"] == "block-dirty-bitmap-add"]
    full, increment = (b for b in added if b["name"] == "scratch")
    assert (full["persistent"], full["disabled"]) == (False, True)
    assert (increment["persistent"], increment["disabled"]) == (False, False)
    new = [bitmap["persistent"] for bitmap in added if bitmap["name"] == "new"]
    assert new == [True, False]


def test_target_trouble_breaks_the_backup_and_not_the_guest_where_qemu_can() -> None:
    able = Capabilities((11, 1, 0), backup_on_cbw_error=True)
    actions = commands.start_backup(INSTANT, ROOTS, able).arguments["actions"]
    assert actions[2]["data"]["on-cbw-error"] == "break-snapshot"


def test_target_is_flushed_read_only_through_the_node_it_was_given() -> None:
    file = commands.attach_target(FULL).arguments["file"]
    (options,) = commands.flush_target(FULL).arguments["options"]
    assert options["file"] == file["node-name"]
    assert options["read-only"] is True


def test_text_is_compact_json_of_what_is_sent() -> None:
    command = commands.attach_target(FULL)
    sent = json.loads(command.text)
    assert sent == {"execute": "blockdev-add", "arguments": dict(command.arguments)}
    assert sent["arguments"]["backing"] is None
    assert commands.resume_vm().text == '{"execute":"cont"}'


def test_wire_shows_the_commands_of_the_effects() -> None:
    def disk(target: str, node: str) -> Disk:
        image = Image("/x", "qcow2", node, 1, 1, read_only=False)
        return Disk(target, target, (image,))

    disks = (disk("vda", "root-a"), disk("vdb", "root-b"))
    vm = Vm("web", "", "qmp:///x", VmState.RUNNING, "running", disks)
    wire = QmpWire()
    plain = commands.start_backup(INSTANT, ROOTS, vm.capabilities)
    assert wire.start_backup(vm, INSTANT) == (plain.text,)
    assert wire.attach_targets(vm, INSTANT)[0] == commands.attach_target(FULL).text
    assert len(wire.finalize_jobs(vm, INSTANT)) == 4
    assert wire.drop_bitmaps(vm, (("base", "old"),)) == (
        commands.remove_bitmap("base", "old").text,
    )
