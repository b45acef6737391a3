import asyncio
from pathlib import Path

from tests.cli.conftest import Shell, fill
from tests.conftest import StartMachine
from vmsnap_tui.lab.disks import DiskSpec


async def test_a_point_comes_back_to_the_byte(
    shell: Shell, machine: StartMachine, tmp_path: Path
) -> None:
    web = await machine(DiskSpec("vda"), DiskSpec("vdb"))
    await fill(web, mebibytes=2)
    made = (await shell.run("backup", "web-01", "--json", machine=web)).document
    to = tmp_path / "restored"
    said = await shell.run(
        "restore", made["point"], "--to", str(to), "--format", "raw", "--json"
    )
    assert said.code == 0 and said.document["outcome"] == "done"
    files = {disk["target"]: disk["file"] for disk in said.document["disks"]}
    assert files == {"vda": str(to / "vda.raw"), "vdb": str(to / "vdb.raw")}
    content = (to / "vda.raw").read_bytes()
    assert content == b"\7" * (2 << 20) + bytes(len(content) - (2 << 20))


async def test_nothing_is_replaced(
    shell: Shell, machine: StartMachine, tmp_path: Path
) -> None:
    web = await machine()
    made = (await shell.run("backup", "web-01", "--json", machine=web)).document
    (tmp_path / "vda.qcow2").write_text("precious")
    said = await shell.run("restore", made["point"], "--to", str(tmp_path), "--json")
    assert (said.code, said.out) == (4, "")
    assert (tmp_path / "vda.qcow2").read_text() == "precious"


async def test_a_dry_run_writes_nothing(
    shell: Shell, machine: StartMachine, tmp_path: Path
) -> None:
    web = await machine()
    made = (await shell.run("backup", "web-01", "--json", machine=web)).document
    to = tmp_path / "restored"
    said = await shell.run(
        "restore", made["point"], "--to", str(to), "--dry-run", "--json"
    )
    assert said.code == 0 and said.document["point"] == made["point"]
    assert not to.exists()


async def test_qemu_img_alone_restores_a_point_in_an_emergency(
    shell: Shell, machine: StartMachine, tmp_path: Path
) -> None:
    web = await machine()
    await fill(web, mebibytes=1)
    await shell.run("backup", "web-01", machine=web)
    await web.qemu_io("vda", "write -P 9 512k 64k")
    made = (await shell.run("backup", "web-01", "--json", machine=web)).document
    (stored,) = shell.repository.glob(f"vms/*/points/{made['point']}/disk-vda.qcow2")
    by_hand, by_us = tmp_path / "by-hand.raw", tmp_path / "vda.raw"
    process = await asyncio.create_subprocess_exec(
        "qemu-img", "convert", "-O", "raw", stored.name, str(by_hand), cwd=stored.parent
    )
    assert await process.wait() == 0
    await shell.run("restore", made["point"], "--to", str(tmp_path), "--format", "raw")
    assert by_hand.read_bytes() == by_us.read_bytes()
    assert by_us.read_bytes()[512 << 10 : 576 << 10] == b"\11" * (64 << 10)
