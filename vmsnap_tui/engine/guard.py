"""The freeze guard: a small process that freezes a guest and thaws it whatever happens.

It holds the agent's connection and thaws when it is told to, when its deadline
passes, or when the process that started it is gone (its standard input closes). It
runs in a session of its own and ignores hang-ups, so that a dropped SSH connection
does not take it along. What it did goes to a report file, line by line, on disk
before the effect, so that a later vmsnap-tui knows whether this guest was frozen by us.

Run as `python -m vmsnap_tui.engine.guard ADDRESS DEADLINE_S REPORT`; it says `ready`,
waits for `freeze`, says `frozen`, waits for `thaw`, says `thawed`: one JSON a line.
"""

import contextlib
import json
import os
import select
import signal
import sys
import time
from pathlib import Path

from vmsnap_tui.backends.agent import AgentError, AgentLink
from vmsnap_tui.engine.agents import link_to

THAW_PATIENCE_S = 180.0
"""How long a silent agent is asked to thaw: what Proxmox allows it."""
RETRY_S = 1.0
THAW_TIMEOUT_S = 5.0
SYNC_TIMEOUT_S = 5.0


class Guard:
    """One freeze and its thaw. `clock` of all times is CLOCK_MONOTONIC."""

    def __init__(self, address: str, deadline_s: float, report: Path) -> None:
        self.address = address
        self.deadline_s = deadline_s
        self.report = report
        self.link: AgentLink | None = None

    def run(self) -> int:
        try:
            self.link = self._connect()
        except AgentError as error:
            self._say("refused", cause=str(error))
            return 1
        self._say("ready")
        if not self._told("freeze", None):
            return 0
        return self._freeze()

    def _connect(self) -> AgentLink:
        link = link_to(self.address)
        link.connect(SYNC_TIMEOUT_S)
        link.sync(SYNC_TIMEOUT_S)
        if link.status(SYNC_TIMEOUT_S) != "thawed":
            raise AgentError("the guest is frozen already, by somebody else")
        return link

    def _freeze(self) -> int:
        assert self.link is not None
        sent_s = time.monotonic()
        self._note("freeze-sent", at_s=sent_s)
        try:
            count = self.link.freeze(self.deadline_s)
        except AgentError as error:
            # A thaw went right behind a freeze that got no answer (see AgentLink).
            self._note("failed", cause=str(error))
            self._say("failed", cause=str(error))
            thawed = self._thaw()
            self._note("given-up" if thawed is None else "thawed")
            return 1
        frozen_s = time.monotonic()
        self._note("frozen", at_s=frozen_s, filesystems=count)
        self._say("frozen", filesystems=count, sent_s=sent_s, at_s=frozen_s)
        told = self._told("thaw", sent_s + self.deadline_s)
        reason = "told" if told else self._why_not_told(sent_s)
        thaw_sent_s = time.monotonic()
        self._note("thaw-sent", at_s=thaw_sent_s, reason=reason)
        thawed = self._thaw()
        if thawed is None:
            self._say("stuck", cause="the agent does not answer: the guest is frozen")
            return 2
        thawed_s = time.monotonic()
        self._note("thawed", at_s=thawed_s, filesystems=thawed)
        self._say(
            "thawed",
            filesystems=thawed,
            thaw_sent_s=thaw_sent_s,
            at_s=thawed_s,
            reason=reason,
        )
        return 0

    def _why_not_told(self, sent_s: float) -> str:
        late = time.monotonic() >= sent_s + self.deadline_s
        return "deadline" if late else "parent gone"

    def _thaw(self) -> int | None:
        """The number of file systems thawed, None when the agent never answered."""
        end_s = time.monotonic() + THAW_PATIENCE_S
        while time.monotonic() < end_s:
            try:
                assert self.link is not None
                return self.link.thaw(THAW_TIMEOUT_S)
            except AgentError:
                self._reconnect()
        return None

    def _reconnect(self) -> None:
        """A new connection, as the old one may be out of step; failing is for the
        next round."""
        time.sleep(RETRY_S)
        link = link_to(self.address)
        try:
            if self.link is not None:
                self.link.close()
            link.connect(SYNC_TIMEOUT_S)
            link.sync(SYNC_TIMEOUT_S)
        except AgentError as error:
            self._note("agent-silent", cause=str(error))
        self.link = link

    def _told(self, word: str, until_s: float | None) -> bool:
        """Whether the parent said the word before `until_s` and before it went."""
        timeout = None if until_s is None else max(until_s - time.monotonic(), 0)
        ready, _, _ = select.select([sys.stdin], [], [], timeout)
        return bool(ready) and sys.stdin.readline().strip() == word

    def _say(self, event: str, **data: object) -> None:
        # The parent may be gone, and nobody is left to be told: the thaw goes on.
        with contextlib.suppress(BrokenPipeError):
            sys.stdout.write(json.dumps({"event": event} | data) + "\n")
            sys.stdout.flush()

    def _note(self, event: str, **data: object) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        try:
            fd = os.open(self.report, flags, 0o600)
        except OSError as error:
            self._say("unreported", cause=str(error))
            return
        try:
            os.write(fd, (json.dumps({"event": event} | data) + "\n").encode())
            os.fsync(fd)
        except OSError as error:
            self._say("unreported", cause=str(error))
        finally:
            os.close(fd)


def main(arguments: list[str]) -> int:
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)
    address, deadline, report = arguments
    return Guard(address, float(deadline), Path(report)).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
