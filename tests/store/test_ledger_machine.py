"""Any order of imports, restatements, closings, crashes, exports and bookings: the newest files are what holds.

Steps by default are about a hundred, each some real files read; SHOESTRING_LEDGER_EXAMPLES=1000, as in `make soak`,
makes ten thousand of them.
"""

import os
import shutil
import tempfile
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from unittest import mock

import pytest

pytest.importorskip("duckdb")

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_runs import book_run
from shoestring.store.focus.export import export_focus
from shoestring.workflows.bills import bring_in, close_month
from tests.ledger.test_receipt import paid
from tests.store.bills.giving import focus, write

EXAMPLES = int(os.environ.get("SHOESTRING_LEDGER_EXAMPLES", "8"))
NOW = datetime(2026, 6, 1, tzinfo=UTC)
MONTHS = ("2026-01", "2026-02", "2026-03")
accounts = st.sampled_from(["1", "2"])
months = st.sampled_from(MONTHS)
amounts = st.lists(st.decimals(-1000, 1000, places=4), min_size=1, max_size=4)


class Crash(BaseException):
    """The process dies."""


class Ledger(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = ChargeStore(self.folder / "ledger")
        self.truth: dict[tuple[str, str], Decimal] = {}
        self.booked = Decimal(0)
        self.files = 0

    def bill(self, account, month, given):
        self.files += 1
        stamps = {
            "BillingPeriodStart": f"{month}-01T00:00:00Z",
            "BillingPeriodEnd": "",
            "ChargePeriodStart": f"{month}-05T00:00:00Z",
            "ChargePeriodEnd": "",
        }
        rows = [
            focus(
                BilledCost=str(usd),
                ResourceId=f"i-{n}",
                BillingAccountId=account,
                x_File=self.files,
                **stamps,
            )
            for n, usd in enumerate(given)
        ]
        return write(self.folder / f"{self.files}.csv", rows)

    @rule(account=accounts, month=months, given=amounts)
    def import_or_restate(self, account, month, given):
        bring_in(self.store, [self.bill(account, month, given)], now=NOW, user="ann")
        self.truth[account, month] = sum(given)

    @rule(account=accounts, month=months, given=amounts)
    def import_twice(self, account, month, given):
        path = self.bill(account, month, given)
        bring_in(self.store, [path], now=NOW, user="ann")
        assert bring_in(self.store, [path], now=NOW, user="ann").delivery is None
        self.truth[account, month] = sum(given)

    @rule(account=accounts, month=months, given=amounts)
    def crash_while_importing(self, account, month, given):
        path = self.bill(account, month, given)
        with mock.patch("shoestring.store.charges.write_manifest", side_effect=Crash), pytest.raises(Crash):
            bring_in(self.store, [path], now=NOW, user="ann")

    @precondition(lambda self: self.truth)
    @rule(data=st.data())
    def close(self, data):
        there = sorted({p.period for p in self.store.manifest().parts if p.period in MONTHS})
        close_month(self.store, data.draw(st.sampled_from(there)), None, now=NOW, user="ann")

    @precondition(lambda self: self.truth)
    @rule()
    def export_and_import_elsewhere(self):
        out = self.folder / "out.csv"
        out.unlink(missing_ok=True)
        export_focus(self.store, out, version="1.4")
        other = ChargeStore(self.folder / f"other-{self.files}-{len(list(self.folder.iterdir()))}")
        done = bring_in(other, [out], now=NOW, user="ann")
        assert done.delivery.rows_quarantined == 0
        assert sum(done.billed.values(), Decimal(0)) == sum(self.truth.values(), Decimal(0)) + self.booked

    @rule()
    def book_a_run(self):
        book_run(self.store, paid(), state="a", now=NOW, user="ann")
        self.booked = paid().cost.total_usd

    @invariant()
    def nothing_is_lost_or_made(self):
        total = ask(self.store, Question(by=("account",), metric="billed")).total_usd
        assert total == sum(self.truth.values(), Decimal(0)) + self.booked

    def teardown(self):
        shutil.rmtree(self.folder, ignore_errors=True)


TestLedger = Ledger.TestCase
TestLedger.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=10,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
