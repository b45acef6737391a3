"""FORMAT.md is a contract: what it shows is parsed, what it says to run is run."""

import json
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import msgspec

from tests.images.material import tool
from tests.repository.material import a_point, a_vm, an_id
from vmsnap_tui.images.digest import sha256_file
from vmsnap_tui.images.qemu_img import create_overlayless
from vmsnap_tui.model.point import (
    DiskLevel,
    ExcludedDisk,
    Parent,
    Point,
    StoredDisk,
    Verification,
)
from vmsnap_tui.repository import layout, manifest
from vmsnap_tui.repository.machines import MachineRecord
from vmsnap_tui.repository.marker import Marker
from vmsnap_tui.repository.repository import Repository

TEXT = Path(manifest.__file__).with_name("FORMAT.md").read_text()


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)


def _manifest() -> str:
    return _blocks("json")[2]


def test_the_examples_are_what_the_program_writes() -> None:
    marker, machine, _, verification = _blocks("json")
    read = msgspec.json.decode(marker, type=Marker)
    assert manifest.canonical(read) == marker.encode()
    record = msgspec.json.decode(machine, type=MachineRecord)
    assert manifest.canonical(record) == machine.encode()
    point = manifest.decode(_manifest().encode())
    assert manifest.encode(point) == _manifest().encode()
    assert msgspec.json.decode(verification, type=Verification).ok


def test_the_examples_fit_each_other() -> None:
    point = manifest.decode(_manifest().encode())
    marker = json.loads(_blocks("json")[0])
    assert point.disks[0].bitmap == f"vmsnap-{marker['id'][:8]}-{point.id}"
    assert f"vms/web-01-{layout.key_hash(point.vm_key)}/points" in TEXT
    assert a_vm().directory_name.endswith(layout.key_hash(point.vm_key))


def test_every_field_is_told() -> None:
    told = {
        name
        for row in re.findall(r"^\| (`.*?) \|", TEXT, re.MULTILINE)
        for name in re.findall(r"`\.?(\w+)", row)
    }
    kinds = (Marker, Point, StoredDisk)
    wanted = {field.name for kind in kinds for field in fields(kind)}
    assert wanted <= told
    for field in (*fields(Parent), *fields(ExcludedDisk), *fields(Verification)):
        assert f"`{field.name}`" in TEXT or f'"{field.name}"' in TEXT


def test_a_manifest_is_checked_without_the_program(tmp_path: Path) -> None:
    script, path = _blocks("python")[0], tmp_path / "manifest.json"
    for change, word in ((("", ""), "sound\n"), (("web-01", "web-02"), "CHANGED\n")):
        path.write_text(_manifest().replace(*change))
        command = [sys.executable, "-W", "ignore", "-c", script, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == word


async def _store(repository: Repository, number: int, parent: int | None) -> None:
    vm = a_vm()
    below = repository.find(an_id(parent)).point.disks[0] if parent else None
    stands_on = Parent(an_id(parent), below.sha256) if parent and below else None
    repository.create_partial(an_id(number))
    path = repository.create_disk_file(an_id(number), "disk-vda.qcow2")
    backing = (
        repository.relative_backing(vm, an_id(parent), path.name) if parent else None
    )
    await create_overlayless(path, 1024 * 1024, backing)
    graph = json.dumps(
        {
            "driver": "qcow2",
            "file": {"driver": "file", "filename": str(path)},
            "backing": None,
        }
    )
    tool("qemu-io", "-c", f"write -P {number} {number * 64}k 64k", f"json:{graph}")
    disk = StoredDisk(
        target="vda",
        file=path.name,
        level=DiskLevel.INCREMENTAL if stands_on else DiskLevel.FULL,
        reason="",
        parent=stands_on,
        virtual_bytes=1024 * 1024,
        bytes=path.stat().st_size,
        sha256=await sha256_file(path),
        bitmap=repository.bitmap_name(an_id(number)),
        source_path="",
        source_format="qcow2",
    )
    repository.write_manifest(an_id(number), vm, a_point(number, vm, (disk,)))
    repository.commit(an_id(number), vm)


async def test_the_emergency_restore_works_as_it_is_written(
    repository: Repository, tmp_path: Path
) -> None:
    for number in (1, 2, 3):
        await _store(repository, number, number - 1 or None)
    (tmp_path / "restore").mkdir()
    script = (
        _blocks("sh")[0]
        .replace("20261120T083412Z-1a2b3c4d", an_id(3))
        .replace("/restore/", f"{tmp_path}/restore/")
    )
    assert a_vm().directory_name in script
    done = subprocess.run(
        ["/bin/sh", "-e"],
        input=script,
        cwd=repository.path,
        capture_output=True,
        text=True,
        check=True,
    )
    digests = re.findall(r'"sha256": "(\w+)"', done.stdout)
    assert len(digests) == 2
    for digest in digests:
        assert f"\n{digest}  " in done.stdout
    content = (tmp_path / "restore" / "vda.raw").read_bytes()
    assert [content[n * 65536] for n in range(5)] == [0, 1, 2, 3, 0]
