"""The house keeps its shape: what a reviewer would otherwise have to look for."""

import ast
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "vmsnap_tui"
TESTS = ROOT / "tests"

COVERED_ELSEWHERE = {
    "backends/base.py": "tests/contract/test_backend.py holds every arm to it",
    "cli/console.py": "tests/cli/test_operation.py asks through it",
}
"""Files without a test file of their own, each with what tests it instead."""

LONGEST_FUNCTION, LONG_FUNCTION, LONGEST_FILE = 60, 30, 500

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def _sources(*roots: Path) -> list[Path]:
    return sorted(path for root in roots for path in root.rglob("*.py"))


def _functions(path: Path) -> Iterator[tuple[str, int]]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, _Function):
            assert node.end_lineno is not None
            lines = node.end_lineno - node.lineno + 1
            yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", lines


def test_every_source_file_has_its_test_file() -> None:
    missing = []
    for path in _sources(PACKAGE):
        name = path.relative_to(PACKAGE)
        if name.name in {"__init__.py", "__main__.py"}:
            continue
        mirror = TESTS / name.parent / f"test_{name.name}"
        if not mirror.exists() and str(name) not in COVERED_ELSEWHERE:
            missing.append(str(mirror.relative_to(ROOT)))
    assert not missing, "\n".join(missing)


def test_every_exception_from_the_mirror_is_still_one() -> None:
    for name in COVERED_ELSEWHERE:
        path = Path(name)
        assert (PACKAGE / path).exists(), name
        assert not (TESTS / path.parent / f"test_{path.name}").exists(), name


def test_functions_fit_a_screen() -> None:
    found = dict(pair for path in _sources(PACKAGE) for pair in _functions(path))
    assert [where for where, lines in found.items() if lines > LONGEST_FUNCTION] == []
    assert statistics.quantiles(found.values(), n=10)[-1] <= LONG_FUNCTION


def test_files_are_read_in_one_go() -> None:
    long = {
        str(path.relative_to(ROOT)): lines
        for path in _sources(PACKAGE, TESTS)
        if (lines := len(path.read_text("utf-8").splitlines())) > LONGEST_FILE
    }
    assert long == {}


def test_no_error_is_swallowed_in_silence() -> None:
    silent = []
    for path in _sources(PACKAGE):
        text = path.read_text("utf-8")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ExceptHandler) and _is_silent(node, text):
                silent.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert silent == []


def _is_silent(handler: ast.ExceptHandler, text: str) -> bool:
    """Broad, or leaving nothing and saying nothing: `continue` or `pass` wants its
    reason in a comment right there."""
    if handler.type is None or ast.unparse(handler.type) == "Exception":
        return not any(isinstance(node, ast.Raise) for node in ast.walk(handler))
    if not isinstance(handler.body[0], ast.Pass | ast.Continue):
        return False
    lines = text.splitlines()[handler.lineno - 1 : handler.body[0].lineno]
    return not any("#" in line for line in lines)


def test_tests_never_sleep() -> None:
    """A wait for time is either too short on a busy machine or too long on all."""
    sleeping = re.compile(r"\b(time|asyncio)\.sleep\((?!0\))")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in _sources(TESTS)
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if sleeping.search(line)
    ]
    assert found == []


def test_every_step_has_an_arm_in_the_executor() -> None:
    from vmsnap_tui.plan.steps import Step

    engine = "".join(path.read_text("utf-8") for path in _sources(PACKAGE / "engine"))
    arms = set(re.findall(r"case\s+(?:steps\.)?(\w+)\(", engine))
    arms |= set(re.findall(r"\|\s*(?:steps\.)?(\w+)\(", engine))
    missing = {step.__name__ for step in Step.__args__} - arms
    assert missing == set()


@pytest.mark.parametrize(
    ("statement", "absent"),
    [
        ("vmsnap_tui.entry", "textual rich libvirt qemu msgspec asyncio argparse"),
        ("vmsnap_tui.cli.main", "textual rich libvirt qemu msgspec asyncio"),
        ("vmsnap_tui.cli.commands.list", "textual rich libvirt qemu msgspec asyncio"),
        ("vmsnap_tui.plan.backup", "textual rich libvirt qemu asyncio subprocess"),
        ("vmsnap_tui.repository.repository", "textual rich libvirt qemu asyncio"),
        ("vmsnap_tui.engine.executor", "textual rich libvirt"),
        ("vmsnap_tui.engine.engine", "textual rich libvirt"),
    ],
)
def test_what_is_imported_is_what_is_needed(statement: str, absent: str) -> None:
    """The static contracts cannot see what an import drags in at run time."""
    code = (
        f"import {statement}, sys\n"
        f"print(*[m for m in {absent.split()!r} if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == []


def test_every_dependency_has_its_reason() -> None:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    named = tomllib.loads(text)
    wanted = [
        *named["project"]["dependencies"],
        *(d for group in named["dependency-groups"].values() for d in group),
        *(d for e in named["project"]["optional-dependencies"].values() for d in e),
        *named["build-system"]["requires"],
    ]
    for dependency in wanted:
        (line,) = [line for line in text.splitlines() if f'"{dependency}"' in line]
        assert re.search(r"#\s+\S+ \S+", line), dependency


def test_every_theme_defines_every_role() -> None:
    themes = {
        path.name: set(_keys(tomllib.loads(path.read_text("utf-8"))))
        for path in (ROOT / "themes").glob("*.toml")
    }
    assert len(themes) >= 2
    everything = set().union(*themes.values())
    for name, roles in themes.items():
        assert everything - roles == set(), name


def _keys(table: dict[str, object], above: str = "") -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _keys(value, f"{above}{key}.")
        else:
            yield f"{above}{key}"


def test_names_are_words_of_the_design() -> None:
    banned = {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
    found = [str(path) for path in _sources(PACKAGE) if path.stem in banned]
    assert found == []


def test_nothing_unfinished_is_left() -> None:
    marks = re.compile(r"\b(TODO|FIXME|XXX)\b")
    found = [
        str(path.relative_to(ROOT))
        for path in _sources(PACKAGE)
        if marks.search(path.read_text("utf-8"))
    ]
    assert found == []
