"""What a verb has of the outside: data out, narration, questions, and Ctrl-C."""

import sys
from dataclasses import dataclass

from vmsnap_tui.cli.diagnostics import Diagnostics
from vmsnap_tui.cli.interrupts import Interrupts
from vmsnap_tui.cli.output import Output
from vmsnap_tui.errors import PlanRefused


@dataclass(frozen=True, slots=True)
class Console:
    """stdout, stderr and signals of one invocation."""

    out: Output
    err: Diagnostics
    interrupts: Interrupts

    @property
    def asks(self) -> bool:
        """Whether there is somebody to ask: a terminal on both sides."""
        return sys.stdin.isatty() and self.err.on_terminal

    async def confirm(self, question: str, *, yes: bool) -> None:
        """Go on only with the operator's word, by `--yes` or at the terminal.

        Raises PlanRefused when it is not given, or when there is nobody to ask.
        """
        if yes:
            return
        if not self.asks:
            raise PlanRefused(
                "this wants a confirmation and there is no terminal to ask on",
                evidence=question,
                remedy="nothing was changed; say --yes to do it",
            )
        await self.agree(question)

    async def agree(self, question: str) -> None:
        """Ask at the terminal. Raises PlanRefused unless the answer is yes."""
        self.err.prompt(f"{question} [y/N] ")
        if not await self.interrupts.answer():
            raise PlanRefused("not confirmed", remedy="nothing was changed")
