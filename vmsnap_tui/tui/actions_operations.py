"""Actions of the screens that plan, run and restore."""

from vmsnap_tui.tui.action import Action

OPERATIONS: tuple[Action, ...] = ()
