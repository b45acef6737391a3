from tests.cli.conftest import Shell
from tests.conftest import StartMachine
from vmsnap_tui.lab.disks import DiskSpec


async def test_a_machine_is_shown_down_to_its_bitmaps(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine(DiskSpec("vda", chain_depth=2), DiskSpec("vdb"))
    assert (await shell.run("backup", "web-01", "--json", machine=web)).code == 0
    await web.qemu_io("vda", "write -P 9 0 64k")
    said = await shell.run("show", "web-01", "--json", machine=web)
    vm = said.document
    assert said.code == 0
    assert {"name", "uuid", "state", "disks", "jobs", "agent", "capabilities"} <= set(
        vm
    )
    vda = vm["disks"][0]
    active, base = vda["chain"]
    assert active["path"] == str(web.active("vda")) and not active["read_only"]
    assert base["read_only"] and base["bitmaps"] == []
    assert {"format", "virtual_bytes", "allocated_bytes"} <= set(base)
    (bitmap,) = active["bitmaps"]
    assert bitmap["recording"] and not bitmap["inconsistent"]
    assert bitmap["dirty_bytes"] == vda["tracking"]["dirty_bytes"] == 65536
    assert vda["tracking"]["state"] == "ok"
    assert vm["snapshots"] == [
        {
            "kind": "external",
            "disk": "vda",
            "image": active["path"],
            "backing": base["path"],
        }
    ]
    assert vm["checkpoints"] == [{"name": bitmap["name"], "disks": ["vda", "vdb"]}]


async def test_plain_text_tells_the_live_file_and_the_tracking(
    shell: Shell, machine: StartMachine
) -> None:
    web = await machine(DiskSpec("vda", chain_depth=2))
    said = await shell.run("show", "web-01", machine=web)
    assert said.out.startswith("web-01  paused")
    assert f"  active  {web.active('vda')}  qcow2" in said.out
    assert "tracking: the first point of this disk" in said.out


async def test_an_unknown_machine_is_10(shell: Shell, machine: StartMachine) -> None:
    said = await shell.run("show", "db-01", machine=await machine())
    assert (said.code, said.out) == (10, "")
    assert "web-01" in said.err
