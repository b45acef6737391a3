import asyncio
import sys
from pathlib import Path

import pytest

from vmsnap_tui.errors import VmsnapError
from vmsnap_tui.images.process import Limits, Outcome, run
from vmsnap_tui.units import GiB, MiB


async def _python(script: str, limits: Limits | None = None) -> tuple[Outcome, bytes]:
    output = bytearray()
    outcome = await run(
        sys.executable, ["-c", script], limits or Limits(), output.extend
    )
    return outcome, bytes(output)


async def test_output_and_the_exit_code_come_back() -> None:
    outcome, output = await _python("print('out'); raise SystemExit('err')")
    assert (outcome.returncode, output) == (1, b"out\n")
    assert outcome.evidence == "exit code 1: err"


async def test_hostile_words_are_bounded_and_keep_their_bytes() -> None:
    outcome, _ = await _python(
        "import sys; sys.stderr.buffer.write(b'\\xff\\x1b[2J' + b'x' * 9_000_000)"
    )
    assert outcome.stderr.startswith("\udcff\x1b[2J")
    assert len(outcome.stderr) <= 256 * 1024


async def test_limits_hold_from_the_first_instruction() -> None:
    outcome, output = await _python(
        "from resource import *; print(*(getrlimit(x)[0] for x in"
        " (RLIMIT_AS, RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_CORE)))",
        Limits(memory_bytes=GiB, cpu_s=7, file_bytes=0),
    )
    assert outcome.returncode == 0
    assert output.split() == [str(GiB).encode(), b"7", b"0", b"0"]


async def test_a_bomb_is_stopped_by_its_limits() -> None:
    memory, _ = await _python("x = bytearray(2**30)", Limits(memory_bytes=300 * MiB))
    assert "MemoryError" in memory.stderr
    endless, _ = await _python("while True: pass", Limits(cpu_s=1))
    assert endless.returncode < 0
    assert "killed by SIG" in endless.evidence


async def test_a_program_gets_no_terminal_and_no_input() -> None:
    outcome, output = await _python(
        "import os, sys; print(repr(sys.stdin.read()), os.getsid(0) == os.getpid())"
    )
    assert outcome.returncode == 0
    assert output == b"'' True\n"


async def test_cancelling_kills_the_program_and_waits_for_it(tmp_path: Path) -> None:
    started = asyncio.Event()
    pid = 0

    def output(data: bytes) -> None:
        nonlocal pid
        pid = int(data)
        started.set()

    script = "import os, signal; print(os.getpid(), flush=True); signal.pause()"
    task = asyncio.create_task(
        run(sys.executable, ["-c", script], Limits(), output), name="run"
    )
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not Path(f"/proc/{pid}").exists()


async def test_a_program_that_cannot_be_started_is_an_error_with_a_remedy() -> None:
    """One argument above the system's own limit."""
    with pytest.raises(VmsnapError) as failure:
        await _python("#" * 1024 * 1024)
    assert "too long" in failure.value.evidence
    assert failure.value.remedy


async def test_a_missing_program_names_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(VmsnapError) as failure:
        await run("qemu-img", [], Limits(), lambda _: None)
    assert "not installed" in failure.value.cause
    assert "util-linux" in failure.value.remedy
    prlimit = tmp_path / "prlimit"
    prlimit.touch(mode=0o700)
    with pytest.raises(VmsnapError) as failure:
        await run("qemu-img", [], Limits(), lambda _: None)
    assert "qemu-utils" in failure.value.remedy
