"""Where a receipt's numbers come from: how much of the time was metered, and by what."""

from dataclasses import replace

import pytest

from shoestring.domain.run import MeterTotals
from shoestring.ledger.provenance import energy_of, utilization_of
from tests.ledger.making import attempt, compute


def metered(number, energy_j=None, *, sampled_s=600.0, kind="measured", busy_s=None, idle_s=None):
    a = attempt(number, 0, 1000)
    meter = MeterTotals(
        sampled_s=sampled_s, energy_j=energy_j, energy_kind=kind, busy_s=busy_s, idle_s=idle_s
    )
    return replace(a, observation=replace(a.observation, meter=meter))


HELD = compute(1000, record_id="a1/compute")


def test_energy_stands_for_the_time_that_was_metered():
    told = energy_of((metered(1, 7.2e6),), (HELD,))
    assert (told.kwh, told.kind, told.covered) == (2.0, "measured", 0.6)
    assert energy_of((metered(1, 7.2e6, sampled_s=5000.0),), (HELD,)).covered == 1.0
    assert energy_of((metered(2, 7.2e6),), (HELD,)).covered == 0.0, "another attempt's time"
    assert energy_of((metered(1, 7.2e6),), ()).covered is None


def test_measured_and_estimated_energy_together_are_mixed():
    both = (metered(1, 3.6e6), metered(2, 1.8e6, kind="estimate"))
    assert (energy_of(both, (HELD,)).kwh, energy_of(both, (HELD,)).kind) == (1.5, "mixed")
    assert energy_of((metered(1, 3.6e6, kind=None),), (HELD,)).kind == "estimate"


def test_what_nobody_metered_is_unknown():
    nothing = energy_of((metered(1), attempt(2, 0, 10)), (HELD,))
    assert (nothing.kwh, nothing.kind, nothing.covered) == (None, None, None)


def test_utilization_is_of_the_time_that_was_watched():
    watched = [
        metered(1, busy_s=30.0, idle_s=10.0),
        metered(2, busy_s=10.0, idle_s=30.0),
        metered(3, busy_s=5.0),
    ]
    assert utilization_of(watched) == pytest.approx(0.5)
    assert utilization_of(watched[:1]) == pytest.approx(0.75)
    assert utilization_of([metered(1, busy_s=0.0, idle_s=0.0), attempt(2, 0, 10)]) is None
    assert utilization_of([metered(1, busy_s=0.5, idle_s=0.0)]) == 1.0
