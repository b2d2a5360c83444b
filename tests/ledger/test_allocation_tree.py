"""Given kinds of lines, when rules are applied to them at once, then each line ends as if it had gone alone."""

from collections import Counter
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.ledger.allocate import AllocationRule, CostLine, allocate
from shoestring.ledger.allocation_tree import Kind, grow
from shoestring.ledger.split import FINEST, Cuts
from tests.ledger.test_split import line, rule

STEP = Decimal("1e-12")
RULES = (
    rule("even", name="even"),
    rule("proportional", name="by use"),
    rule("fixed", name="fixed", match={"team": ("a",)}, shares={"b": Decimal("0.3"), "d": Decimal("0.7")}),
    rule("even", name="named", match={"service": ("EKS",)}, targets=("c", "e")),
    rule("even", name="back", match={"team": ("c", "d")}),
)


def by_kinds(lines: list[CostLine], rules: list[AllocationRule]) -> tuple[Counter, set[str]]:
    """What the tree makes of the lines, each cut by the way of its kind."""
    keys = sorted({tuple(sorted(one.keys.items(), key=str)) for one in lines}, key=str)
    of_kind = {
        n: [one for one in lines if tuple(sorted(one.keys.items(), key=str)) == k] for n, k in enumerate(keys)
    }
    roots = [
        Kind(number=n, month="2026-01", keys=dict(k), may=frozenset(range(len(rules))))
        for n, k in enumerate(keys)
    ]
    amounts = {n: [one.usd for one in held] for n, held in of_kind.items()}

    def held(n: int) -> dict[str, Decimal]:
        return {"usd": sum((max(Decimal(0), usd) for usd in amounts[n]), Decimal(0))}

    def share(kind: Kind) -> list[Decimal]:
        cuts = Cuts({0: kind.low, 1: kind.high - kind.low, 2: kind.total - kind.high})
        return [cuts(usd)[1] for usd in amounts[kind.parent]]

    def measure(kinds):
        amounts.update({kind.number: share(kind) for kind in kinds})
        return {kind.number: held(kind.number) for kind in kinds if any(amounts[kind.number])}

    tree = grow(roots, {n: held(n) for n in of_kind}, rules, measure)
    assert len({leaf.number for leaf in tree.leaves}) == len(tree.leaves)
    assert not tree.shared & {leaf.number for leaf in tree.leaves}
    told = Counter(
        (tuple(sorted(leaf.keys.items(), key=str)), usd) for leaf in tree.leaves for usd in share(leaf) if usd
    )
    return told, set(tree.untouched)


teams = st.sampled_from([None, "a", "b", "c"])
usd = st.decimals(-100, 1000, places=12) | st.sampled_from([Decimal(0), STEP])
lines = st.lists(
    st.builds(lambda t, u, s: line(t, u, s), teams, usd, st.sampled_from(["EC2", "EKS"])),
    min_size=1,
    max_size=8,
)


@given(lines, st.lists(st.sampled_from(RULES), max_size=4))
def test_kinds_go_the_ways_of_their_lines(given_lines, rules):
    done = allocate(given_lines, rules)
    told, untouched = by_kinds(given_lines, rules)
    assert untouched == set(done.untouched)
    assert told == Counter(
        (tuple(sorted(one.keys.items(), key=str)), one.usd) for one in done.lines if one.sharings and one.usd
    )


def test_months_do_not_see_each_other():
    roots = [
        Kind(number=0, month="2026-01", keys={"team": None}, may=frozenset({0})),
        Kind(number=1, month="2026-02", keys={"team": "a"}, may=frozenset()),
    ]
    held = {n: {"usd": Decimal(1)} for n in (0, 1)}
    tree = grow(roots, held, [rule("even", name="even")], lambda kinds: {})
    assert (tree.untouched, tree.leaves, tree.shared) == (("even",), (), frozenset())


def test_less_than_nothing_is_no_driver():
    (given_rule,) = (rule("proportional"),)
    shares = allocate([line("a", "30"), line("b", "-50"), line("b", "10"), line(None, "8")], [given_rule])
    assert {(one.keys["team"], one.usd) for one in shares.lines if one.sharings} == {("a", 6), ("b", 2)}
    alone = allocate([line("a", "-1"), line("b", "0"), line(None, "8")], [given_rule])
    assert alone.untouched == ("shared",)


def test_amounts_are_cut_where_parts_end_to_the_nearest_step_halves_up():
    cuts = Cuts({"b": 1, "a": 1})
    assert cuts.bounds == {"b": (1, 2), "a": (0, 1)} and cuts.total == 2
    assert cuts(STEP) == {"b": 0, "a": STEP}, "half a step is a step"
    assert cuts(-STEP) == {"b": 0, "a": -STEP}
    assert cuts(3 * STEP) == {"b": STEP, "a": 2 * STEP}
    assert Cuts({"a": 0, "b": 0}).bounds == {"a": (0, 1), "b": (1, 2)}
    with pytest.raises(ValueError, match="no multiple"):
        cuts(Decimal("1e-13"))


def test_weights_finer_than_the_engine_are_parts_of_the_finest_whole():
    cuts = Cuts({"a": 1, "b": 3 * FINEST})
    assert cuts.total == FINEST and sum(cuts.ratios.values()) == 1
    assert Cuts({"a": 1, "b": FINEST - 1}).bounds["a"] == (0, 1)
