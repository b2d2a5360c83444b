"""Any order of imports, restatements, closings, exports, bookings and deaths: the newest files are what holds.

Ten thousand steps by default, in tests of their own seeds; `python -m tests.store.soak` makes a million.
"""

import pytest

pytest.importorskip("duckdb")

from tests.store.machine import Ledger, live

EACH = 500


@pytest.mark.parametrize("number", range(18))
def test_nothing_is_lost_or_made(number):
    steps = live(Ledger, EACH, start=1_000 * number)
    print(f"{steps} steps, difference 0.00")
    assert steps >= EACH
