"""What the documents say is there, and what they tell to type is understood."""

import re
import shlex
from pathlib import Path

import pytest

from vmsnap_tui.cli import options
from vmsnap_tui.errors import ExitCode

ROOT = Path(__file__).parent.parent


def _text(name: str) -> str:
    return (ROOT / name).read_text("utf-8")


def test_ten_places_to_look_first_are_there() -> None:
    _, found = _text("ARCHITECTURE.md").split("## Where do I look for …\n")
    lines = re.findall(r"^\d+\. .+$", found, re.MULTILINE)
    assert len(lines) == 10
    for line in lines:
        paths = re.findall(r"`((?:vmsnap_tui|tests|themes)/[^`]+)`", line)
        assert paths, line
        assert [path for path in paths if not (ROOT / path).exists()] == []


def test_the_house_is_drawn_as_it_stands() -> None:
    for name in ("model", "plan", "backends", "images", "repository", "engine"):
        assert f"  {name}/" in _text("ARCHITECTURE.md")
        assert (ROOT / "vmsnap_tui" / name).is_dir()


@pytest.mark.parametrize(
    "name", ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md"]
)
def test_links_within_the_repository_lead_somewhere(name: str) -> None:
    targets = re.findall(r"\]\(([^)#]+)\)", _text(name))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (ROOT / target).exists()] == []


def test_the_commands_of_the_readme_are_understood() -> None:
    blocks = re.findall(r"```sh\n(.*?)```", _text("README.md"), re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    commands = [line for line in lines if line.startswith("vmsnap-tui ")]
    assert len(commands) >= 8
    for command in commands:
        options.parser().parse_args(shlex.split(command, comments=True)[1:])


def test_the_readme_names_every_exit_code() -> None:
    for code in ExitCode:
        assert f"| {int(code)} |" in _text("README.md"), code.name


def test_the_examples_of_the_manual_are_understood() -> None:
    _, examples = options.EPILOG.split("examples:\n")
    block = examples.split("\n\n")[0]
    for line in block.splitlines():
        words = re.split(r"\s{3,}", line.strip())[0]
        options.parser().parse_args(shlex.split(words)[1:])
