"""The parent's side of the freeze guard: start it, tell it, read what it did."""

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmsnap_tui.backends.agent import AgentError
from vmsnap_tui.engine.agents import link_to
from vmsnap_tui.errors import StepFailed

ARM_TIMEOUT_S = 15.0
THAW_TIMEOUT_S = 20.0
GRACE_S = 5.0
AGENT_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class FreezeReport:
    """What a guard did; times are CLOCK_MONOTONIC of this host, None if not reached.

    The guest was frozen for certain between `frozen_s` and `thaw_sent_s`; its writes
    may have waited from `freeze_sent_s` to `thawed_s`, the freeze window.
    """

    filesystems: int = 0
    freeze_sent_s: float | None = None
    frozen_s: float | None = None
    thaw_sent_s: float | None = None
    thawed_s: float | None = None
    reason: str = ""
    failed: bool = False
    """The agent refused the freeze or did not answer; a thaw was sent behind it."""

    @property
    def window_s(self) -> float | None:
        if self.freeze_sent_s is None or self.thawed_s is None:
            return None
        return self.thawed_s - self.freeze_sent_s

    def covers(self, start_s: float, end_s: float) -> bool:
        """Whether the guest was frozen for certain all through the interval."""
        if self.frozen_s is None or self.thaw_sent_s is None:
            return False
        return self.frozen_s <= start_s and end_s <= self.thaw_sent_s

    @property
    def may_be_frozen(self) -> bool:
        """A freeze was sent, and neither a thaw nor a refusal came back: also where the
        guard was killed before it could note the answer."""
        return (
            self.freeze_sent_s is not None and self.thawed_s is None and not self.failed
        )


def read_report(path: Path) -> FreezeReport:
    """What the guard's report file tells; a guard that never froze left none."""
    if not path.exists():
        return FreezeReport()
    seen: dict[str, dict[str, Any]] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            # The last line of a guard that was killed in writing it.
            continue
        seen[str(event.get("event"))] = event
    return FreezeReport(
        filesystems=int(seen.get("frozen", {}).get("filesystems", 0)),
        freeze_sent_s=_time(seen, "freeze-sent"),
        frozen_s=_time(seen, "frozen"),
        thaw_sent_s=_time(seen, "thaw-sent"),
        thawed_s=_time(seen, "thawed"),
        reason=str(seen.get("thaw-sent", {}).get("reason", "")),
        failed="failed" in seen,
    )


def _time(seen: dict[str, dict[str, Any]], event: str) -> float | None:
    value = seen.get(event, {}).get("at_s")
    return float(value) if isinstance(value, int | float) else None


class FreezeGuard:
    """A guard process of ours. `freeze` returns with the guest frozen, or raises
    StepFailed and the guest thawed or a thaw on its way; `thaw` may be called twice.

    A plain `Popen` on purpose: asyncio kills a child whose transport it closes, and
    a guard must outlive whoever started it.
    """

    def __init__(self, address: str, deadline_s: float, report: Path) -> None:
        self.address = address
        self.deadline_s = deadline_s
        self.report = report
        self._process: subprocess.Popen[bytes] | None = None
        self._heard = bytearray()
        self._stirred = asyncio.Event()
        self._silent = False

    async def arm(self) -> None:
        """Start the guard, which meets the agent; nothing is frozen yet."""
        self.report.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        words = [self.address, str(self.deadline_s), str(self.report)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "vmsnap_tui.engine.guard", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self._process.stdout is not None
        os.set_blocking(self._process.stdout.fileno(), False)
        loop = asyncio.get_running_loop()
        loop.add_reader(self._process.stdout.fileno(), self._hear)
        try:
            await self._expect("ready", ARM_TIMEOUT_S)
        except BaseException:
            self.let_go()
            raise

    async def freeze(self) -> int:
        """Freeze; returns the number of file systems."""
        self._tell(b"freeze\n")
        said = await self._expect("frozen", self.deadline_s + GRACE_S)
        return int(said.get("filesystems", 0))

    async def thaw(self) -> FreezeReport:
        """Thaw, if the guard has not done so by itself, and report.

        May be called again, and after a freeze that failed. Raises StepFailed when
        the guest may be left frozen; a living guard goes on trying for three minutes.
        """
        if self._process is not None:
            self._tell(b"thaw\n")
            await self._end(THAW_TIMEOUT_S)
        report = read_report(self.report)
        if report.may_be_frozen:
            await thaw_directly(self.address, self.report)
            report = read_report(self.report)
        return report

    async def wait_thawed(self) -> FreezeReport:
        """Until the guard thaws by itself, at its deadline; one that was killed
        meanwhile is stood in for."""
        await self._end(self.deadline_s + THAW_TIMEOUT_S)
        return await self.thaw()

    def let_go(self) -> None:
        """Hang up: a guard that holds a frozen guest thaws it at once, and ends."""
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(RuntimeError, ValueError):
            asyncio.get_running_loop().remove_reader(process.stdout.fileno())
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        process.stdout.close()
        # Its end is the kernel's and init's business now, not a leak of ours.
        threading.Thread(target=process.wait, daemon=True).start()

    async def _end(self, timeout_s: float) -> None:
        """Until the guard has ended; one that still tries is left to it."""
        try:
            async with asyncio.timeout(timeout_s):
                while not self._silent:
                    self._stirred.clear()
                    await self._stirred.wait()
        except TimeoutError:
            if read_report(self.report).may_be_frozen:
                raise _failure(self.address, {"cause": "no thaw in time"}) from None
        self.let_go()

    def _tell(self, word: bytes) -> None:
        assert self._process is not None and self._process.stdin is not None
        # A guard that has ended says so by its silence.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(word)
            self._process.stdin.flush()

    def _hear(self) -> None:
        assert self._process is not None and self._process.stdout is not None
        chunk = os.read(self._process.stdout.fileno(), 65536)
        if not chunk:
            self._silent = True
            asyncio.get_running_loop().remove_reader(self._process.stdout.fileno())
        self._heard += chunk
        self._stirred.set()

    async def _line(self) -> dict[str, Any]:
        while b"\n" not in self._heard:
            if self._silent:
                return {"event": "gone"}
            self._stirred.clear()
            await self._stirred.wait()
        line, _, rest = bytes(self._heard).partition(b"\n")
        self._heard = bytearray(rest)
        said: dict[str, Any] = json.loads(line)
        return said

    async def _expect(self, event: str, timeout_s: float) -> dict[str, Any]:
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    said = await self._line()
                    if said["event"] == event:
                        return said
                    if said["event"] in ("refused", "failed", "stuck", "gone"):
                        raise _failure(self.address, said)
        except TimeoutError as error:
            raise _failure(self.address, {"cause": "no answer in time"}) from error


async def thaw_directly(address: str, report: Path | None = None) -> int:
    """Thaw without a guard: one that was killed, or a guest that is found frozen.

    Returns the number of file systems thawed, 0 when none was frozen. Raises
    StepFailed when the agent does not answer.
    """
    try:
        return await asyncio.to_thread(_thaw_now, address, report)
    except AgentError as error:
        raise _failure(address, {"cause": str(error)}) from error


def _thaw_now(address: str, report: Path | None) -> int:
    link = link_to(address)
    try:
        link.connect(AGENT_TIMEOUT_S)
        link.sync(THAW_TIMEOUT_S)
        frozen = link.status(AGENT_TIMEOUT_S) == "frozen"
        count = link.thaw(THAW_TIMEOUT_S) if frozen else 0
    finally:
        link.close()
    if report is not None:
        line = {"event": "thawed", "at_s": time.monotonic(), "filesystems": count}
        with report.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    return count


def _failure(address: str, said: dict[str, Any]) -> StepFailed:
    return StepFailed(
        "the guest agent did not do what it should",
        evidence=f"{said.get('cause', 'the freeze guard ended early')}, {address}",
        remedy=(
            "see whether qemu-guest-agent runs in the guest (`vmsnap-tui thaw VM`"
            " thaws a guest that is left frozen)"
        ),
    )
