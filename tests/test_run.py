"""`run` starts in any POSIX shell, and says plainly what it cannot do."""

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
RUN = ROOT / "run"

_LOCKS = ("requirements.lock", "requirements-libvirt.lock")
_BASICS = ("sh", "cat", "cksum", "dirname", "id", "head", "flock")


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A PATH with a shell and hardly anything else."""
    for tool in _BASICS:
        found = shutil.which(tool)
        assert found is not None, tool
        (tmp_path / tool).symlink_to(found)
    return tmp_path


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([RUN, *words], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("shell", [["dash"], ["bash", "--posix"], ["busybox", "sh"]])
def test_every_posix_shell_understands_it(shell: list[str]) -> None:
    subprocess.run([*shell, "-n", RUN], check=True)


def test_ci_is_understood_too() -> None:
    subprocess.run(["bash", "-n", ROOT / ".ci" / "run"], check=True)


@pytest.mark.parametrize("words", [(), ("--help",), ("help",)])
def test_help_names_every_verb(words: tuple[str, ...]) -> None:
    done = _run(*words)
    assert done.returncode == 0
    for verb in ("demo", "test", "check", "matrix", "shots", "bench", "cli"):
        assert f"\n  {verb} " in done.stdout


def test_an_unknown_verb_is_a_usage_error() -> None:
    done = _run("tset")
    assert (done.returncode, done.stdout) == (2, "")
    assert "usage" in done.stderr


def test_without_a_terminal_nothing_is_installed(tmp_path: Path, bare: Path) -> None:
    """What is missing is named, with the reason and the package."""
    installer = bare / "apt-get"
    installer.write_text(f"#!/bin/sh\necho called >{tmp_path}/installed\n")
    installer.chmod(0o755)
    done = _run_elsewhere(tmp_path, bare, "demo")
    assert done.returncode == 1
    assert "qemu-system-x86_64 (runs the machines of the lab)" in done.stderr
    assert "not installed; do it yourself: qemu-system-x86 qemu-utils" in done.stderr
    assert not (tmp_path / "installed").exists()


def test_without_a_package_manager_the_missing_is_named(
    tmp_path: Path, bare: Path
) -> None:
    done = _run_elsewhere(tmp_path, bare, "demo")
    assert done.returncode == 1
    assert "no apt, dnf, pacman or zypper" in done.stderr


def test_the_demo_does_without_libvirt(tmp_path: Path, bare: Path) -> None:
    for tool in ("qemu-system-x86_64", "qemu-img", "setpriv", "mkfs.ext4", "busybox"):
        (bare / tool).symlink_to("/bin/true")
    (bare / "zypper").symlink_to("/bin/true")
    done = _run_elsewhere(tmp_path, bare, "demo")
    assert (done.returncode, done.stdout) == (0, "called demo\n")
    assert "missing: virsh (makes and ends the lab's domains)" in done.stderr
    assert "in the package libvirt-client\n" in done.stderr
    assert "going on without" in done.stderr


def test_the_bindings_are_built_once_where_they_can_be(
    tmp_path: Path, bare: Path
) -> None:
    for tool in ("qemu-system-x86_64", "qemu-img", "setpriv", "mkfs.ext4", "busybox"):
        (bare / tool).symlink_to("/bin/true")
    for tool in ("libvirtd", "virsh", "cc", "pkg-config"):
        (bare / tool).symlink_to("/bin/true")
    first = _run_elsewhere(tmp_path, bare, "demo")
    assert "building libvirt-python (once)" in first.stderr
    assert first.stdout == "called demo\n"
    assert "requirements-libvirt.lock" in first.stderr, "what pip was called with"
    again = _call(tmp_path / "checkout", bare, "demo")
    assert "building" not in again.stderr


def test_the_second_start_prepares_nothing(tmp_path: Path, bare: Path) -> None:
    done = _run_elsewhere(tmp_path, bare, "cli", "--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, "called --version\n", "")


def _run_elsewhere(
    tmp_path: Path, path: Path, *words: str
) -> subprocess.CompletedProcess[str]:
    """Run a copy whose environment is prepared already, with a stand-in program."""
    checkout = tmp_path / "checkout"
    (checkout / ".venv" / "bin").mkdir(parents=True)
    for name in ("run", "pyproject.toml", *_LOCKS):
        shutil.copy(ROOT / name, checkout / name)
    for name in ("python", "vmsnap-tui"):
        program = checkout / ".venv" / "bin" / name
        program.write_text('#!/bin/sh\necho called "$@"\n')
        program.chmod(0o755)
    sums = [
        subprocess.run(
            ["cksum"],
            input=(checkout / name).read_bytes(),
            capture_output=True,
            check=True,
        ).stdout.decode()
        for name in ("requirements.lock", "pyproject.toml")
    ]
    (checkout / ".venv" / "stamp").write_text(f"{checkout}\n{''.join(sums)}")
    return _call(checkout, path, *words)


def _call(checkout: Path, path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [checkout / "run", *words],
        capture_output=True,
        text=True,
        env={"PATH": str(path)},
        stdin=subprocess.DEVNULL,
        check=False,
    )
