"""The registry that footer, help and palette are read from."""

import importlib
import inspect
import pkgutil

import pytest
from textual.binding import Binding

from vmsnap_tui.tui import screens
from vmsnap_tui.tui.action import Action
from vmsnap_tui.tui.actions import ACTIONS, action_named, actions_of, bindings
from vmsnap_tui.tui.app import VmsnapApp
from vmsnap_tui.tui.screens.base import BaseScreen


def every_screen() -> list[type[BaseScreen[None]]]:
    found: dict[str, type[BaseScreen[None]]] = {}
    for module in pkgutil.iter_modules(screens.__path__):
        loaded = importlib.import_module(f"{screens.__name__}.{module.name}")
        for _, value in inspect.getmembers(loaded, inspect.isclass):
            if issubclass(value, BaseScreen) and "NAME" in vars(value):
                found[value.NAME] = value
    return list(found.values())


def test_names_are_given_once() -> None:
    names = [action.name for action in ACTIONS]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("action", ACTIONS, ids=lambda action: action.name)
def test_every_action_has_a_label_and_a_sentence_of_help(action: Action) -> None:
    found = action_named(action.name)
    assert found.label
    assert found.help.endswith(".")


@pytest.mark.parametrize("screen", every_screen(), ids=lambda screen: screen.NAME)
def test_every_key_of_a_screen_runs_something(screen: type[BaseScreen[None]]) -> None:
    for action in actions_of(screen.NAME):
        method = f"do_{action.name}"
        assert hasattr(screen, method) or hasattr(VmsnapApp, method), method


@pytest.mark.parametrize("screen", every_screen(), ids=lambda screen: screen.NAME)
def test_no_key_of_a_screen_means_two_things(screen: type[BaseScreen[None]]) -> None:
    keys = [action.key for action in actions_of(screen.NAME)]
    assert sorted(keys) == sorted(set(keys))


@pytest.mark.parametrize("screen", every_screen(), ids=lambda screen: screen.NAME)
def test_every_screen_can_be_left(screen: type[BaseScreen[None]]) -> None:
    names = {action.name for action in actions_of(screen.NAME)}
    assert "quit" in names
    assert "help" in names


def test_bindings_carry_the_stable_name() -> None:
    bound = [each for each in bindings("home") if isinstance(each, Binding)]
    assert {each.id for each in bound} == {a.name for a in actions_of("home")}
    assert all(each.action == f"app.do({each.id!r})" for each in bound)


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(KeyError):
        action_named("delete")
