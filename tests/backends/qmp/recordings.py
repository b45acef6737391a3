"""Recorded replies of each QEMU at hand, as the parser gets them."""

import json
from pathlib import Path
from typing import Any, TypeVar

from vmsnap_tui.backends.qmp import parse
from vmsnap_tui.backends.qmp.replies import (
    BlockGraph,
    BlockInfo,
    BlockStats,
    Inserted,
    understood,
)
from vmsnap_tui.model.disk import Disk

DATA = Path(__file__).parents[2] / "data" / "qmp"
VERSIONS = sorted(place.name for place in DATA.iterdir())
T = TypeVar("T")


class Recording:
    """One scene of one version."""

    def __init__(self, version: str, scene: str) -> None:
        self.replies: dict[str, Any] = json.loads(
            (DATA / version / f"{scene}.json").read_text()
        )

    def reply(self, kind: type[T], command: str) -> T:
        return understood(kind, self.replies[command], command)

    def disks(self, *, with_graph: bool = True) -> dict[str, Disk]:
        known = self.graph() if with_graph else None
        blocks = self.reply(tuple[BlockInfo, ...], "query-block")
        stats = self.reply(tuple[BlockStats, ...], "query-blockstats")
        return {disk.target: disk for disk in parse.disks(blocks, stats, known)}

    def graph(self) -> parse.Graph:
        nodes = self.reply(tuple[Inserted, ...], "query-named-block-nodes")
        edges = self.reply(BlockGraph, "x-debug-query-block-graph")
        return parse.graph(nodes, edges)
