"""Actions of the screens that plan, run and restore."""

from vmsnap_tui.tui.action import Action

_FORMS = ("backup-form", "restore-form")
_ALL = (*_FORMS, "plan-review", "run-watch", "points", "doctor", "ledger")

OPERATIONS: tuple[Action, ...] = (
    Action(
        "proceed",
        "enter",
        "Continue",
        "Go on to the plan; nothing happens before it has been read.",
        _FORMS,
    ),
    Action(
        "flip_field",
        "space",
        "Tick",
        "Tick or untick the field with the focus; arrows go from field to field.",
        _FORMS,
    ),
    Action(
        "next_level",
        "l",
        "Level",
        "Take the next level: auto, full, incremental.",
        ("backup-form",),
    ),
    Action(
        "flip_freeze",
        "f",
        "Freeze",
        "Freeze the guest's file systems around the instant, or do not.",
        ("backup-form",),
    ),
    Action(
        "next_format",
        "o",
        "Format",
        "Write the other format: qcow2 or raw.",
        ("restore-form",),
    ),
    Action(
        "run",
        "r",
        "Run",
        "Do what the plan says, now.",
        ("plan-review",),
    ),
    Action(
        "commands",
        "c",
        "Commands",
        "Show the exact commands of every step; again for the plan.",
        ("plan-review",),
    ),
    Action(
        "copy_commands",
        "y",
        "Copy",
        "Copy the exact commands to the terminal's clipboard.",
        ("plan-review",),
    ),
    Action(
        "cancel_run",
        "x",
        "Stop",
        "Stop the operation and take back what it has done, after a question.",
        ("run-watch",),
    ),
    Action(
        "plan_again",
        "a",
        "Plan again",
        "Make the plan anew from the machine as it is now, and read it.",
        ("run-watch",),
    ),
    Action(
        "watch",
        "w",
        "Watch",
        "Back to the operation that was begun here last: its steps and its result.",
        ("home", "vm", "jobs"),
        in_footer=False,
    ),
    Action(
        "verify",
        "v",
        "Verify",
        "Read every file behind the point and hold it against its sha256.",
        ("points",),
    ),
    Action(
        "restore_point",
        "r",
        "Restore",
        "Write the point's disks to a directory; no file is replaced.",
        ("points",),
    ),
    Action(
        "repair",
        "R",
        "Repair all",
        "Plan the repair of all that has drifted apart; read it, then run it.",
        ("ledger",),
    ),
    Action(
        "repair_chosen",
        "r",
        "Repair this",
        "Plan the repair of the highlighted checkpoint alone.",
        ("ledger",),
    ),
    Action(
        "details",
        "enter",
        "Details",
        "All that is known of what is highlighted; again for the list.",
        ("points", "ledger"),
    ),
    Action(
        "recover_chosen",
        "R",
        "Recover",
        "Finish or take back the highlighted operation, after a question.",
        ("doctor",),
    ),
    Action(
        "look_again",
        "f5",
        "Again",
        "Look again.",
        ("points", "doctor", "ledger"),
        in_footer=False,
    ),
    Action("leave", "escape", "Back", "Go back to the screen before.", _ALL),
)
