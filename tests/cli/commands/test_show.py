from pathlib import Path

from tests.cli.conftest import Shell
from tests.cli.libvirt_host import Host
from tests.conftest import StartMachine
from vmsnap_tui.errors import ExitCode
from vmsnap_tui.lab.disks import DiskSpec
from vmsnap_tui.tui.scenes_libvirt import HOST, SHOP
from vmsnap_tui.units import MiB

NEWEST = SHOP.disks[0].records[-1].name if SHOP.disks[0].records else ""


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


async def test_what_libvirt_keeps_of_a_domain_is_shown(tmp_path: Path) -> None:
    host = Host(HOST, tmp_path)
    assert await host.run("show", "shop-01", "--json") is ExitCode.DONE
    vm = host.document
    assert vm["capabilities"]["libvirt_version"] == "9.0.0"
    assert vm["capabilities"]["qemu_version"] == "7.2.22"
    assert [c["name"] for c in vm["checkpoints"]] == [
        c.name for c in SHOP.checkpoints or ()
    ]
    assert vm["checkpoints"][1]["current"] and vm["checkpoints"][1]["disks"] == [
        "vda",
        "vdb",
    ]
    first, second = vm["snapshots"]
    assert (first["kind"], first["name"]) == ("external", "before-upgrade")
    assert second["parent"] == "before-upgrade" and second["current"]
    assert second["disks"][0]["file"].endswith("shop-01.after-upgrade")
    assert vm["disks"][0]["records"][-1]["dirty_bytes"] == 312 * MiB
    limits = {(x["ability"], x["needs"]) for x in vm["limits"] if not x["warns"]}
    assert ("revert-external", "libvirt 9.9") in limits


async def test_plain_text_says_what_cannot_be_done_and_why(tmp_path: Path) -> None:
    host = Host(HOST, tmp_path)
    await host.run("show", "shop-01")
    lines = host.out.splitlines()
    assert "libvirt 9.0.0  ·  QEMU 7.2.22" in lines[0]
    assert f"  record {NEWEST}  312 MiB dirty" in lines
    assert any(
        line.startswith("snapshot after-upgrade")
        and line.endswith("external  on before-upgrade  current")
        for line in lines
    )
    assert any(line.startswith("checkpoint virtnbdbackup.0") for line in lines)
    assert "cannot compress: libvirt's backups are not compressed" in lines
    assert any(line.startswith("caution backup: ") for line in lines)


async def test_a_chain_that_the_definition_contradicts_is_a_caution(
    tmp_path: Path,
) -> None:
    host = Host(HOST, tmp_path)
    await host.run("show", "wiki-01")
    assert "  caution: libvirt's definition names wiki-01.patched" in host.out
    await host.run("show", "wiki-01", "--json")
    kinds = {s["name"]: (s["kind"], s["memory"]) for s in host.document["snapshots"]}
    assert kinds["golden"] == ("internal", True)
    assert kinds["patched"] == ("external", False)
