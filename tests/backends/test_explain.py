"""Each text that operators ask about becomes a cause and a remedy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmsnap_tui.backends.explain import TEXT_CHARACTERS, explain

_COPY_ACTIVE = "block copy still active: disk 'vda' already in active block job"
_RAW_CHECKPOINT = "checkpoint for disk vdb unsupported for storage type raw"
_RAW_INTERNAL = "internal snapshot for disk vdb unsupported for storage type raw"
_AGENT_LOCK = (
    "cannot acquire state change lock (held by agent=remoteDispatchDomainFSFreeze)"
)
_MONITOR_LOCK = (
    "cannot acquire state change lock (held by monitor=remoteDispatchDomainBackupBegin)"
)
_SAME_NAME = "Trying to create an image with the same filename as the backing file"
_INCONSISTENT = "checkpoint inconsistent: missing or broken bitmap 'c1' for disk 'vda'"
_NOT_CONNECTED = "Guest agent is not responding: QEMU guest agent is not connected"
_STORE = "store '/b/vda.full.qcow2' for backup of 'vda' exists"

ASKED_ABOUT = [
    (_INCONSISTENT, "no longer tracked", "metadata only"),
    ("domain moment c1 already exists", "on record", "metadata only"),
    ("bitmap 'c1' not found in backing chain of 'vda'", "no image", "--metadata"),
    ("Bitmap 'b0' is inconsistent and cannot be used", "not closed", "remove it"),
    ("Bitmap already exists: b0", "left over", "inconsistent"),
    ("Bitmap '' doesn't satisfy the constraints", "damaged", "copy the image first"),
    (_RAW_CHECKPOINT, "cannot hold a bitmap", "leave the disk out"),
    (_RAW_INTERNAL, "internal snapshot", "external"),
    ("revert to external snapshot not supported yet", "9.9", "upgrade"),
    (_NOT_CONNECTED, "no guest agent", "install"),
    ("Guest agent not available for now", "silent", "do not ask again and again"),
    (_AGENT_LOCK, "agent", "restart"),
    (_MONITOR_LOCK, "under way", "state D"),
    (_COPY_ACTIVE, "job runs", "pivot or cancel"),
    ("not ready for pivot yet", "caught up", "wait"),
    ("disk 'vda' has a blockjob assigned", "no backup may begin", "pivot or cancel"),
    (_STORE, "already", "another name"),
    ("backup job vmsnap-1-vda: Permission denied", "write buffer", "more room"),
    ("Permission conflict on node 'n1'", "still used", "export"),
    ("Could not reopen file: Permission denied", "AppArmor", "12.1"),
    ('Failed to get "write" lock', "another process", "/proc/locks"),
    (_SAME_NAME, "same", "new name"),
    ("cannot delete inactive domain with 3 checkpoints", "on record", "metadata"),
    (
        "No complete monitor response found in 10485760 bytes",
        "too long",
        "shorten its chains",
    ),
]


FURTHER = [
    "internal error: unable to execute QEMU command 'block-commit':"
    " Could not reopen file: Permission denied",
    "Timed out during operation: cannot acquire state change lock",
    "Requested operation is not valid: cannot delete inactive domain with 1 snapshots",
    "error: Guest agent is not responding: Guest agent not available for now",
    "argument unsupported: QEMU guest agent is not configured",
    "internal error: unable to execute QEMU command 'guest-fsfreeze-freeze':"
    " Command guest-fsfreeze-freeze has been disabled: the agent is in frozen state",
    "Bitmap 'b0' is inconsistent and cannot be used. Try block-dirty-bitmap-remove to"
    " delete this bitmap from disk",
    "internal error: process exited while connecting to monitor: 2026-11-20T13:00:00Z"
    ' qemu-system-x86_64: -blockdev {"node-name":"x"}: Failed to get "write" lock\n'
    "Is another process using the image [/d/vda.qcow2]?",
    'Failed to get shared "write" lock',
    "internal error: qemu unexpectedly closed the monitor: 2026-11-20T13:00:00Z"
    " qemu-system-x86_64: Device has active dirty bitmaps",
    "operation failed: load of internal snapshot 'int1' job failed: drive-virtio-disk0:"
    " Device has active dirty bitmaps",
    "block copy still active: block job 'vda' not ready for pivot yet",
    "unsupported configuration: external snapshot file for disk vda already exists and"
    " is not a block device: /d/a.s1",
    "Operation not supported: cannot perform block operations while checkpoint exists",
    "Cannot access storage file '/d/vda.qcow2' (as uid:0, gid:0): No such file or"
    " directory",
    "failed to create image file '/d/no/a.s1': No such file or directory",
    "operation forbidden: read only access prevents virDomainBackupBegin",
    "Requested operation is not valid: no job is active on the domain",
    "invalid argument: disk vda does not have an active block job",
    "No space left on device",
]
"""The same texts as they come through libvirt, and more of the kind."""


@pytest.mark.parametrize(("text", "meaning", "remedy"), ASKED_ABOUT)
def test_each_text_says_what_it_means_and_what_to_do(
    text: str, meaning: str, remedy: str
) -> None:
    explanation = explain(text)
    assert explanation is not None
    assert meaning in explanation.meaning
    assert remedy in explanation.remedy


@pytest.mark.parametrize("text", FURTHER)
def test_texts_are_known_by_what_libvirt_makes_of_them_too(text: str) -> None:
    assert explain(text) is not None


@pytest.mark.parametrize(
    "text", ["", "internal error: ", "all is well", "vda", "'", "x" * 100_000]
)
def test_what_is_not_known_is_not_guessed(text: str) -> None:
    assert explain(text) is None


EVERY_TEXT = [text for text, _, _ in ASKED_ABOUT] + FURTHER


@pytest.mark.parametrize("text", EVERY_TEXT)
@pytest.mark.parametrize("name", ["c1", "vda", "b0", "/b/vda.full.qcow2", "vdb"])
def test_a_name_that_is_another_text_changes_nothing(text: str, name: str) -> None:
    """A guest's owner who names a bitmap must not choose what the operator is told."""
    if name not in text:
        return
    expected = explain(text)
    for forged in EVERY_TEXT:
        for around in (f"{forged}", f"x' {forged}", f"{forged} 'x", f": {forged}"):
            assert explain(text.replace(name, around)) == expected


@given(st.sampled_from(EVERY_TEXT), st.text())
def test_any_text_is_answered(text: str, noise: str) -> None:
    for tried in (noise, text + noise, noise + text, text.replace("'", noise)):
        explain(tried)


@pytest.mark.timeout(10)
def test_no_text_takes_long() -> None:
    for text in EVERY_TEXT:
        for unit in (text, "a: ", "' ", "error: ", "bitmap 'x"):
            explain(unit * (2 * TEXT_CHARACTERS // len(unit)))
