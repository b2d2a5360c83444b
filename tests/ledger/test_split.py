"""Sharing money out: nothing is lost, nothing is made, order means nothing."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.domain.units import CENT
from shoestring.ledger.allocate import AllocationRule, CostLine, allocate, total_by
from shoestring.ledger.split import fractions_of_one, split

amounts = st.decimals(-1_000_000, 1_000_000, places=12)
cents = st.decimals(-1_000_000, 1_000_000, places=2)
weights = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(0, 1000), min_size=1)


@given(amounts, weights)
def test_shares_add_up_exactly(amount, shares):
    assert sum(split(amount, shares).values()) == amount


@given(cents, weights)
def test_shares_in_cents_are_cents_and_add_up(amount, shares):
    parts = split(amount, shares, CENT)
    assert sum(parts.values()) == amount
    assert all(p == p.quantize(CENT) for p in parts.values())


@given(cents, weights)
def test_no_share_is_off_by_more_than_one_cent(amount, shares):
    total = sum(shares.values()) or None
    for key, part in split(amount, shares, CENT).items():
        fair = Fraction(amount) * (Fraction(shares[key], total) if total else Fraction(1, len(shares)))
        assert abs(Fraction(part) - fair) <= Fraction(1, 100)


@given(amounts, weights, st.randoms())
def test_order_means_nothing(amount, shares, random):
    items = list(shares.items())
    random.shuffle(items)
    assert split(amount, dict(items)) == split(amount, shares)


@pytest.mark.parametrize(
    ("amount", "shares"),
    [("1", {}), ("1", {"a": -1}), ("0.001", {"a": 1})],
    ids=["nobody", "negative", "step"],
)
def test_what_can_not_be_shared_is_refused(amount, shares):
    with pytest.raises(ValueError):
        split(Decimal(amount), shares, CENT)


def test_fractions_of_a_gpu_add_up_to_one_with_the_remainder_as_a_line():
    parts = fractions_of_one({"a": Fraction(1, 7), "b": 0.5})
    assert sum(parts.values()) == 1
    assert parts["(remainder)"] == Fraction(5, 14)
    assert fractions_of_one({"a": 1.0}) == {"a": 1}


@pytest.mark.parametrize("parts", [{"a": 0.7, "b": 0.4}, {"a": -0.1}])
def test_more_than_a_gpu_is_refused(parts):
    with pytest.raises(ValueError):
        fractions_of_one(parts)


def line(team, usd, service="EC2", **drivers):
    return CostLine(keys={"team": team, "service": service}, usd=Decimal(usd), drivers=drivers)


def rule(method, **kwargs):
    kwargs.setdefault("match", {"team": (None,)})
    return AllocationRule(name=kwargs.pop("name", "shared"), to="team", method=method, **kwargs)


LINES = (line("a", "30", hours=1), line("b", "10", hours=3), line(None, "100", "EKS"))


def shared(*rules, lines=LINES):
    return total_by(allocate(lines, rules).lines, "team")


def test_even_proportional_and_fixed_shares():
    assert shared(rule("even")) == {"a": 80, "b": 60}
    assert shared(rule("proportional")) == {"a": 105, "b": 35}
    assert shared(rule("proportional", driver="hours")) == {"a": 55, "b": 85}
    assert shared(rule("fixed", shares={"a": Decimal("0.9"), "c": Decimal("0.1")})) == {
        "a": 120,
        "b": 10,
        "c": 10,
    }
    assert shared(rule("even", targets=("b",))) == {"a": 30, "b": 110}


def test_a_rule_takes_only_what_it_matches():
    assert shared(rule("even", match={"team": (None,), "service": ("S3",)})) == {"a": 30, "b": 10, None: 100}


def test_a_rule_that_finds_nobody_leaves_the_cost_where_it_is_and_says_so():
    done = allocate((line(None, "5"),), [rule("even")])
    assert (total_by(done.lines, "team"), done.untouched) == ({None: 5}, ("shared",))


def test_a_rule_never_shares_out_its_own_lines():
    everybody = rule("even", match={"service": ("EC2", "EKS")}, targets=("a", "b"))
    assert sum(shared(everybody).values()) == 140


PLATFORM_FIRST = rule("fixed", name="platform first", shares={"platform": Decimal(1)})


def test_a_rule_shares_out_what_another_made():
    onwards = rule("even", name="onwards", match={"team": ("platform",)}, targets=("a", "b"))
    assert shared(PLATFORM_FIRST, onwards) == {"a": 80, "b": 60}
    assert shared(onwards, PLATFORM_FIRST) == {"a": 30, "b": 10, "platform": 100}, "rules go in order"


def test_what_a_rule_made_stays_when_its_name_comes_again():
    back = rule("even", name="platform first", match={"team": ("platform", "a")}, targets=("b",))
    assert shared(PLATFORM_FIRST, back) == {"b": 40, "platform": 100}


@pytest.mark.parametrize(
    "bad",
    [
        {"method": "fair"},
        {"method": "fixed", "shares": {"a": Decimal("0.5")}},
        {"method": "slices", "slices": {"a": 0}},
    ],
)
def test_rules_that_can_not_work_are_refused(bad):
    with pytest.raises(ValueError):
        rule(**bad)


teams = st.sampled_from([None, "a", "b", "c"])
lines = st.lists(st.builds(line, teams, cents, st.sampled_from(["EC2", "EKS"])), max_size=8)
rules = st.lists(
    st.builds(
        rule,
        st.sampled_from(["even", "proportional"]),
        name=st.sampled_from(["one", "two"]),
        match=st.fixed_dictionaries({"team": st.lists(teams, min_size=1, max_size=2).map(tuple)}),
    ),
    max_size=3,
)


@given(lines, rules)
def test_whatever_the_rules_no_cost_is_lost_or_made(lines, rules):
    assert sum((x.usd for x in allocate(lines, rules).lines), Decimal(0)) == sum(
        (x.usd for x in lines), Decimal(0)
    )


def test_a_rule_holds_from_its_first_day_until_the_day_before_its_end():
    january = rule("even", since=date(2026, 1, 10), until=date(2026, 1, 20))
    assert [day for day in range(8, 23) if january.holds_on(date(2026, 1, day))] == list(range(10, 20))
    assert not january.holds_on(None)
    assert not rule("even", since=date(2026, 1, 10)).holds_on(date(2026, 1, 9))
    assert not rule("even", until=date(2026, 1, 10)).holds_on(date(2026, 1, 10))
    assert rule("even", since=date(2026, 1, 10)).holds_on(date(2030, 1, 1))
    assert rule("even", until=date(2026, 1, 10)).holds_on(date(2020, 1, 1))
    assert rule("even").holds_on(None)
