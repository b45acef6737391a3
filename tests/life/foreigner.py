"""Somebody else who works on the same machine, and asks nobody.

Everything goes over the lab's own monitor, or through qemu-img while QEMU is down.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.engine.rig import run
from vmsnap_tui.lab.disks import ImageFormat, private_file
from vmsnap_tui.lab.machines import Machine
from vmsnap_tui.lab.monitor import CommandRefused
from vmsnap_tui.units import MiB

JOB = "foreign"


class Foreigner:
    """Snapshots, merges, resizes; keeps the lab's idea of each chain."""

    def __init__(
        self, machine: Machine, chance: random.Random, note: Callable[[str], None]
    ) -> None:
        self.machine = machine
        self.random = chance
        self.note = note
        self.made = 0

    async def act(self) -> None:
        target = self.random.choice(list(self.machine.disks))
        act = self.random.choice(
            [self.snapshot, self.tracked_snapshot, self.merge, self.merge_middle]
            + [self.flatten, self.grow]
        )
        try:
            await act(target)
        except CommandRefused as error:
            self.note(f"foreign {act.__name__} of {target} was refused: {error}")

    async def act_offline(self) -> None:
        """What somebody does to images while the machine is off."""
        target = self.random.choice(list(self.machine.disks))
        chain = self.machine.disks[target].chain
        active, kind = chain[-1]
        act = self.random.choice(["write", "commit", "check", "amend"])
        match act:
            case "write":
                at = self.random.randrange(0, 3 * MiB, 512)
                command = f"write -P {self.random.randint(1, 255)} {at} 100k"
                await run("qemu-io", "-f", kind, "-c", command, str(active))
            case "commit" if len(chain) > 1:
                await run("qemu-img", "commit", "-q", "-f", kind, str(active))
                if self.random.random() < 0.5:
                    self._shorten(target, len(chain) - 1)
                    active.unlink()
            case "check" if kind == "qcow2":
                await run("qemu-img", "check", "-q", "-f", kind, str(active))
            case "amend" if kind == "qcow2":
                option = self.random.choice(["lazy_refcounts=on", "lazy_refcounts=off"])
                await run("qemu-img", "amend", "-f", kind, "-o", option, str(active))
        self.note(f"offline {act} of {target} ({len(chain)} images)")

    async def snapshot(self, target: str) -> None:
        """Without bitmaps: the tracking has a gap from here on."""
        node, overlay = await self.root(target), await self._overlay(target)
        await self._switch(target, node, overlay, [])
        self.note(f"foreign snapshot of {target}: {overlay.name}")

    async def snapshot_now(self, target: str, root: str) -> None:
        """In one command, without a look at the graph; QEMU may well refuse it."""
        self.made += 1
        overlay = self.machine.directory / f"{target}.o{self.made}.qcow2"
        how = {"snapshot_file": str(overlay), "format": "qcow2"}
        how |= {"snapshot_node_name": f"{target}-o{self.made}"}
        try:
            await self.machine.lab.execute(
                "blockdev-snapshot-sync", node_name=root, **how
            )
        except CommandRefused as error:
            self.note(f"a snapshot of {target} was refused: {error.evidence}")
            return
        chain = self.machine.disks[target].chain
        self.machine.switched(target, *chain, (overlay, "qcow2"))
        self.note(f"foreign snapshot of {target} at once: {overlay.name}")

    async def tracked_snapshot(self, target: str) -> None:
        """With every recording bitmap in the overlay, as libvirt does it."""
        node, overlay = await self.root(target), await self._overlay(target)
        (found,) = [n for n in await self._nodes() if n["node-name"] == node]
        bitmaps = [
            bitmap
            for bitmap in found.get("dirty-bitmaps", ())
            if bitmap["recording"] and not bitmap.get("inconsistent")
        ]
        await self._switch(target, node, overlay, bitmaps)
        self.note(f"foreign tracked snapshot of {target}: {overlay.name}")

    async def merge(self, target: str) -> None:
        """The active image into one below it, pivoted."""
        chain = self.machine.disks[target].chain
        if len(chain) < 2:
            return
        into = self.random.randrange(0, len(chain) - 1)
        root = await self.root(target)
        base = await self._writable(target, into)
        above = [await self._node_of(path) for path, _ in reversed(chain[into + 1 :])]
        await self.machine.lab.execute(
            "block-commit", job_id=JOB, device=root, base_node=base
        )
        await self.machine.lab.wait_event("BLOCK_JOB_READY", device=JOB)
        await self.machine.lab.execute("block-job-complete", device=JOB)
        await self._ended()
        for node in above:
            await self._close(node)
        self._shorten(target, into + 1)
        self.note(f"foreign merge of {target} into {chain[into][0].name}")

    async def merge_middle(self, target: str) -> None:
        chain = self.machine.disks[target].chain
        if len(chain) < 3:
            return
        top = len(chain) - 2
        node = await self._node_of(chain[top][0])
        base = await self._writable(target, top - 1)
        await self.machine.lab.execute(
            "block-commit",
            job_id=JOB,
            device=await self.root(target),
            top_node=node,
            base_node=base,
        )
        await self._ended()
        await self._reopen(target, top - 1, base, writable=False)
        await self._close(node)
        self.machine.switched(target, *chain[:top], chain[-1])
        self.note(f"foreign merge of {target}: {chain[top][0].name} into the one below")

    async def flatten(self, target: str) -> None:
        chain = self.machine.disks[target].chain
        if len(chain) < 2:
            return
        below = [await self._node_of(path) for path, _ in reversed(chain[:-1])]
        await self.machine.lab.execute(
            "block-stream", job_id=JOB, device=await self.root(target)
        )
        await self._ended()
        await self.machine.qemu_io(target, "flush")
        for node in below:
            await self._close(node)
        self.machine.switched(target, chain[-1])
        self.note(f"foreign stream of {target}")

    async def grow(self, target: str) -> None:
        root = await self.root(target)
        (found,) = [n for n in await self._nodes() if n["node-name"] == root]
        size = found["image"]["virtual-size"] + self.random.choice([512, MiB])
        await self.machine.lab.execute("block_resize", node_name=root, size=size)
        self.note(f"{target} grew to {size}")

    async def _switch(
        self, target: str, node: str, overlay: Path, bitmaps: list[dict[str, Any]]
    ) -> None:
        lab, name = self.machine.lab, f"{target}-o{self.made}"
        file = {"driver": "file", "filename": str(overlay)}
        await lab.execute(
            "blockdev-add",
            driver="qcow2",
            node_name=name,
            file=file,
            backing=None,
            discard="unmap",
        )
        actions: list[dict[str, Any]] = [
            {"type": "blockdev-snapshot", "data": {"node": node, "overlay": name}}
        ]
        for bitmap in bitmaps:
            data = {
                "node": name,
                "name": bitmap["name"],
                "granularity": bitmap["granularity"],
                "persistent": True,
            }
            actions.append({"type": "block-dirty-bitmap-add", "data": data})
        await lab.execute("transaction", actions=actions)
        chain = self.machine.disks[target].chain
        self.machine.switched(target, *chain, (overlay, "qcow2"))

    async def _overlay(self, target: str) -> Path:
        self.made += 1
        below, kind = self.machine.disks[target].chain[-1]
        path = self.machine.directory / f"{target}.o{self.made}.qcow2"
        private_file(path)
        create = ["qemu-img", "create", "-q", "-u", "-f", "qcow2"]
        backing = ["-b", str(below), "-F", kind]
        await run(*create, *backing, str(path), str(await self._virtual_bytes(target)))
        return path

    async def _virtual_bytes(self, target: str) -> int:
        root = await self.root(target)
        (found,) = [n for n in await self._nodes() if n["node-name"] == root]
        return int(found["image"]["virtual-size"])

    def _shorten(self, target: str, length: int) -> None:
        chain: tuple[tuple[Path, ImageFormat], ...] = self.machine.disks[target].chain
        self.machine.switched(target, *chain[:length])

    async def _nodes(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self.machine.lab.execute(
            "query-named-block-nodes", flat=True
        )
        return found

    async def root(self, target: str) -> str:
        for block in await self.machine.lab.execute("query-block"):
            if f"/{target}/" in block.get("qdev", "") or block.get("qdev") == target:
                return str(block["inserted"]["node-name"])
        raise AssertionError(f"no disk {target}")

    async def _node_of(self, path: Path) -> str:
        """The format node of an image."""
        for node in await self._nodes():
            if node["drv"] != "file" and node["file"] == str(path):
                return str(node["node-name"])
        for node in await self._nodes():
            if node["file"] == str(path):
                return str(node["node-name"])
        raise AssertionError(f"no node for {path}")

    async def _writable(self, target: str, height: int) -> str:
        """The node of an image, ready to be committed into."""
        path, _ = self.machine.disks[target].chain[height]
        node = await self._node_of(path)
        await self._reopen(target, height, node, writable=True)
        return node

    async def _reopen(
        self, target: str, height: int, node: str, *, writable: bool
    ) -> None:
        """As libvirt does around a commit; read-only again also writes out what QEMU
        still holds back of an image that no flush of the guest's reaches."""
        if self.machine.spec.style == "drive":
            return
        chain = self.machine.disks[target].chain
        path, kind = chain[height]
        shared = {"discard": "unmap", "read-only": not writable}
        file = {"driver": "file", "node-name": f"{node}-p", "filename": str(path)}
        top: dict[str, Any] = {"driver": kind, "node-name": node, "file": f"{node}-p"}
        if kind == "qcow2":
            below = chain[height - 1][0] if height else None
            top["backing"] = await self._node_of(below) if below else None
        await self.machine.lab.execute(
            "blockdev-reopen", options=[{**file, **shared}, {**top, **shared}]
        )

    async def _ended(self) -> None:
        event = await self.machine.lab.wait_event("BLOCK_JOB_COMPLETED", device=JOB)
        assert "error" not in event["data"], event
        await self.machine.lab.wait_event("JOB_STATUS_CHANGE", id=JOB, status="null")

    async def _close(self, node: str) -> None:
        """A node that somebody named stays open until it is closed."""
        try:
            await self.machine.lab.execute("blockdev-del", node_name=node)
        except CommandRefused as error:
            self.note(f"{node} closed itself: {error.evidence}")
