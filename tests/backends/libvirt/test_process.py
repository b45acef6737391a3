"""The beginning of a domain's QEMU, told from the processes of this host."""

import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from tests.conftest import StartDomain
from vmsnap_tui.backends.libvirt.process import began_s

WORDS = [sys.executable, "-c", "print(flush=True); input()", "-uuid"]


def started(uuid: str) -> subprocess.Popen[bytes]:
    """Its words are its own once it has said something."""
    words, pipe = [*WORDS, uuid], subprocess.PIPE
    process = subprocess.Popen(words, stdin=pipe, stdout=pipe)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def test_a_process_is_found_by_its_uuid_and_began_just_now() -> None:
    uuid = str(uuid4())
    assert began_s(uuid) is None
    before_s = time.time()
    with started(uuid) as process:
        began = began_s(uuid)
        process.kill()
    assert began is not None
    # the kernel counts in hundredths of a second
    assert before_s - 0.05 < began < time.time() + 0.05


def test_of_two_of_the_same_uuid_the_later_one_counts() -> None:
    uuid = str(uuid4())
    with (
        started(uuid) as one,
        started(uuid) as other,
    ):
        both = began_s(uuid)
        other.kill()
        other.wait()
        first = began_s(uuid)
        one.kill()
    assert first is not None
    assert both is not None
    assert first <= both + 0.01


def test_what_is_no_process_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "self").mkdir()
    (tmp_path / "17").mkdir()
    assert began_s("x", tmp_path) is None


@pytest.mark.libvirt
async def test_a_domain_that_is_started_again_began_later(domain: StartDomain) -> None:
    web = await domain(name=f"web-{uuid4().hex}")
    first = began_s(web.uuid)
    await web.destroy()
    assert began_s(web.uuid) is None
    await web.start()
    second = began_s(web.uuid)
    assert first is not None
    assert second is not None
    assert first < second
