"""What cannot be done here is refused before it is tried."""

import pytest

from vmsnap_tui.cli.able import require
from vmsnap_tui.errors import PlanRefused
from vmsnap_tui.model.limit import Ability
from vmsnap_tui.tui.scenes_libvirt import SHOP


def test_the_refusal_names_the_version_that_can() -> None:
    with pytest.raises(PlanRefused) as refused:
        require(SHOP, Ability.REVERT_EXTERNAL, "revert shop-01")
    assert refused.value.cause == "revert shop-01: that cannot be done here"
    assert refused.value.remedy == "it needs libvirt 9.9"


def test_what_can_be_done_passes() -> None:
    require(SHOP, Ability.BACKUP, "back up shop-01")
