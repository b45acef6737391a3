"""Packages are fetched without touching the system's own state."""

from pathlib import Path

import pytest

from vmsnap_tui.lab.monitor import LabFailed
from vmsnap_tui.lab.packages import AptRoot, debian_mirror


async def test_a_machine_without_apt_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LabFailed, match="apt-get is not installed"):
        await AptRoot(tmp_path / "apt").update()
    with pytest.raises(LabFailed, match="apt-get is not installed"):
        await debian_mirror()


@pytest.mark.guest
async def test_a_package_is_unpacked_and_not_installed(tmp_path: Path) -> None:
    apt = AptRoot(tmp_path / "apt")
    await apt.update()
    kernels = await apt.depends("linux-image-cloud-amd64")
    assert any(name.startswith("linux-image-") for name in kernels)
    await apt.unpack(["qemu-guest-agent"], tmp_path / "root")
    assert (tmp_path / "root" / "usr" / "sbin" / "qemu-ga").exists()
