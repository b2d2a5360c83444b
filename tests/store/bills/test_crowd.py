"""The engine reads usual values on a short way: a row must come out the same alone and among rows of other kinds."""

from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from shoestring.store.bills.known import FORMATS
from shoestring.store.bills.load import import_bills
from shoestring.store.charges import ChargeStore
from tests.store.bills.giving import focus, write

AMOUNTS = (
    "10",
    "-0.25",
    "1e-3",
    "$1,234.50",
    "1,5",
    "",
    "NULL",
    "ten",
    " 7 ",
    "$",
    "0.1234567890129",
    "1e30",
)
MOMENTS = (
    "2026-01-10 00:00:00", "2026-01-10T00:00:00Z", "2026-01-10", "1/10/26", "01/10/2026", "20260110",
    "2026-01-10T00:00:00+02:00", "2026-01-10 00:00:00 UTC", "10-Jan-2026", "", "null", "soon", "2026-02-31",
)  # fmt: skip
TAGS = (
    '{"team": "vision"}', ' {"team":"vision"} ', '{"team":"vision"', '{"team":"vision"}}', '"team":"vision"', "-", "",
    '[{"key":"team","value":"vision"}]', "team=vision,run=7", "{}", '{"Team":"speech"}', "nothing", "null",
    '{"team":""}',
)  # fmt: skip
ROW = st.fixed_dictionaries(
    {
        "BilledCost": st.sampled_from(AMOUNTS),
        "EffectiveCost": st.sampled_from(AMOUNTS),
        "PricingQuantity": st.sampled_from(AMOUNTS),
        "ChargePeriodStart": st.sampled_from(MOMENTS),
        "ChargePeriodEnd": st.sampled_from(MOMENTS),
        "Tags": st.sampled_from(TAGS),
    }
)
SEEN = "BilledCost, EffectiveCost, PricingQuantity, ChargePeriodStart, ChargePeriodEnd, Tags, x_Team, x_RunId"


def read(rows: list[dict[str, str]]) -> tuple[list[tuple[Any, ...]], int, int]:
    """The stored rows in order, how many were quarantined, and how many came in."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        store = ChargeStore(folder / "ledger")
        file = write(folder / "bill.csv", [focus(**row) for row in rows])
        done = import_bills(store, [file], formats=FORMATS, now=datetime(2026, 2, 3, tzinfo=UTC), user="ann")
        assert done.delivery is not None
        parts = store.manifest().parts
        with store.connect() as engine:
            stored = engine.execute(f"select {SEEN} from {store.rows_sql(parts)}").fetchall() if parts else []
        assert sum(p.rows for p in parts) == len(stored) == done.delivery.rows_stored
        return stored, done.delivery.rows_quarantined, done.delivery.rows_in


@settings(max_examples=12, deadline=None)
@given(rows=st.lists(ROW, min_size=2, max_size=5))
def test_a_row_is_read_the_same_alone_as_in_a_crowd(rows: list[dict[str, str]]) -> None:
    crowd, refused, came = read(rows)
    alone = [read([row]) for row in rows]

    assert sorted(map(repr, crowd)) == sorted(repr(row) for stored, _, _ in alone for row in stored)
    assert refused == sum(quarantined for _, quarantined, _ in alone)
    assert came == len(rows) == len(crowd) + refused
