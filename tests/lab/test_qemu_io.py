"""qemu-io is believed only where it says that it was done."""

import pytest

from vmsnap_tui.lab.monitor import CommandRefused
from vmsnap_tui.lab.qemu_io import qemu_io_line, require_done


def test_the_line_names_the_device() -> None:
    line = qemu_io_line("vda", "write -P 7 0 64k")
    device = "/machine/peripheral/vda/virtio-backend"
    assert line == f'qemu-io -d {device} "write -P 7 0 64k"'


def test_what_was_done_is_believed() -> None:
    require_done("vda", "write -P 7 0 64k", "wrote 65536/65536 bytes at offset 0\n")
    require_done("vda", "flush", "")


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("write 0 64k", ""),
        ("write 0 64k", "write failed: No space left on device"),
        ("read -P 1 0 64k", "read 65536/65536\nPattern verification failed"),
        ("wrote 0 64k", "wrote"),
    ],
)
def test_all_else_is_refused(command: str, said: str) -> None:
    with pytest.raises(CommandRefused, match="vda"):
        require_done("vda", command, said)
