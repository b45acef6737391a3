from pathlib import Path

import pytest

from vmsnap_tui.repository.repository import Repository


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository.open(tmp_path / "repository", create=True)
