"""Traces: recordings become regular grids, and what is not a recording is refused by name and place."""

import json
import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.market.traces import Trace, overlapping, parse_availability, parse_prices, same_grid


def a_trace(states: str, gap_s: float = 600.0, prices: list[float] | None = None) -> Trace:
    """``#`` is up, ``.`` is down."""
    return Trace(
        zone="z",
        gap_s=gap_s,
        available=np.array([s == "#" for s in states]),
        price_usd_per_hour=None if prices is None else np.array(prices, dtype=float),
    )


def test_a_recording_says_one_for_available() -> None:
    trace = parse_availability('{"metadata": {"gap_seconds": 195}, "data": [1, 0, 1.0]}', "us-west-2a")

    assert trace.gap_s == 195 and trace.available.tolist() == [True, False, True]
    assert trace.price(0.0) is None


def test_a_multi_node_recording_counts_instances() -> None:
    text = '{"metadata": {"gap_seconds": 60}, "data": [4, 3, 0]}'

    assert parse_availability(text, "z", instances=4).available.tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no availability trace"),
        ("[1, 0]", "no availability trace"),
        ('{"metadata": {}, "data": [1]}', "gap_seconds"),
        ('{"metadata": {"gap_seconds": "soon"}, "data": [1]}', "no availability trace"),
        ('{"metadata": {"gap_seconds": 0}, "data": [1]}', "positive distance"),
        ('{"metadata": {"gap_seconds": Infinity}, "data": [1]}', "positive distance"),
        ('{"metadata": {"gap_seconds": 60}, "data": []}', "holds no samples"),
        ('{"metadata": {"gap_seconds": 60}, "data": {"0": 1}}', "holds no samples"),
        ('{"metadata": {"gap_seconds": 60}, "data": [1, "1"]}', "sample 1"),
        ('{"metadata": {"gap_seconds": 60}, "data": [1, 0, -1]}', "sample 2"),
        ('{"metadata": {"gap_seconds": 60}, "data": [NaN]}', "sample 0"),
        ('{"metadata": {"gap_seconds": 60}, "data": [true]}', "sample 0"),
        ('{"metadata": {"gap_seconds": 60}, "data": [1, 1], "prices": [0.5]}', "1 prices for 2 samples"),
        ('{"metadata": {"gap_seconds": 60}, "data": [1, 1], "prices": [0.5, -1]}', "sample 1"),
        ('{"metadata": {"gap_seconds": 60}, "data": [1], "prices": ["dear"]}', "list of numbers"),
        ('{"metadata": {"gap_seconds": 60}, "data": [1], "prices": {}}', "list of numbers"),
        pytest.param("[" * 100_000, "no availability trace", id="a nest without end"),
    ],
)
def test_what_is_no_recording_is_refused_with_zone_and_place(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as refused:
        parse_availability(text, "us-west-2a")
    assert "us-west-2a" in str(refused.value)


def test_dated_prices_hold_until_the_next_one() -> None:
    text = (
        "timestamp,price\n2026-01-05T02:00:00Z,0.50\n2026-01-05T00:30:00Z,0.40\n2026-01-05T00:00:00Z,0.30\n"
    )
    trace = parse_prices(text, "z")

    assert trace.price_usd_per_hour is not None
    assert trace.price_usd_per_hour.tolist() == [0.30, 0.40, 0.50], "the last price at or before each hour"
    assert trace.available.all() and trace.start is not None and trace.start.hour == 0


def test_dated_prices_may_say_when_there_was_no_capacity() -> None:
    rows = "2026-01-05T00:00:00Z,0.3,1\n2026-01-05T01:00:00Z,0.3,0\n"

    assert parse_prices("timestamp,price,available\n" + rows, "z").available.tolist() == [True, False]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "columns timestamp and price"),
        ("timestamp,price\n", "at least one row"),
        ("when,usd\n2026-01-05,1\n", "columns timestamp and price"),
        ("timestamp,price\n2026-01-05T00:00:00Z,0.3\nyesterday,0.3\n", "line 3"),
        ("timestamp,price\n2026-01-05T00:00:00Z,\n", "line 2"),
        ("timestamp,price\n2026-01-05T00:00:00Z\n", "line 2"),
        ("timestamp,price\n2026-01-05T00:00:00Z,-0.3\n", "a price is 0 or more"),
        ("timestamp,price\n2026-01-05T00:00:00Z,nan\n", "a price is 0 or more"),
        pytest.param("timestamp,price\n" + "9" * 200_000, "no CSV", id="a field without end"),
        ("timestamp,price\n0001-01-01T00:00:00Z,1\n9999-01-01T00:00:00Z,1\n", "larger gap"),
    ],
)
def test_what_is_no_price_list_is_refused_with_its_line(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse_prices(text, "z")


def test_a_running_instance_is_lost_when_its_zone_goes_down_and_traces_repeat() -> None:
    trace = a_trace("##.#")

    assert trace.next_loss_s(0.0) == 1200.0
    assert trace.next_loss_s(1300.0) == 1300.0, "down already"
    assert trace.next_loss_s(1900.0) == 2400.0 + 1200.0, "the fourth sample runs on into the next round"
    assert a_trace("##").next_loss_s(5.0) == math.inf


@given(
    states=st.text("#.", min_size=1, max_size=30),
    at=st.floats(0, 60_000),
    gap_s=st.sampled_from([60.0, 195.0]),
)
def test_the_next_loss_is_the_first_down_sample_found_by_walking(
    states: str, at: float, gap_s: float
) -> None:
    trace = a_trace(states, gap_s)
    walked = at if not trace.up(at) else math.inf
    first = int(at // gap_s)
    for i in range(first + 1, first + len(states) + 1):
        if walked == math.inf and not trace.up(i * gap_s):
            walked = i * gap_s

    assert trace.next_loss_s(at) == walked


@given(prices=st.lists(st.sampled_from([0.3, 0.4]), min_size=1, max_size=20), at=st.floats(0, 30_000))
def test_a_price_holds_until_its_next_change(prices: list[float], at: float) -> None:
    trace = a_trace("#" * len(prices), 600.0, prices)
    change = trace.next_price_change_s(at)

    if change == math.inf:
        assert len(set(prices)) == 1
    else:
        assert change > at and trace.price(change) != trace.price(at)
        assert trace.price(change - 300.0) == trace.price(at)


def test_resampling_takes_the_last_sample_at_or_before() -> None:
    trace = a_trace("#.##", 195.0, [1, 2, 3, 4]).resample(300.0)

    assert trace.available.tolist() == [True, False]
    assert trace.price_usd_per_hour is not None and trace.price_usd_per_hour.tolist() == [1.0, 2.0]


def test_resampling_on_the_same_grid_changes_nothing() -> None:
    trace = a_trace("#.#.##..", 195.0)

    assert trace.resample(195.0).available.tolist() == trace.available.tolist()


def test_zones_fit_together_only_on_one_grid() -> None:
    with pytest.raises(ValueError, match="resample them or cut"):
        same_grid([a_trace("##"), a_trace("###")])
    with pytest.raises(ValueError, match="resample them or cut"):
        same_grid([a_trace("##"), a_trace("##", 60.0)])
    with pytest.raises(ValueError, match="twice"):
        same_grid([a_trace("##"), a_trace("##")])
    with pytest.raises(ValueError, match="no traces"):
        same_grid([])


@given(data=st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=8))
def test_any_other_json_is_refused_in_words(data: object) -> None:
    with pytest.raises(ValueError):
        parse_availability(json.dumps({"metadata": {"gap_seconds": data}, "data": data}), "z")


@pytest.mark.parametrize("gap_s", [0.0, -1.0, math.inf, math.nan])
def test_samples_need_a_distance(gap_s: float) -> None:
    with pytest.raises(ValueError, match=r"z: gap of .* positive distance"):
        a_trace("##", gap_s)


def test_a_price_without_changes_never_changes() -> None:
    assert a_trace("##").next_price_change_s(5.0) == math.inf
    assert a_trace("##", prices=[1.0, 1.0]).next_price_change_s(5.0) == math.inf
    assert a_trace("##", prices=[1.0, 2.0]).next_price_change_s(5.0) == 600.0


def dated(states: str, hour: float, zone: str, gap_s: float = 600.0) -> Trace:
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
    return replace(a_trace(states, gap_s), zone=zone, start=start)


def test_dated_traces_are_cut_to_the_time_that_all_of_them_cover() -> None:
    early = replace(dated("##..#", 0, "a"), price_usd_per_hour=np.array([1.0, 2.0, 3.0, 4.0, 5.0]))
    late = dated("#.#.#", 1 / 3, "b")  # two samples later
    first, second = overlapping([early, late])
    assert first.available.tolist() == [False, False, True] and second.available.tolist() == [
        True,
        False,
        True,
    ]
    assert first.price_usd_per_hour is not None and first.price_usd_per_hour.tolist() == [3.0, 4.0, 5.0]
    assert second.price_usd_per_hour is None and first.start == second.start == late.start


def test_traces_without_dates_stay_as_they_are() -> None:
    pair = (a_trace("##"), a_trace("#.#"))
    assert overlapping(pair) == pair


def test_traces_that_can_not_be_laid_side_by_side_are_refused() -> None:
    with pytest.raises(ValueError, match="z says no dates, a does"):
        overlapping([dated("##", 0, "a"), a_trace("##")])
    with pytest.raises(ValueError, match="different gaps"):
        overlapping([dated("##", 0, "a"), dated("##", 0, "b", 60.0)])
    with pytest.raises(ValueError, match="no time is covered by all traces: b begins at 2026-01-01T01:00"):
        overlapping([dated("##", 0, "a"), dated("##", 1, "b")])
