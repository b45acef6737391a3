"""What may be said on the command line, and the manual that `--help` prints."""

import argparse
from collections.abc import Iterable, Sequence
from contextlib import suppress
from enum import Enum
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, NoReturn

from vmsnap_tui import __version__
from vmsnap_tui.errors import UsageError

if TYPE_CHECKING:
    from vmsnap_tui.engine.settings import Settings

VERBS = {
    "list": "list",
    "show": "show",
    "backup": "backup",
    "points": "points",
    "verify": "verify",
    "restore": "restore",
    "jobs": "jobs",
    "job": "job",
    "freeze": "freeze",
    "thaw": "thaw",
    "events": "events",
    "doctor": "doctor",
    "repair": "repair",
    "recover": "recover",
    "demo": "demo",
}
"""Verb → its module in `cli.commands`."""

DESCRIPTION = """\
Snapshots and backups of QEMU/KVM machines that can be trusted after anything breaks.

Without a VERB the terminal UI opens. Every operation is a plan that can be read
before it runs (--dry-run), is undone when it breaks, and is finished by `recover`
when this program, the line or the host went away in the middle.
"""

EPILOG = """\
connections:
  qemu:///system                      this host's libvirt
  qemu+ssh://root@host/system         another host's libvirt, to look and to act; a
                                      backup is taken on the host itself
  qmp:///run/vm/web.qmp               a QMP unix socket
  qmp:///run/vm/web.qmp?agent=/run/vm/web.qga&name=web-01
                                      with its guest agent, and a name
  qmp://127.0.0.1:4444                QMP over TCP
  Without --connect this host's libvirt is used, and every QMP socket of a running
  QEMU that libvirt does not own. A QMP socket serves one client at a time: give each
  machine a second monitor for this program.

examples:
  vmsnap-tui                                           the terminal UI
  vmsnap-tui demo                                      the same, on a lab of real QEMU
  vmsnap-tui list
  vmsnap-tui --connect qemu:///system backup web-01 --quiesce
  vmsnap-tui backup web-01 --dry-run                   read the plan, change nothing
  vmsnap-tui backup web-01 --level full --json         for a script
  vmsnap-tui points web-01
  vmsnap-tui restore 20260114T030000Z-1a2b3c4d --to /srv/restored --format raw
  vmsnap-tui recover --yes                             after a crash

output:
  stdout is data, stderr is narration. With --json stdout is one JSON document
  (`events`: one object a line) and stderr holds JSON lines with a "type": progress,
  step-ended, warning, …; the last line of a failure is {"type": "error", "kind",
  "cause", "evidence", "remedy", "exit_code"}.

exit codes:
    0  done                          7  cannot be undone alone: `recover` says
    1  unexpected                       what is needed
    2  usage                         8  no connection
    3  done, read the warnings      10  no such VM, point or repository
    4  refused, nothing changed     11  locked by another operation
    5  failed, and undone          129  the terminal went away
    6  outcome unknown: `recover`  130  interrupted

interrupting:
  Ctrl-C or SIGTERM takes back in order what can be taken back; the second one leaves
  at once. A lost terminal (SIGHUP) leaves at once too: jobs belong to QEMU and go
  on, and `recover` finishes the operation.

environment:
  VMSNAP_REPO        the repository where --repo is not given
  VMSNAP_STATE_DIR   journals and locks of operations
  VMSNAP_THEME       the theme where --theme is not given
"""


class Connects(Enum):
    """Whether a verb connects, as its module's CONNECTS says."""

    NEEDED = "at least one connection"
    IF_ANY = "whatever is there"
    NONE = "it works on the repository alone"


class Parser(argparse.ArgumentParser):
    """An ArgumentParser whose complaints are errors of ours."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(
            f"{message[:1].lower()}{message[1:]}", remedy=f"see `{self.prog} --help`"
        )


def parse(words: Sequence[str]) -> argparse.Namespace:
    """What was said; raises UsageError, and SystemExit after a manual.

    Sixteen verbs take a tenth of the time of `list`: only those that are said are
    read, and all of them where there is something to explain.
    """
    if not any(word.startswith("-h") or word == "--help" for word in words):
        with suppress(UsageError):
            return parser([v for v in VERBS if v in words]).parse_args(words)
    return parser().parse_args(words)


def parser(known: Iterable[str] = tuple(VERBS)) -> argparse.ArgumentParser:
    """The command line with these verbs; global options are taken before and after."""
    top = Parser(
        prog="vmsnap-tui",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        parents=[_global_options("connect")],
    )
    verbs = top.add_subparsers(
        dest="verb", metavar="VERB", title="verbs", parser_class=Parser
    )
    after_verb = _global_options("connect_after")
    for verb in known:
        module = command(verb)
        sub = verbs.add_parser(
            verb,
            help=module.SUMMARY,
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
            parents=[after_verb],
        )
        module.configure(sub)
    return top


def command(verb: str) -> ModuleType:
    """The module of a verb: SUMMARY, CONNECTS, configure(parser), run(…)."""
    return import_module(f"vmsnap_tui.cli.commands.{VERBS[verb]}")


def settings(namespace: argparse.Namespace) -> "Settings":
    """What was said, completed by the environment and this system's places."""
    from vmsnap_tui.engine.settings import settings_of

    said = vars(namespace)
    return settings_of(
        connections=(*said.get("connect", ()), *said.get("connect_after", ())),
        repository=said.get("repo"),
        theme=said.get("theme") or "",
        log=said.get("log"),
    )


def _global_options(connections: str) -> Parser:
    """Options for either side of the verb; unsaid ones leave no trace, so that those
    after the verb do not wipe out those before it."""
    options = Parser(
        add_help=False, argument_default=argparse.SUPPRESS, allow_abbrev=False
    )
    group = options.add_argument_group("global options, before or after the verb")
    group.add_argument(
        "--connect",
        metavar="URI",
        action="append",
        dest=connections,
        help="a connection; may be said several times",
    )
    group.add_argument("--repo", metavar="DIR", help="the repository of the points")
    group.add_argument("--theme", metavar="NAME", help="the UI's theme")
    group.add_argument("--log", metavar="FILE", help="write a log for experts to FILE")
    group.add_argument(
        "--version", action="version", version=f"vmsnap-tui {__version__}"
    )
    return options


def add_json(to: argparse.ArgumentParser) -> None:
    to.add_argument("--json", action="store_true", help="one JSON document on stdout")


def add_dry_run(to: argparse.ArgumentParser) -> None:
    to.add_argument(
        "--dry-run", action="store_true", help="print the plan and change nothing"
    )


def add_yes(to: argparse.ArgumentParser) -> None:
    to.add_argument("--yes", action="store_true", help="do not ask")


def size(text: str) -> int:
    """An argparse type: bytes of `64M`, `100MiB/s`, `4096`."""
    from vmsnap_tui.units import parse_size

    try:
        return parse_size(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error
