import argparse

import pytest

from vmsnap_tui.cli import options
from vmsnap_tui.cli.commands import backup, restore, verify
from vmsnap_tui.errors import ExitCode, UsageError
from vmsnap_tui.model.point import VerifyLevel
from vmsnap_tui.plan.requests import Level, RestoreFormat


def test_global_options_are_taken_before_and_after_the_verb() -> None:
    words = "--connect qmp:///a --repo /r list --connect qmp:///b --json"
    found = options.settings(options.parser().parse_args(words.split()))
    assert found.connections == ("qmp:///a", "qmp:///b")
    assert str(found.repository) == "/r"


def test_the_repository_after_the_verb_counts() -> None:
    words = ["--repo", "/one", "points", "--repo", "/two"]
    found = options.settings(options.parser().parse_args(words))
    assert str(found.repository) == "/two"


def test_no_verb_is_the_ui() -> None:
    assert options.parser().parse_args(["--theme", "paper"]).verb is None


@pytest.mark.parametrize(
    "words",
    [
        ["bakup"],
        ["backup"],
        ["backup", "web", "--lev", "full"],
        ["backup", "web", "--speed", "fast"],
        ["restore", "x"],
        ["freeze", "web", "--for", "nan"],
        ["freeze", "web", "--for", "-1"],
        ["verify", "x", "--level", "9"],
    ],
)
def test_what_is_not_understood_is_a_usage_error(words: list[str]) -> None:
    with pytest.raises(UsageError) as caught:
        options.parser().parse_args(words)
    assert "--help" in caught.value.remedy


def test_every_verb_has_json_and_every_change_can_be_read_first() -> None:
    for verb in options.VERBS:
        help_text = _help(verb)
        assert ("--json" in help_text) is (verb != "demo"), verb
        if verb in {"backup", "restore", "recover", "job"}:
            assert "--dry-run" in help_text and "--yes" in help_text


def test_the_manual_names_every_exit_code_and_verb() -> None:
    manual = options.parser().format_help()
    for code in ExitCode:
        assert f" {int(code)}  " in manual, code.name
    for verb in options.VERBS:
        assert f"    {verb} " in manual


def test_the_manual_fits_80_columns() -> None:
    for line in options.parser().format_help().splitlines():
        assert len(line) <= 88, line


def test_choices_are_those_of_the_requests() -> None:
    assert set(backup.LEVELS) == {level.value for level in Level}
    assert set(restore.FORMATS) == {found.value for found in RestoreFormat}
    assert options.parser().parse_args(["verify", "x"]).level == max(VerifyLevel)
    assert verify.SUMMARY


def test_sizes_are_read_as_the_operator_writes_them() -> None:
    assert options.size("100MiB/s") == 100 * 1024 * 1024
    with pytest.raises(argparse.ArgumentTypeError):
        options.size("-1")


def _help(verb: str) -> str:
    parser = argparse.ArgumentParser()
    options.command(verb).configure(parser)
    return parser.format_help()


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["--connect", "qemu:///system"],
        ["list"],
        ["--repo", "list", "show", "web-01", "--theme", "paper"],
        ["backup", "list", "--level", "full", "--json"],
    ],
)
def test_reading_what_is_said_alone_changes_nothing(words: list[str]) -> None:
    assert options.parse(words) == options.parser().parse_args(words)


@pytest.mark.parametrize("words", [["lst"], ["backup"], ["list", "--nothing"]])
def test_what_is_wrong_is_explained_with_all_there_is(words: list[str]) -> None:
    with pytest.raises(UsageError) as whole:
        options.parser().parse_args(words)
    with pytest.raises(UsageError) as said:
        options.parse(words)
    assert str(said.value) == str(whole.value)


@pytest.mark.parametrize("word", ["-h", "--help"])
def test_the_manual_holds_every_verb(
    word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        options.parse([word])
    printed = capsys.readouterr().out
    assert all(f"    {verb} " in printed for verb in options.VERBS)
