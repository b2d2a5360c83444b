"""Many windows, every policy: the same answer always, figures that add up, and clear words for bad input."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shoestring.domain.errors import BadInput
from shoestring.domain.workload import AcceleratorRequest, HoursOf, ResourceRequest, Workload
from shoestring.executors.marketfile import BUILT_IN, MarketFile, ZoneFile
from shoestring.policies.greedy import Greedy
from shoestring.policies.on_demand import OnDemand
from shoestring.policies.spot_failover import SpotFailover
from shoestring.policies.uniform_progress import UniformProgress
from shoestring.workflows.markets import Prices, Span, modelled, read_traces, recorded
from shoestring.workflows.simulate import simulate, window_optimum_usd
from shoestring.workflows.simulated_job import Given, simulated_job
from shoestring.workflows.simulation_json import to_json
from tests.sim.given import job, window

NOW = datetime(2026, 11, 2, tzinfo=UTC)
SPAN = Span(step_s=600, deadline_steps=36)
PRICES = Prices(on_demand=3.0, spot=1.0)


def workload(**more: object) -> Workload:
    fields: dict[str, object] = {"name": "job", "run": "true", "work": HoursOf(hours=4.0, accelerator="V100"),
                                 "resources": (ResourceRequest(accelerators=(AcceleratorRequest(name="V100"),)),),
                                 "deadline_s": 6 * 3600.0}  # fmt: skip
    return Workload(**(fields | more))  # type: ignore[arg-type]


def trace_file(folder: Path, zone: str, data: object, gap: object = 600) -> None:
    text = json.dumps({"metadata": {"gap_seconds": gap}, "data": data})
    (folder / f"{zone}.json").write_text(text)


# -- the figures --


def test_the_same_seed_gives_the_same_answer_in_any_number_of_processes() -> None:
    policies = [UniformProgress(), OnDemand()]
    alone, parallel, other = (
        simulate(modelled(BUILT_IN, SPAN, starts=3, seed=seed), job(20, 36), policies, processes=many)
        for seed, many in ((5, 1), (5, 2), (6, 1))
    )

    assert json.dumps(to_json(alone, seed=5)) == json.dumps(to_json(parallel, seed=5))
    assert [s.optimum_usd for s in other.scenes] != [s.optimum_usd for s in alone.scenes]


def test_scores_are_those_of_the_runs() -> None:
    windows = [window("#" * 20), window("." * 20), window("#" * 8 + "." * 12)]
    found = simulate(windows, job(9, 14), [OnDemand(), Greedy(), SpotFailover()], budget_usd=4.0)
    by_name = {s.policy: s for s in found.scores}
    runs = {
        p.policy: [q for s in found.scenes for q in s.played if q.policy == p.policy] for p in found.scores
    }

    assert [s.policy for s in found.scores][-1] == "spot_failover", "the policy that was late comes last"
    assert by_name["spot_failover"].late == 2 and by_name["greedy"].late == 0
    for name, score in by_name.items():
        usd = [r.cost_usd for r in runs[name]]
        assert score.mean_usd == pytest.approx(sum(usd) / 3) and score.p50_usd == pytest.approx(
            sorted(usd)[1]
        )
        assert score.regret == pytest.approx(sum(usd) / sum(s.optimum_usd for s in found.scenes) - 1)
        assert score.over_budget == sum(u > 4.0 for u in usd)
    assert by_name["on_demand"].goodput == pytest.approx(9 / 10)


def test_free_spot_leaves_nothing_to_be_a_share_of() -> None:
    found = simulate([window("#" * 12, spot=0.0)], job(5, 12), [Greedy()])

    assert found.optimum_mean_usd == 0 and found.scores[0].regret is None
    json.dumps(to_json(found, seed=0), allow_nan=False)


def test_the_optimum_follows_prices_that_change() -> None:
    drawn = window("#" * 12)
    drawn.spot_usd_per_hour[:6] = 2.0
    drawn.spot_usd_per_hour[6:] = 0.5

    # 5 steps and 2 minutes of start fill six steps: all of them at the low price
    assert window_optimum_usd(drawn, job(5, 12)) == pytest.approx(6 * 0.5 / 6)


def test_the_optimum_of_a_gang_pays_a_move_once() -> None:
    one, four = (
        window_optimum_usd(
            window("###....." + "....", "....####" + "####", move_usd=usd), job(6, 12, nodes=n)
        )
        for usd, n in ((0.1, 1), (0.4, 4))
    )

    assert four == pytest.approx(4 * one)


# -- windows --


def test_starts_lie_in_equal_slices_of_what_was_recorded(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for zone in ("a", "b"):
        trace_file(tmp_path, zone, rng.integers(0, 2, 500).tolist())
    traces = read_traces(tmp_path, step_s=600)
    windows = recorded(traces, PRICES, Span(step_s=600, deadline_steps=36, past_steps=6), starts=4, seed=3)
    firsts = [round((w.start - windows[0].start).total_seconds() / 600) for w in windows]

    assert [w.zones for w in windows] == [("a", "b")] * 4
    assert all(len(w.available) == 42 and w.past == 6 for w in windows)
    assert sorted(firsts) == firsts and firsts[-1] > 250
    again = recorded(traces, PRICES, Span(step_s=600, deadline_steps=36, past_steps=6), starts=4, seed=3)
    assert all((a.available == b.available).all() for a, b in zip(windows, again, strict=True))


def test_there_are_no_more_windows_than_starts(tmp_path: Path) -> None:
    trace_file(tmp_path, "a", [1] * 38)
    windows = recorded(read_traces(tmp_path, step_s=600), PRICES, SPAN, starts=10, seed=0)

    assert len({w.start for w in windows}) == len(windows) == 3


def test_dated_prices_are_laid_side_by_side_where_they_overlap(tmp_path: Path) -> None:
    for zone, day, usd in (("a", 1, 1.0), ("b", 2, 2.0)):
        rows = "".join(f"2026-01-{d:02d}T00:00:00Z,{usd + d / 100}\n" for d in range(day, day + 4))
        (tmp_path / f"{zone}.csv").write_text("timestamp,price\n" + rows)
    a, b = read_traces(tmp_path, step_s=3600)

    assert a.start == b.start == datetime(2026, 1, 2, tzinfo=UTC)
    assert len(a.available) == len(b.available) == 49
    assert (a.price(0), b.price(0), a.price(24 * 3600)) == (1.02, 2.02, 1.03)


def test_recorded_prices_go_before_the_usual_one_and_told_ones_before_both(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        json.dumps({"metadata": {"gap_seconds": 600}, "data": [1] * 40, "prices": [0.7] * 40})
    )
    trace_file(tmp_path, "b", [1] * 40)
    trace_file(tmp_path, "c", [1] * 40)
    prices = Prices(on_demand=3.0, spot=1.0, by_zone={"c": 0.2})
    [drawn] = recorded(read_traces(tmp_path, step_s=600), prices, SPAN, starts=1, seed=0)

    assert drawn.spot_usd_per_hour[0].tolist() == [0.7, 1.0, 0.2]


def test_a_recording_of_counts_is_up_where_the_whole_gang_fits(tmp_path: Path) -> None:
    trace_file(tmp_path, "a", [4, 3, 16, 0])
    [trace] = read_traces(tmp_path, step_s=600, nodes=4)

    assert trace.available.tolist() == [True, False, True, False]


# -- bad input --


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "no trace in it"),
        ({"a.json": ""}, r"a\.json: a: no availability trace"),
        ({"a.json": "[1, 2"}, r"a\.json: a: no availability trace"),
        ({"a.json": '{"metadata": {"gap_seconds": 600}, "data": []}'}, "holds no samples"),
        ({"a.json": '{"metadata": {"gap_seconds": 0}, "data": [1]}'}, "gap of 0.0 s"),
        ({"a.json": '{"metadata": {"gap_seconds": 600}, "data": [1, -1]}'}, "sample 1 is -1"),
        ({"a.json": '{"metadata": {"gap_seconds": 600}, "data": [1, "up"]}'}, "sample 1 is 'up'"),
        ({"a.json": '{"metadata": {"gap_seconds": 600}, "data": [1, 1], "prices": [1, -0.5]}'},
         r"price -0.5 \$/h in sample 1"),
        ({"a.json": '{"metadata": {"gap_seconds": 600}, "data": [1, 1], "prices": [1]}'}, "1 prices for 2 samples"),
        ({"a.json": '{"metadata": {"gap_seconds": 600}, "data": [1, 1], "prices": [1, NaN]}'}, "price nan"),
        ({"a.csv": ""}, "columns timestamp and price"),
        ({"a.csv": "timestamp,price\n2026-01-01,cheap\n"}, "line 2: could not convert"),
        ({"a.csv": "timestamp,price\n2026-01-01,1\n2026-01-02,-1\n"}, r"price -1.0 \$/h"),
        ({"a.csv": "timestamp,price\nyesterday,1\n"}, "line 2: Invalid isoformat"),
        ({"a.json": '{"metadata": {"gap_seconds": 600}, "data": [1, 1]}',
          "b.json": '{"metadata": {"gap_seconds": 600}, "data": [1, 1, 1]}'}, "b has 3 samples of 600 s, a has 2"),
        ({"a.json": '{"metadata": {"gap_seconds": 600}, "data": [1, 1]}',
          "b.csv": "timestamp,price\n2026-01-01,1\n"}, "a says no dates, b does"),
        ({"a.csv": "timestamp,price\n2026-01-01,1\n", "b.csv": "timestamp,price\n2026-02-01,1\n"},
         "no time is covered by all traces: b begins at 2026-02-01"),
        ({"a.json": b"\xff\xfe\x00"}, "codec can't decode"),
    ],
)  # fmt: skip
def test_bad_traces_are_refused_by_name(tmp_path: Path, files: dict[str, Any], message: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(BadInput, match=message) as caught:
        read_traces(tmp_path, step_s=600)
    assert caught.value.next_step


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="nowhere: No such file"):
        read_traces(tmp_path / "nowhere", step_s=600)


def test_recordings_without_prices_or_of_a_short_time_are_refused(tmp_path: Path) -> None:
    trace_file(tmp_path, "a", [1] * 30)
    traces = read_traces(tmp_path, step_s=600)

    with pytest.raises(BadInput, match="a: the trace knows no price"):
        recorded(traces, Prices(on_demand=3.0), Span(step_s=600, deadline_steps=9), starts=1, seed=0)
    with pytest.raises(BadInput, match=r"cover 5\.0 h; .* takes 6\.0 h"):
        recorded(traces, PRICES, SPAN, starts=1, seed=0)


def test_a_market_without_spot_or_with_recordings_is_no_model() -> None:
    steady = MarketFile(zones={"a": ZoneFile(region="r", on_demand=1.0)})
    taped = MarketFile(zones={"a": ZoneFile(region="r", spot=1.0, on_demand=2.0, trace=Path("a.json"))})

    with pytest.raises(BadInput, match="no zone of the market sells spot"):
        modelled(steady, SPAN, starts=1, seed=0)
    with pytest.raises(BadInput, match=r"zones\.a is recorded"):
        modelled(taped, SPAN, starts=1, seed=0)


# -- the job --


def test_the_job_is_rounded_so_that_it_can_only_get_harder() -> None:
    made = simulated_job(
        workload(), Given(work_s=3601.0, restart_s=61.0, deadline_s=7799.0), step_s=600, now=NOW
    )

    assert (made.work_s, made.restart_s, made.deadline_steps) == (3660, 120, 12)


@pytest.mark.parametrize(
    ("given", "more", "message"),
    [
        (Given(deadline_s=4 * 3600.0), {}, r"impossible deadline: 4\.00 h of work .* at best, the deadline is 4\.00 h"),
        (Given(deadline_s=599.0), {}, "impossible deadline"),
        (Given(), {"deadline_s": None}, "no deadline, so nothing could be late"),
        (Given(), {"deadline_s": None, "deadline_at": datetime(2026, 11, 1, tzinfo=UTC)}, "impossible deadline"),
        (Given(), {"work": None}, "how long the work takes on V100 is unknown"),
        (Given(), {"work": HoursOf(hours=4, accelerator="H100")}, "on V100 is unknown"),
    ],
)  # fmt: skip
def test_jobs_that_cant_be_simulated_say_why(given: Given, more: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        simulated_job(workload(**more), given, step_s=600, now=NOW)
    assert caught.value.next_step
