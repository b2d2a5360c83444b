"""The same ledger while rules come and go: shares move, totals and bills never do."""

from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from shoestring.store.allocation_book import in_force
from shoestring.store.answers import Question, ask
from shoestring.store.charges_manifest import ALLOCATION
from shoestring.workflows.shared_cost import apply_rules, refresh, undo_rules
from tests.faults.interruption import dying
from tests.store.machine import DEAR, NOW, Ledger, live

EACH = 500
METHODS = st.sampled_from(
    [
        "match: {account: '1'}, to: team, method: fixed, shares: {a: 0.3, b: 0.7}",
        "match: {team: vision}, to: project, method: even, targets: [x, y, z]",
        "match: {resource: [i-0, i-2]}, to: team, method: mig, holders: {a: 3g.20gb}",
        "match: {month: 2026-02}, to: user, method: proportional, targets: [ann, bob]",
        "match: {}, to: cost_center, method: fixed, shares: {one: 1}, since: 2026-01-05, until: 2026-02-06",
    ]
)
LOOKS = (("source",), ("day", "service"), ("run", "part"), ("account", "charge"))


class SharedLedger(Ledger):
    def __init__(self):
        super().__init__()
        self.left = DEAR | {"share": 5, "look": 2}

    @precondition(lambda self: self.left["share"])
    @rule(given=st.lists(METHODS, min_size=1, max_size=3, unique=True))
    def share_out(self, given):
        self.left["share"] -= 1
        path = self.folder / "rules.yaml"
        path.write_text("rules:\n" + "".join(f"  - {{name: r{n}, {text}}}\n" for n, text in enumerate(given)))
        apply_rules(self.store, path, user="ann", now=NOW)

    @precondition(lambda self: in_force(self.store.folder) is not None)
    @rule()
    def undo(self):
        undo_rules(self.store, user="ann", now=NOW)
        manifest = self.store.manifest()
        assert not [p for p in manifest.parts if p.kind == ALLOCATION and p.period not in manifest.closed]

    @precondition(lambda self: in_force(self.store.folder) is not None)
    @rule(at=st.integers(1, 30), after=st.booleans())
    def die_while_undoing(self, at, after):
        with dying(at, after=after):
            undo_rules(self.store, user="ann", now=NOW)
        self.is_old_or(self.truth, surely=False)

    @precondition(lambda self: self.left["look"])
    @rule(by=st.sampled_from(LOOKS))
    def look(self, by):
        self.left["look"] -= 1
        self.shares_sum_to_nothing(by)

    @invariant()
    def what_is_shared_out_is_what_was_there(self):
        shares = [p for p in self.store.manifest().parts if p.kind == ALLOCATION]
        amounts = [Decimal(v) for p in shares for v in (*p.billed.values(), *p.effective.values())]
        assert sum(amounts, Decimal(0)) == 0

    def all_is_well(self):
        for by in LOOKS:
            self.shares_sum_to_nothing(by)
        super().all_is_well()

    def shares_sum_to_nothing(self, by):
        refresh(self.store)
        moved = {r.keys: r.known_usd for r in ask(self.store, Question(by=by, metric="list")).rows}
        plain = {
            r.keys: r.known_usd for r in ask(self.store, Question(by=by, metric="list", allocated=False)).rows
        }
        assert {k: v for k, v in moved.items() if v} == {k: v for k, v in plain.items() if v}, by


@pytest.mark.parametrize("number", range(2))
def test_shares_sum_to_nothing_wherever_one_looks(number):
    steps = live(SharedLedger, EACH, start=50_000 + 1_000 * number)
    print(f"{steps} steps, difference 0.00")
    assert steps >= EACH
