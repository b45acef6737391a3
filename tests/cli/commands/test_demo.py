from pathlib import Path

import pytest

from vmsnap_tui.cli.commands.demo import lab_running


def test_the_lab_is_there_for_the_block_and_gone_after_it() -> None:
    said: list[str] = []
    with lab_running(said.append, guests=False) as lab:
        sockets = [machine.qmp_path for machine in lab.machines]
        pids = [machine.pid for machine in lab.machines]
        assert lab.connections == (
            *(machine.connection for machine in lab.machines),
            *(domain.connection for domain in lab.domains),
        )
        assert all(path.is_socket() for path in sockets)
        directory = lab.repository.parent
    assert "starting web-01" in said
    assert not directory.exists()
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)


def test_what_breaks_within_the_block_still_ends_the_lab() -> None:
    with (
        pytest.raises(KeyboardInterrupt),
        lab_running(lambda _: None, guests=False) as lab,
    ):
        directory = lab.repository.parent
        raise KeyboardInterrupt
    assert not directory.exists()
