"""When a bitmap may be believed."""

from itertools import product

import pytest

from vmsnap_tui.model.bitmap import Bitmap


@pytest.mark.parametrize(
    ("recording", "inconsistent"), list(product([True, False], repeat=2))
)
def test_only_a_consistent_bitmap_that_records_is_trusted(
    recording: bool, inconsistent: bool
) -> None:
    for busy, persistent in product([True, False], repeat=2):
        bitmap = Bitmap("b", 65536, 0, recording, busy, inconsistent, persistent)
        assert bitmap.trusted is (recording and not inconsistent)
