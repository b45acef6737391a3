"""A lab directory lives exactly as long as the process that owns it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from vmsnap_tui.lab.directory import parent_directory, private_directory, remove_stale

_OWNER = """
import sys
from pathlib import Path
from vmsnap_tui.lab.directory import private_directory
with private_directory(Path(sys.argv[1])) as path:
    print(path, flush=True)
    sys.stdin.read()
"""


def test_the_directory_is_private_and_goes_with_the_block(tmp_path: Path) -> None:
    with private_directory(tmp_path) as path:
        assert path.stat().st_mode & 0o777 == 0o700
        (path / "disk").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_only_the_dead_lose_their_directory(tmp_path: Path) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", _OWNER, tmp_path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with owner:
        assert owner.stdout is not None
        path = Path(owner.stdout.readline().strip())
        assert remove_stale(tmp_path) == ()
        assert path.exists()
        owner.send_signal(signal.SIGKILL)
        owner.wait()
    assert remove_stale(tmp_path) == (path,)
    assert not path.exists()


def test_strangers_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "vmsnap-lab-no-owner").mkdir()
    (tmp_path / "vmsnap-lab-link").symlink_to(tmp_path)
    assert remove_stale(tmp_path) == ()
    assert len(list(tmp_path.iterdir())) == 2


def test_sockets_fit_below_the_parent() -> None:
    assert len(os.fsencode(parent_directory())) <= 40
