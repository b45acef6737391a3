"""A URI leads to its arm, or to a sentence on how to get there."""

import sys

import pytest

from vmsnap_tui.backends.libvirt.backend import LibvirtBackend
from vmsnap_tui.backends.qmp.backend import QmpBackend
from vmsnap_tui.engine.arms import open_backend
from vmsnap_tui.errors import UsageError


def test_the_scheme_says_the_arm() -> None:
    assert isinstance(open_backend("qmp:///run/web.qmp"), QmpBackend)
    assert isinstance(open_backend("qemu:///system"), LibvirtBackend)


def test_a_scheme_nobody_knows_is_refused_with_the_remedy() -> None:
    with pytest.raises(UsageError, match="qmp://"):
        open_backend("vmware://host")


def test_without_libvirts_binding_it_is_said_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [n for n in sys.modules if n.startswith("vmsnap_tui.backends.libvirt")]:
        if not name.endswith(("libvirt", "uri")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "libvirt", None)
    with pytest.raises(UsageError, match="python3-libvirt"):
        open_backend("qemu:///system")
