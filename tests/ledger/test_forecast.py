"""Forecasts whose bands hold what they promise, and anomalies that name their driver."""

import numpy as np
import pytest

from shoestring.ledger.anomalies import anomalies
from shoestring.ledger.forecast import expected_days, forecast

RNG_SEED = 7


def months(seed, days=120, noise=5.0, trend=0.3):
    """A weekly rhythm on a slow trend, with heavy-tailed noise."""
    rng = np.random.default_rng(seed)
    rhythm = np.array([100, 110, 105, 100, 90, 30, 25.0])
    return np.maximum(
        0, rhythm[np.arange(days) % 7] + trend * np.arange(days) + noise * rng.standard_t(4, days)
    )


def test_a_steady_past_goes_on():
    told = forecast([10.0] * 30, 7)
    assert told.days == pytest.approx([10.0] * 7)
    assert (told.total, told.total_low, told.total_high) == pytest.approx((70, 70, 70))


def test_the_week_has_its_rhythm():
    told = forecast([100, 100, 100, 100, 100, 0, 0] * 6, 7)
    assert told.days == pytest.approx([100] * 5 + [0] * 2)
    assert told.method == "weekly_trend"


def test_a_short_past_gives_its_rate():
    assert forecast([4.0, 6.0], 3).method == "run_rate"
    assert forecast([4.0, 6.0], 3).total == pytest.approx(15)


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9])
def test_bands_hold_as_many_days_as_they_promise(coverage):
    held = []
    for seed in range(9):
        past = months(RNG_SEED + seed)
        for cut in range(60, 113, 13):
            told = forecast(past[:cut], 7, coverage=coverage)
            held += [low <= v <= high for low, v, high in zip(told.low, past[cut:], told.high, strict=False)]
    assert coverage - 0.06 <= np.mean(held) <= coverage + 0.08


def test_the_backtest_is_told():
    assert forecast(months(1), 7).backtest_coverage == pytest.approx(0.8, abs=0.12)
    assert forecast([1.0] * 5, 7).backtest_coverage is None


def test_one_wild_day_does_not_bend_the_forecast():
    calm = months(3)
    wild = calm.copy()
    wild[50] = 10_000
    assert forecast(wild, 7).total == pytest.approx(forecast(calm, 7).total, rel=0.02)


@pytest.mark.parametrize(("history", "ahead"), [([], 1), ([1.0], 0), ([float("nan")], 1)])
def test_no_past_no_forecast(history, ahead):
    with pytest.raises(ValueError):
        forecast(history, ahead)


def two_teams(seed=1, days=60):
    rng = np.random.default_rng(seed)
    return {"nlp": 50 + rng.normal(0, 2, days), "vision": 80 + rng.normal(0, 2, days)}


def test_a_spike_names_its_day_and_its_driver():
    series = two_teams()
    series["vision"][40] += 200
    (found,) = anomalies(series)
    assert (found.day, found.kind, found.drivers[0][0]) == (40, "spike", "vision")
    assert found.usd == pytest.approx(200, abs=15)


def test_a_lasting_change_is_a_level_with_its_cause():
    for cause, use in [("price", 0.2), ("quantity", 0.8)]:
        series = two_teams()
        before = np.median(series["nlp"][:30])
        series["nlp"][30:] += 65
        grown = (
            np.median(series["nlp"][30:]) / before
        )  # to which more use and a dearer price have led together
        quantities = np.full(60, 100.0)
        quantities[30:] *= grown**use
        levels = [a for a in anomalies(series, {"nlp": quantities}) if a.kind == "level"]
        assert [(a.day, a.drivers[0][0], a.because) for a in levels] == [(30, "nlp", cause)]


def test_a_driver_without_known_quantities_has_no_cause():
    series = two_teams()
    series["vision"][40] += 200
    (found,) = anomalies(series, {"nlp": [1.0] * 60, "vision": [0.0] * 60})
    assert found.because is None
    (found,) = anomalies(series, {"nlp": [1.0] * 60})
    assert found.because is None


def test_use_that_begins_is_quantity():
    series = two_teams()
    series["new"] = np.zeros(60)
    series["new"][45:] += 90
    hours = np.zeros(60)
    hours[45:] = 30.0
    levels = [a for a in anomalies(series, {"new": hours}) if a.kind == "level"]
    assert [(a.day, a.drivers[0][0], a.because) for a in levels] == [(45, "new", "quantity")]


def test_ordinary_months_are_left_in_peace():
    alarms = [len(anomalies({"all": months(seed, trend=0.0)})) for seed in range(20)]
    assert sum(alarms) <= 10  # 20 x 120 days of heavy-tailed noise


def test_cents_and_short_pasts_alarm_nobody():
    assert anomalies({"a": [0.01] * 20 + [0.5]}) == ()
    assert anomalies({"a": [1.0, 1.0, 90.0]}) == ()
    assert anomalies({}) == ()


def test_too_few_days_for_two_levels_have_none():
    steady = [5.0, 6.0, 5.0, 6.0, 5.0, 6.0, 5.0, 6.0, 5.0]
    assert anomalies({"a": steady[:8]}) == () == anomalies({"a": steady})


def test_a_few_days_have_the_band_of_a_normal_spread_that_widens_with_the_root_of_the_days():
    """1, 2, 3: mean 2, standard deviation the root of two thirds; 1.2816 of it on each side hold 80 %."""
    told = forecast([1.0, 2.0, 3.0], 4)
    margin = 1.2816 * (2 / 3) ** 0.5
    assert told.high == pytest.approx([2 + margin] * 4) and told.low == pytest.approx([2 - margin] * 4)
    assert (told.total_low, told.total_high) == pytest.approx((8 - 2 * margin, 8 + 2 * margin))
    assert (told.coverage, told.backtest_coverage) == (0.8, None)


def test_spending_is_never_below_nothing():
    told = forecast([0.0, 9.0, 0.0], 2)
    assert min(told.low) == 0.0 == told.total_low
    assert min(forecast(list(range(40, 0, -1)), 60).days) == 0.0


def test_five_weeks_are_enough_to_forget_how_the_first_two_were_guessed():
    """Bands come from forecasts made with a season, as soon as there are 35 days; before that from all."""
    wild = [0.0, 60.0] * 7 + [10.0] * 21
    before, after = (forecast(wild[:days], 1) for days in (34, 35))
    assert before.high[0] - before.days[0] > 30
    assert after.high[0] - after.days[0] < 2


def test_a_growing_past_grows_on_ever_more_slowly():
    """A dollar more each day: 0.9, 0.81, 0.729 ... of it on the days ahead, on the season's level."""
    told = forecast([float(day) for day in range(28)], 3)
    assert told.days == pytest.approx([27.9, 28.71, 29.439])


def test_a_forecast_is_for_at_least_one_finite_day():
    for history, ahead in (([], 1), ([1.0], 0), ([float("nan")], 1), ([1.0, float("inf")], 1)):
        with pytest.raises(ValueError, match="at least one past day"):
            forecast(history, ahead)
    assert forecast([3.0], 1).days == (3.0,)
    assert expected_days([3.0, 5.0], 2) == (4.0, 4.0)


def test_eight_days_are_enough_to_see_a_spike():
    spike = [10.0, 11.0, 10.0, 11.0, 10.0, 11.0, 10.0, 90.0]
    (found,) = anomalies({"a": spike})
    assert (found.day, found.kind) == (7, "spike")
    assert anomalies({"a": spike[1:]}) == ()


def test_the_first_dollars_after_nothing_are_odd():
    (found,) = anomalies({"a": [0.0] * 20 + [5.0]})
    assert (found.day, found.kind, found.usd, found.expected_usd) == (20, "spike", 5.0, 0.0)
    assert anomalies({"a": [0.0] * 20 + [5.0]}, least_usd=5.01) == ()


def test_a_drop_is_told_with_what_is_missing():
    (found,) = anomalies({"a": [100.0] * 20 + [40.0]})
    assert (found.day, found.kind, found.usd, found.expected_usd) == (20, "drop", -60.0, 100.0)
    assert found.drivers == (("a", -60.0),)
    assert found.score == pytest.approx(-12.0)  # of a twentieth of what is usual


def test_a_level_is_told_with_how_much_and_from_where():
    for before, after in ((100.0, 150.0), (150.0, 100.0)):
        told = anomalies({"a": [before] * 30 + [after] * 30})
        (level,) = [a for a in told if a.kind == "level"]
        assert level.day == 30 and (level.expected_usd, level.usd) == pytest.approx((before, after - before))


def test_a_weekday_is_usual_by_its_own_kind_once_there_are_three_of_them():
    """Mondays cost 100 and other days 10; the fourth Monday is no news, the third one still is."""
    days = [100.0 if day % 7 == 0 else 10.0 for day in range(28)]
    assert 21 not in [a.day for a in anomalies({"a": days}) if a.kind == "spike"]
    assert 14 in [a.day for a in anomalies({"a": days}) if a.kind == "spike"]


def test_a_dollar_is_worth_a_word_unless_said_otherwise():
    assert len(anomalies({"a": [0.0] * 20 + [1.0]})) == 1
    assert anomalies({"a": [0.0] * 20 + [0.99]}) == ()
    assert len(anomalies({"a": [0.0] * 20 + [0.5]}, least_usd=0.5)) == 1
