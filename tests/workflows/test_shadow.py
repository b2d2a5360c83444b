"""Beside a job that runs elsewhere: where the window lies, what it cost there, and what would have been saved."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from shoestring.domain.errors import BadInput
from shoestring.market.traces import parse_availability
from shoestring.policies.on_demand import OnDemand
from shoestring.policies.spot_failover import SpotFailover
from shoestring.workflows.markets import Prices, Span, read_traces, window_at
from shoestring.workflows.shadow import billed, shadow, uninterrupted
from tests.sim.given import job, window

SPAN = Span(step_s=3600, deadline_steps=5, past_steps=2)
PRICES = Prices(on_demand=3.0)


def dated(folder: Path) -> Path:
    """Twelve hours of the 2nd of January, at $1.00 in the first hour, $1.01 in the second ..."""
    rows = "".join(f"2026-01-02T{hour:02d}:00:00Z,{1 + hour / 100}\n" for hour in range(12))
    (folder / "a.csv").write_text("timestamp,price\n" + rows)
    return folder


def test_a_moment_or_a_duration_names_the_hour_of_submission(tmp_path: Path) -> None:
    traces = read_traces(dated(tmp_path), step_s=3600)
    by_moment = window_at(traces, PRICES, SPAN, datetime(2026, 1, 2, 4, tzinfo=UTC))
    by_duration = window_at(traces, PRICES, SPAN, 4 * 3600.0)

    assert by_moment.start == by_duration.start == datetime(2026, 1, 2, 2, tzinfo=UTC) and by_moment.dated
    assert by_moment.spot_usd_per_hour[:, 0].tolist() == [1.02, 1.03, 1.04, 1.05, 1.06, 1.07, 1.08]


@pytest.mark.parametrize("hours", [0.0, 1.0, 8.0])
def test_a_start_outside_the_recordings_says_which_ones_they_hold(tmp_path: Path, hours: float) -> None:
    with pytest.raises(BadInput, match=r"they hold runs from 2\.0 h to 7\.0 h"):
        window_at(read_traces(dated(tmp_path), step_s=3600), PRICES, SPAN, hours * 3600)


def test_a_moment_means_nothing_in_undated_recordings() -> None:
    trace = parse_availability('{"metadata": {"gap_seconds": 3600}, "data": [1, 1, 1, 1, 1, 1, 1, 1]}', "a")

    with pytest.raises(BadInput, match="say no dates"):
        window_at([trace], Prices(on_demand=3.0, spot=1.0), SPAN, datetime(2026, 1, 2, tzinfo=UTC))


def test_what_is_saved_is_the_bill_less_what_the_policy_would_have_paid() -> None:
    drawn, wanted = window("#" * 12), job(5.8, 10)
    found = shadow(drawn, wanted, SpotFailover(), uninterrupted(drawn, wanted))

    assert found.elsewhere.usd == pytest.approx(3.0) and found.played.cost_usd == pytest.approx(1.0)
    assert found.saved_usd == pytest.approx(2.0) and found.optimum_usd == pytest.approx(1.0)
    assert [t.event for t in found.played.turns] == ["launch", "done"]


def test_a_policy_that_is_dearer_than_the_bill_saves_less_than_nothing() -> None:
    drawn, wanted = window("#" * 12), job(5.8, 10)
    found = shadow(drawn, wanted, OnDemand(), billed(1.25, wanted, hours=2.0))

    assert found.saved_usd == pytest.approx(1.25 - 3.0)
    assert (found.elsewhere.spent_usd(1.0), found.elsewhere.spent_usd(9.0)) == (0.625, 1.25)


def test_a_gang_elsewhere_pays_for_every_node() -> None:
    wanted = job(5.8, 10, nodes=4)

    assert uninterrupted(window("#" * 12), wanted).usd == pytest.approx(12.0)
