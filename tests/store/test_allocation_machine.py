"""The same ledger while rules come and go: shares move, totals and bills never do.

Steps by default are few; SHOESTRING_LEDGER_EXAMPLES=2000 makes a long campaign of it.
"""

from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from shoestring.store.allocation_book import in_force
from shoestring.store.answers import Question, ask
from shoestring.store.charges_manifest import ALLOCATION
from shoestring.workflows.shared_cost import apply_rules, refresh, undo_rules
from tests.store.test_ledger_machine import EXAMPLES, NOW, Ledger

METHODS = st.sampled_from(
    [
        "match: {account: '1'}, to: team, method: fixed, shares: {a: 0.3, b: 0.7}",
        "match: {team: vision}, to: project, method: even, targets: [x, y, z]",
        "match: {resource: [i-0, i-2]}, to: team, method: mig, holders: {a: 3g.20gb}",
        "match: {month: 2026-02}, to: user, method: proportional, targets: [ann, bob]",
        "match: {}, to: cost_center, method: fixed, shares: {one: 1}, since: 2026-01-05, until: 2026-02-06",
    ]
)


class SharedLedger(Ledger):
    @rule(given=st.lists(METHODS, min_size=1, max_size=3, unique=True))
    def share_out(self, given):
        path = self.folder / "rules.yaml"
        path.write_text("rules:\n" + "".join(f"  - {{name: r{n}, {text}}}\n" for n, text in enumerate(given)))
        apply_rules(self.store, path, user="ann", now=NOW)

    @precondition(lambda self: in_force(self.store.folder) is not None)
    @rule()
    def undo(self):
        undo_rules(self.store, user="ann", now=NOW)
        open_shares = [
            p
            for p in self.store.manifest().parts
            if p.kind == ALLOCATION and p.period not in self.store.manifest().closed
        ]
        assert open_shares == []

    @invariant()
    def shares_sum_to_nothing_wherever_one_looks(self):
        refresh(self.store)
        for by in (("source",), ("day", "service"), ("run", "part"), ("account", "charge")):
            moved = {r.keys: r.known_usd for r in ask(self.store, Question(by=by, metric="list")).rows}
            plain = {
                r.keys: r.known_usd
                for r in ask(self.store, Question(by=by, metric="list", allocated=False)).rows
            }
            assert {k: v for k, v in moved.items() if v} == {k: v for k, v in plain.items() if v}, by
        total = sum((Decimal(v) for p in self.store.manifest().parts if p.kind == ALLOCATION
                     for v in (*p.billed.values(), *p.effective.values())), Decimal(0))  # fmt: skip
        assert total == 0


TestSharedLedger = SharedLedger.TestCase
TestSharedLedger.settings = settings(
    max_examples=max(2, EXAMPLES // 2),
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    print_blob=True,
)
