"""A ledger and what should be in it, as a state machine: any order of imports, restatements, closings, deaths."""

import contextlib
import csv
import shutil
import tempfile
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from shoestring.domain.errors import BadInput
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_manifest import ALLOCATION
from shoestring.store.charges_runs import book_run
from shoestring.store.focus.export import export_focus
from shoestring.workflows.bills import bring_in, close_month
from tests.faults.interruption import dying, leave_to_nobody
from tests.ledger.test_receipt import paid
from tests.store.bills.giving import write

NOW = datetime(2026, 6, 1, tzinfo=UTC)
MONTHS = ("2026-01", "2026-02", "2026-03")
STEPS = 200  # in one ledger's life
# What takes long is done so many times in a life: reading all charges, and casting a run's.
DEAR = {"export": 1, "elsewhere": 1, "ask": 2, "book": 3}
MEMORY = Path("/dev/shm")  # nothing here is about the disk
RUN = paid()

accounts = st.sampled_from(["1", "2"])
months = st.sampled_from(MONTHS)
amounts = st.lists(st.decimals(-1000, 1000, places=4), min_size=1, max_size=3)
clocks = st.sampled_from([NOW, NOW, NOW - timedelta(days=400), NOW + timedelta(days=1)])  # it may be set back
places = st.integers(1, 60)  # calls to the file system; an import makes about 40

Sums = dict[tuple[str, str], Decimal]  # by account and month


class Ledger(RuleBasedStateMachine):
    """Bills of two accounts in three months, and a run of our own."""

    steps = 0

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="ledger-", dir=MEMORY if MEMORY.is_dir() else None))
        self.store = ChargeStore(self.folder / "ledger")
        self.truth: Sums = {}
        self.files: list[tuple[Path, str, str, Decimal]] = []
        self.left = dict(DEAR)
        type(self).steps -= 1  # the invariants are also looked at before the first step

    def bill(self, account: str, month: str, given: list[Decimal], torn: bool = False) -> Path:
        """A bill file that nobody has seen yet; ``torn``: with a row that can't be read."""
        rows: list[dict[str, object]] = [
            {
                "BilledCost": str(usd),
                "BillingAccountId": account,
                "BillingCurrency": "USD",
                "ChargePeriodStart": f"{month}-0{n + 4}T00:00:00Z",
                "ChargeCategory": "Usage",
                "ResourceId": f"i-{n}",
                "x_Team": ("vision", "speech", "")[n],
                "x_File": len(self.files),
            }
            for n, usd in enumerate(given)
        ]
        if torn:
            rows.append(rows[0] | {"BilledCost": "a lot"})
        path = write(self.folder / f"{len(self.files)}.csv", rows)
        self.files.append((path, account, month, sum(given, Decimal(0))))
        return path

    @rule(account=accounts, month=months, given=amounts, torn=st.booleans(), now=clocks)
    def import_or_restate(self, account, month, given, torn, now):
        done = bring_in(self.store, [self.bill(account, month, given, torn)], now=now, user="ann")
        assert done.delivery.rows_quarantined == int(torn)
        assert done.delivery.rows_stored == len(given)
        self.truth[account, month] = sum(given)

    @precondition(lambda self: self.files)
    @rule(data=st.data(), again=st.sampled_from([False, False, True]), now=clocks)
    def import_a_file_that_was_seen(self, data, again, now):
        path, account, month, total = data.draw(st.sampled_from(self.files))
        before = self.store.manifest()
        done = None
        with contextlib.suppress(BadInput):  # replaced by a newer one since
            done = bring_in(self.store, [path], now=now, user="ann", again=again)
        if done is not None and done.delivery is not None:  # on request, or its first import was cut off
            assert again or all(d.files != (path.name,) for d in before.deliveries)
            self.truth[account, month] = total
        else:
            assert self.store.manifest() == before

    @precondition(lambda self: any(d.format != "run" for d in self.store.manifest().deliveries))
    @rule()
    def import_the_newest_twice(self):
        before = self.store.manifest()
        *_, newest = (d for d in before.deliveries if d.format != "run")
        assert bring_in(self.store, [self.folder / newest.files[0]], now=NOW, user="ann").delivery is None
        assert self.store.manifest() == before

    @rule(text=st.sampled_from(["", "a,b\n1,2\n", "\x00", "BilledCost,ChargePeriodStart,ChargeCategory\n"]))
    def import_what_is_no_bill(self, text):
        path = self.folder / "none.csv"
        path.write_text(text)
        before = self.store.manifest()
        with pytest.raises(BadInput):
            bring_in(self.store, [path], now=NOW, user="ann")
        assert self.store.manifest() == before

    @rule(account=accounts, month=months, given=amounts, at=places, after=st.booleans())
    def die_while_importing(self, account, month, given, at, after):
        path = self.bill(account, month, given)
        with dying(at, after=after) as death:
            bring_in(self.store, [path], now=NOW, user="ann")
        self.is_old_or(self.truth | {(account, month): sum(given)}, surely=not death.happened)

    @precondition(lambda self: self.truth)
    @rule(data=st.data(), at=st.integers(1, 12), after=st.booleans())
    def die_while_closing(self, data, at, after):
        month = data.draw(st.sampled_from(self.there()))
        with dying(at, after=after):
            close_month(self.store, month, None, now=NOW, user="ann")
        self.is_old_or(self.truth, surely=False)

    @precondition(lambda self: self.left["book"])
    @rule(at=places, after=st.booleans())
    def die_while_booking(self, at, after):
        self.left["book"] -= 1
        with dying(at, after=after) as death:
            book_run(self.store, RUN, state="a", now=NOW, user="ann")
        self.is_old_or(self.truth | booked(), surely=not death.happened)

    @precondition(lambda self: self.truth)
    @rule(data=st.data(), one=st.booleans())
    def close(self, data, one):
        month = data.draw(st.sampled_from(self.there()))
        sources = sorted({p.source for p in self.store.manifest().parts if p.period == month})
        source = data.draw(st.sampled_from(sources)) if one else None
        close_month(self.store, month, source, now=NOW, user="ann")

    @precondition(lambda self: self.left["book"])
    @rule(now=clocks)
    def book_a_run(self, now):
        self.left["book"] -= 1
        book_run(self.store, RUN, state="a", now=now, user="ann")
        self.truth |= booked()

    @precondition(lambda self: self.truth and self.left["export"])
    @rule()
    def export(self):
        self.left["export"] -= 1
        out = self.folder / "out.csv"
        export_focus(self.store, out, version="1.4")
        with out.open(newline="") as file:
            rows = list(csv.DictReader(file))
        assert sum((Decimal(row["BilledCost"]) for row in rows), Decimal(0)) == self.total()

    @precondition(lambda self: self.truth and self.left["elsewhere"])
    @rule()
    def export_and_import_elsewhere(self):
        self.left["elsewhere"] -= 1
        out = self.folder / "elsewhere.csv"
        export_focus(self.store, out, version="1.4")
        done = bring_in(ChargeStore(self.folder / "elsewhere"), [out], now=NOW, user="ann")
        assert done.delivery.rows_quarantined == 0
        assert sum(done.billed.values(), Decimal(0)) == self.total()

    @precondition(lambda self: self.truth and self.left["ask"])
    @rule(by=st.sampled_from(["account", "resource", "billing_month"]))
    def ask_what_it_cost(self, by):
        self.left["ask"] -= 1
        assert ask(self.store, Question(by=(by,), metric="billed")).total_usd == self.total()

    @invariant()
    def the_manifest_says_what_is_true(self):
        type(self).steps += 1
        assert self.held() == self.truth

    def teardown(self):
        try:
            self.all_is_well()
        finally:
            shutil.rmtree(self.folder, ignore_errors=True)

    def all_is_well(self):
        """What takes longer to see: the charges themselves, line by line, and the files that are there."""
        answer = ask(self.store, Question(by=("account", "resource"), metric="billed"))
        found: dict[str, Decimal] = defaultdict(Decimal)
        for row in answer.rows:
            found[row.keys[0]] += row.usd
        wanted: dict[str, Decimal] = defaultdict(Decimal)
        for (account, _), usd in self.truth.items():
            wanted[account] += usd
        assert dict(found) == dict(wanted)
        bring_in(
            self.store, [self.bill("1", "2026-01", [Decimal(1)])], now=NOW, user="ann"
        )  # sweeps what was left
        there = {
            str(p.relative_to(self.store.folder))
            for root in ("charges", "quarantine", "staging")
            for p in (self.store.folder / root).rglob("*")
            if p.is_file()
        }
        assert there == self.store.manifest().files()

    def there(self) -> list[str]:
        return sorted({p.period for p in self.store.manifest().parts if p.period in MONTHS})

    def total(self) -> Decimal:
        return sum(self.truth.values(), Decimal(0))

    def held(self) -> Sums:
        """What the manifest says, corrections counted in the month that they correct."""
        found: Sums = {}
        for part in self.store.manifest().parts:
            if part.kind == ALLOCATION:
                continue
            month = part.kind.removeprefix("adjusts ") if part.kind.startswith("adjusts") else part.period
            key = (part.source.rpartition("/")[2], month) if part.of_a_bill else ("shoestring", month)
            found[key] = sum((Decimal(usd) for usd in part.billed.values()), found.get(key, Decimal(0)))
        return found

    def is_old_or(self, new: Sums, *, surely: bool) -> None:
        """The process has died, or (``surely``) had done before it could; what it left goes to nobody."""
        leave_to_nobody(self.store.folder / "staging")
        held = self.held()
        assert held == new if surely else held in (self.truth, new)
        self.truth = held


def booked() -> Sums:
    found: Sums = {}
    for charge in RUN.charges:
        key = ("shoestring", f"{charge.start:%Y-%m}")
        found[key] = found.get(key, Decimal(0)) + charge.amount_usd
    return found


def live(machine: type[Ledger], steps: int, start: int) -> int:
    """Live through ``steps`` steps or a few more, by seeds from ``start`` on; how many they were.

    The first life of a seed is the simplest there is, nearly all of it one rule: its steps are not counted.
    A ledger that breaks is shown with the steps that lead there; to find fewer takes minutes, and is not tried.
    """

    class Seeded(machine):  # type: ignore[misc, valid-type]
        steps = 0

    number = start
    while Seeded.steps < steps:
        lives = min(20, -(-(steps - Seeded.steps) // STEPS))
        Seeded.steps -= STEPS
        run_state_machine_as_test(
            seed(number)(Seeded),
            settings=settings(
                max_examples=1 + lives,
                stateful_step_count=STEPS,
                phases=[Phase.generate],
                database=None,
                deadline=None,
                suppress_health_check=list(HealthCheck),
                print_blob=True,
            ),
        )
        number += 1
    return Seeded.steps
