"""The one list of actions: keys, footer, help and command palette are read from it."""

from textual.binding import Binding, BindingType

from vmsnap_tui.tui.action import Action
from vmsnap_tui.tui.actions_operations import OPERATIONS

_ON_A_VM = ("home", "vm")

CORE: tuple[Action, ...] = (
    Action(
        "backup",
        "b",
        "Backup",
        "Back the machine up: choose disks and level, read the plan, then run it.",
        _ON_A_VM,
    ),
    Action(
        "points",
        "p",
        "Points",
        "The machine's restore points: verify, restore.",
        _ON_A_VM,
    ),
    Action(
        "restore",
        "r",
        "Restore",
        "Write the disks of the machine's newest point to a directory.",
        _ON_A_VM,
    ),
    Action(
        "ledger",
        "l",
        "Ledger",
        "Checkpoints, bitmaps and points side by side; repair what drifted apart.",
        _ON_A_VM,
    ),
    Action(
        "freeze",
        "f",
        "Freeze",
        "Freeze the guest's file systems for a moment; a guard thaws them.",
        _ON_A_VM,
    ),
    Action(
        "faster",
        "plus",
        "Faster",
        "Raise the highlighted job's speed limit.",
        ("jobs",),
    ),
    Action(
        "slower",
        "minus",
        "Slower",
        "Lower the highlighted job's speed limit; without one, 256 MiB/s.",
        ("jobs",),
    ),
    Action(
        "unlimited",
        "0",
        "No limit",
        "Take the highlighted job's speed limit away.",
        ("jobs",),
    ),
    Action(
        "pause",
        "space",
        "Pause",
        "Pause the highlighted job, or the event list; again to go on.",
        ("jobs", "events"),
    ),
    Action(
        "cancel",
        "x",
        "Cancel",
        "Cancel the highlighted job, after a question.",
        ("jobs",),
    ),
    Action(
        "clear",
        "c",
        "Clear",
        "Empty the event list.",
        ("events",),
    ),
    Action(
        "jobs",
        "j",
        "Jobs",
        "Block jobs inside QEMU, and operations that were interrupted.",
        ("home", "vm", "events"),
    ),
    Action(
        "events",
        "e",
        "Events",
        "What the hypervisors say, as it comes in.",
        ("home", "vm", "jobs"),
    ),
    Action(
        "doctor",
        "d",
        "Doctor",
        "Look for what is stale, broken or left over, and what to do about it.",
        ("home", "vm", "jobs"),
    ),
    Action(
        "recover",
        "R",
        "Recover",
        "Finish or take back the operations that were interrupted.",
        ("home", "vm", "jobs"),
    ),
    Action(
        "open",
        "enter",
        "Open",
        "Open the highlighted machine: chains, bitmaps, jobs, points.",
        ("home",),
    ),
    Action(
        "filter",
        "slash",
        "Filter",
        "Show only rows that hold the typed words; esc shows all again.",
        ("home", "events"),
    ),
    Action(
        "sort",
        "o",
        "Order",
        "Order the list by the next column.",
        ("home",),
        in_footer=False,
    ),
    Action(
        "refresh",
        "f5",
        "Refresh",
        "Read every connection and the repository again.",
        ("home", "vm"),
        in_footer=False,
    ),
    Action(
        "theme",
        "t",
        "Theme",
        "Switch to the next theme.",
        ("home", "vm", "jobs", "events", "help"),
        in_footer=False,
    ),
    Action(
        "back",
        "escape",
        "Back",
        "Go back to the screen before.",
        ("vm", "jobs", "events", "help"),
    ),
    Action("help", "question_mark", "Help", "This list of keys.", ()),
    Action(
        "palette",
        "ctrl+p",
        "Palette",
        "Find any action by its name.",
        (),
        in_footer=False,
    ),
    Action("quit", "q", "Quit", "Leave; jobs go on in QEMU without you.", ()),
)

ACTIONS: tuple[Action, ...] = CORE + OPERATIONS


def action_named(name: str) -> Action:
    """Raises KeyError when there is none of that name."""
    for action in ACTIONS:
        if action.name == name:
            return action
    raise KeyError(name)


def actions_of(screen: str) -> tuple[Action, ...]:
    """What a screen offers, its own before what is offered everywhere."""
    offered = [action for action in ACTIONS if action.offered_on(screen)]
    return tuple(sorted(offered, key=lambda action: not action.screens))


def bindings(screen: str) -> list[BindingType]:
    """The key bindings of a screen: every one runs the action of that name."""
    return [
        Binding(action.key, f"app.do({action.name!r})", action.label, id=action.name)
        for action in actions_of(screen)
    ]
