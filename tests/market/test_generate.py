"""Generated zones: the same seed gives the same zone, and hazards fall with age as recordings show."""

import numpy as np
import pytest

from shoestring.market.generate import ZoneShape, generate
from shoestring.market.traces import Trace

YEAR_H = 24.0 * 365


def runs_of(trace: Trace, up: bool) -> np.ndarray:
    """Lengths of whole runs in samples (the last one is cut off and left out)."""
    edges = np.flatnonzero(np.diff(trace.available.astype(int))) + 1
    lengths = np.diff(np.concatenate([[0], edges]))
    first_up = bool(trace.available[0])
    return lengths[0 if first_up == up else 1 :: 2]


def a_zone(seed: int = 7, zone: str = "us-east-1a", hours: float = YEAR_H, **more: object) -> Trace:
    return generate(zone, seed=seed, hours=hours, spot_usd_per_hour=0.4, gap_s=600.0, **more)  # type: ignore[arg-type]


def test_the_same_seed_and_name_give_the_same_zone() -> None:
    one, two = a_zone(), a_zone()

    assert (one.available == two.available).all()
    assert (one.price_usd_per_hour == two.price_usd_per_hour).all()


@pytest.mark.parametrize("other", [{"seed": 8}, {"zone": "us-east-1b"}])
def test_another_seed_or_name_gives_another_zone(other: dict[str, object]) -> None:
    assert (a_zone().available != a_zone(**other).available).any()  # type: ignore[arg-type]


def test_young_instances_are_lost_more_often_than_old_ones() -> None:
    lengths = runs_of(a_zone(), up=True)
    young = np.mean(lengths <= 6)  # gone within the first hour
    old = lengths[lengths > 36]  # six hours old
    next_hour = np.mean(old <= 42)

    assert young > 2.5 * next_hour > 0, f"first hour {young:.2f}, an hour of the old {next_hour:.2f}"


def test_down_times_and_up_times_have_the_means_of_their_shape() -> None:
    shape = ZoneShape()
    lengths = runs_of(a_zone(), up=True) / 6
    mean_up_h = shape.long_up_share * shape.long_up_h + (1 - shape.long_up_share) * shape.short_up_h

    assert np.mean(lengths) == pytest.approx(mean_up_h, rel=0.12)
    down_h = shape.long_down_share * shape.long_down_h + (1 - shape.long_down_share) * shape.short_down_h
    assert np.mean(runs_of(a_zone(), up=False) / 6) == pytest.approx(down_h, rel=0.12)


def test_a_first_state_can_be_asked_for() -> None:
    assert all(a_zone(seed=s, hours=1.0, starts_up=True).up(0.0) for s in range(20))
    assert not any(a_zone(seed=s, hours=1.0, starts_up=False).up(0.0) for s in range(20))


def test_prices_begin_as_given_and_change_by_the_hour_within_bounds() -> None:
    price = a_zone(shape=ZoneShape(drift=0.5)).price_usd_per_hour

    assert price is not None and price[0] == 0.4
    assert price.min() >= 0.2 and price.max() <= 0.6
    assert (np.flatnonzero(np.diff(price)) % 6 == 5).all(), "six samples an hour: changes fall on its end"


def test_without_drift_the_price_stays() -> None:
    price = a_zone(shape=ZoneShape(drift=0.0)).price_usd_per_hour

    assert price is not None and len(set(price.tolist())) == 1
