from pathlib import Path

import pytest

from vmsnap_tui.engine.settings import settings_of
from vmsnap_tui.errors import UsageError


def test_root_has_the_places_of_a_service() -> None:
    found = settings_of(environment={}, root=True)
    assert found.repository == Path("/var/spool/vmsnap")
    assert found.state_directory == Path("/var/lib/vmsnap-tui")


def test_a_user_has_places_at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/home/op/data")
    monkeypatch.setenv("XDG_STATE_HOME", "/home/op/state")
    found = settings_of(environment={}, root=False)
    assert found.repository == Path("/home/op/data/vmsnap")
    assert found.state_directory == Path("/home/op/state/vmsnap-tui")


def test_the_environment_wins_over_the_system_and_an_option_over_both() -> None:
    environment = {
        "VMSNAP_REPO": "/env/repo",
        "VMSNAP_STATE_DIR": "/env/state",
        "VMSNAP_THEME": "paper",
    }
    found = settings_of(environment=environment, root=True)
    assert found.repository == Path("/env/repo")
    assert found.state_directory == Path("/env/state")
    assert found.theme == "paper"
    said = settings_of(
        repository="/said", theme="graphite", environment=environment, root=True
    )
    assert (said.repository, said.theme) == (Path("/said"), "graphite")


def test_paths_are_absolute_and_links_in_them_stay() -> None:
    found = settings_of(repository="points", environment={}, root=True)
    assert found.repository == Path.cwd() / "points"


def test_a_connection_said_twice_is_one() -> None:
    found = settings_of(connections=("qmp:///a", "qmp:///a"), environment={}, root=True)
    assert found.connections == ("qmp:///a",)


@pytest.mark.parametrize("name", ["", "a\0b"])
def test_what_is_no_path_is_a_usage_error(name: str) -> None:
    with pytest.raises(UsageError):
        settings_of(repository=name, environment={}, root=True)


def test_named_connections_are_not_looked_for() -> None:
    named = settings_of(connections=("qmp:///a",), environment={}, root=True)
    assert named.with_discovered() is named
