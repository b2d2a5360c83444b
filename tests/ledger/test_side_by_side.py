"""Given runs on one machine at the same time, then together they are charged one machine, and say by what measure."""

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.domain.usage import CostPart
from shoestring.ledger.rate import rate
from shoestring.ledger.side_by_side import BY_DEVICE, EVENLY, Stay, shares_of, stays_of
from tests.ledger.making import T0, at, compute, part


def stay(run, start, end, devices=None, machine="box"):
    return Stay(
        run_id=run, attempt_id=f"{run}-1", machine=machine, devices=devices, start=at(start), end=at(end)
    )


def told(mine, *others):
    return [((s.start - T0).total_seconds(), (s.end - T0).total_seconds(), s.fraction, s.basis)
            for s in shares_of(mine, others)]  # fmt: skip


def test_alone_a_machine_is_ones_own():
    assert told(stay("a", 0, 100)) == []
    assert told(stay("a", 0, 100), stay("b", 100, 200), stay("c", 0, 100, machine="other")) == []


def test_hours_together_are_shared_evenly_where_nobody_knows_the_devices():
    half, third = Fraction(1, 2), Fraction(1, 3)
    assert told(stay("a", 0, 100), stay("b", 40, 200), stay("c", 80, 90, ("gpu0",))) == [
        (40, 80, half, EVENLY),
        (80, 90, third, EVENLY),
        (90, 100, half, EVENLY),
    ]


def test_devices_in_use_are_equal_parts_and_those_who_share_one_halve_it():
    a, b, c = stay("a", 0, 10, ("gpu0", "gpu1")), stay("b", 0, 10, ("gpu1",)), stay("c", 0, 10, ("gpu2",))
    (of_a,), (of_b,), (of_c,) = (shares_of(mine, (a, b, c)) for mine in (a, b, c))
    assert (of_a.fraction, of_b.fraction, of_c.fraction) == (Fraction(1, 2), Fraction(1, 6), Fraction(1, 3))
    assert (of_a.basis, of_a.held, of_a.of) == (BY_DEVICE, 1.5, 3)


def test_who_held_no_accelerator_makes_it_a_question_of_runs():
    assert told(stay("a", 0, 10, ("gpu0",)), stay("b", 0, 10, ())) == [(0, 10, Fraction(1, 2), EVENLY)]


def test_a_run_can_hold_the_machine_twice_by_two_attempts():
    first = stay("a", 0, 10)
    assert [s.fraction for s in shares_of(first, (first, replace(first, attempt_id="a-2")))] == [
        Fraction(1, 2)
    ]


devices = st.none() | st.sets(st.sampled_from(["g0", "g1", "g2"])).map(lambda names: tuple(sorted(names)))
stays = st.lists(
    st.builds(
        lambda start, length, held: (start, start + length, held),
        st.integers(0, 50),
        st.integers(1, 60),
        devices,
    ),
    min_size=1,
    max_size=6,
)


@given(stays)
def test_at_any_moment_the_parts_of_one_machine_add_up_to_one(given_stays):
    everybody = [stay(f"r{n}", *told) for n, told in enumerate(given_stays)]
    shares = [shares_of(mine, everybody) for mine in everybody]
    for second in range(111):
        moment = at(second + 0.5)
        parts = [
            next((s.fraction for s in of_one if s.start <= moment < s.end), Fraction(1))
            for mine, of_one in zip(everybody, shares, strict=True)
            if mine.start <= moment < mine.end
        ]
        assert not parts or sum(parts) == 1


@given(stays)
def test_together_they_pay_for_the_hours_in_which_the_machine_was_held(given_stays):
    everybody = [stay(f"r{n}", *told) for n, told in enumerate(given_stays)]
    record = compute(1, (0, "3.60"))
    paid = [
        rate(replace(record, start=s.start, end=s.end, machine="box", shares=shares_of(s, everybody)))
        for s in everybody
    ]
    held = sum(any(s.start <= at(n) < s.end for s in everybody) for n in range(111))
    total = sum((charge.amount_usd for charges in paid for charge in charges), Decimal(0))
    assert total == pytest.approx(Decimal("0.001") * held, abs=Decimal("1e-9"))
    assert sum(charge.seconds for charges in paid for charge in charges) == pytest.approx(held)


def test_what_is_shared_is_shared_in_every_part_of_the_cost():
    parts = (part(CostPart.COMPUTE, 0, 60), part(CostPart.LOST_WORK, 60, 100))
    record = replace(compute(100, (0, "36"), parts=parts), machine="box", devices=())
    (mine,) = stays_of((record,))
    shared = replace(record, shares=shares_of(mine, (stay("b", 50, 80),)))
    told = {charge.part: (charge.amount_usd, charge.seconds, charge.fraction) for charge in rate(shared)}
    assert told == {
        CostPart.COMPUTE: (Decimal("0.55"), 55.0, pytest.approx(55 / 60)),
        CostPart.LOST_WORK: (Decimal("0.30"), 30.0, 0.75),
    }


def test_what_nobody_knows_the_machine_of_stays_as_it_was():
    assert stays_of((compute(100),)) == ()
