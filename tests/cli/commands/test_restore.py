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
