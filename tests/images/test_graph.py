import json
import os
from pathlib import Path

import pytest

from tests.images.material import a_chain, an_empty_file, an_image
from vmsnap_tui.errors import DamagedPoint, UsageError
from vmsnap_tui.images.graph import stored_graph


def test_every_node_is_named_read_only_and_ends_in_null(tmp_path: Path) -> None:
    chain = a_chain(tmp_path)
    name = stored_graph(chain)
    assert name.startswith("json:")
    node = json.loads(name.removeprefix("json:"))
    for path in chain:
        assert node["driver"] == "qcow2"
        assert node["read-only"] is True
        assert node["file"] == {
            "driver": "file",
            "filename": str(path),
            "read-only": True,
        }
        node = node["backing"]
    assert node is None


def test_what_is_no_plain_image_gets_no_graph(tmp_path: Path) -> None:
    image = an_image(tmp_path / "x.qcow2")
    (tmp_path / "link").symlink_to(image)
    os.mkfifo(tmp_path / "fifo")
    for bad in ("link", "fifo", "none"):
        with pytest.raises(DamagedPoint):
            stored_graph((image, tmp_path / bad))
    with pytest.raises(DamagedPoint, match="makes no sense"):
        stored_graph((an_empty_file(tmp_path / "empty"),))


def test_a_name_that_json_cannot_say_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="UTF-8"):
        stored_graph((an_image(tmp_path / "\udcff.qcow2"),))


def test_a_chain_is_named_by_absolute_paths_and_not_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    an_image(tmp_path / "x.qcow2")
    with pytest.raises(UsageError, match="absolute"):
        stored_graph((Path("x.qcow2"),))
    with pytest.raises(UsageError):
        stored_graph(())
