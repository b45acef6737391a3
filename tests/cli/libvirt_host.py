"""A verb run on the fleet of a libvirt, in this process: what it prints and raises."""

import io
import json
from pathlib import Path
from typing import Any

from vmsnap_tui.cli import options
from vmsnap_tui.cli.console import Console
from vmsnap_tui.cli.diagnostics import Diagnostics
from vmsnap_tui.cli.interrupts import Interrupts
from vmsnap_tui.cli.output import Output
from vmsnap_tui.engine.engine import Engine
from vmsnap_tui.engine.settings import Settings
from vmsnap_tui.errors import ExitCode
from vmsnap_tui.tui.still import NOW, Still, StillBackend


class Host:
    """`await host.run("show", "shop-01")`, then what was said in `out`."""

    def __init__(self, still: Still, directory: Path) -> None:
        self._by_uri = {each.uri: each for each in still.connections}
        self._directory = directory
        self.out = ""

    async def run(self, *words: str) -> ExitCode:
        """Raises what the verb raises."""
        said = options.parser().parse_args(list(words))
        stream = io.StringIO()
        out = Output(as_json="--json" in words, stream=stream)
        err = Diagnostics(as_json=True, stream=io.StringIO())
        settings = Settings(
            tuple(self._by_uri), self._directory / "repo", self._directory / "state"
        )
        engine = Engine(
            settings, lambda uri: StillBackend(self._by_uri[uri]), lambda: NOW
        )
        await engine.open()
        try:
            code: ExitCode = await options.command(said.verb).run(
                engine, said, Console(out, err, Interrupts())
            )
        finally:
            await engine.close()
            self.out = stream.getvalue()
        return code

    @property
    def document(self) -> Any:
        return json.loads(self.out)
