"""The deadline policy beside every baseline and the omniscient optimum, scored by the spot referee.

    python bench/spot.py --traces ../shared/data/spot-traces-dev/check --json spot.json
    python bench/spot.py --traces ../shared/data/spot-traces-dev/check --ablation --starts 3

Prints, for one zone, several zones with free moves and several zones with paid moves: mean cost, distance to
the optimum with a bootstrap interval, by deadline and by restart overhead, lateness, worst run, time per
decision (median and 99th percentile, measured here). The referee and its traces lie beside the repository
(../shared); without them this says so and ends.
"""

import argparse
import importlib.util
import json
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

import spot_adapter
from _machine import describe
from shoestring.policies.lookahead import Style

SHARED = Path(__file__).resolve().parents[2] / "shared"
USD_PER_GB = 0.09  # typical price between regions; a move of 5 $ is a checkpoint of some 55 GB
MODES = (("single", 0.0), ("multi", 0.0), ("multi", 5.0))


def main() -> int:
    options = _arguments()
    referee = _referee(options.referee)
    if referee is None or not options.traces.is_dir():
        print(f"skipped: needs the referee ({options.referee}) and a folder of traces ({options.traces})")
        return 0
    out: dict[str, Any] = {"machine": describe("numpy"), "command": sys.argv[1:]}
    if options.ablation:
        out["ablation"] = _ablation(referee, options)
    else:
        out["table"] = _table(referee, options)
        out["checkpoint_sizes"] = _checkpoint_sizes(referee, options)
        out["decisions"] = _latency(referee, options)
    if options.json:
        options.json.write_text(json.dumps(out, indent=1) + "\n")
        print(f"\nwritten: {options.json}")
    return 0


def _table(referee: ModuleType, options: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    for mode, move_usd in MODES:
        result = _score(referee, options, mode, move_usd)
        print(f"\n=== {_title(mode, move_usd)} ===\n" + referee.render(result))
        rows.append({k: v for k, v in result.items() if k != "runs"})
    return rows


def _checkpoint_sizes(referee: ModuleType, options: argparse.Namespace) -> list[dict[str, float]]:
    print(f"\n=== by checkpoint size, {USD_PER_GB} $/GB between zones ===")
    print(
        f"{'GB':>6} {'$/move':>7} {'ours $':>8} {'over optimum':>13} {'UP over':>9} {'best zone over':>15} {'moves':>6}"
    )
    rows = []
    for size_gb in (1, 10, 100, 1000):
        result = _score(referee, options, "multi", size_gb * USD_PER_GB, starts=min(options.starts, 2))
        ours, up, stay = (result["policies"][n] for n in ("adapter", "up", "up_best_zone"))
        row = {
            "size_gb": size_gb, "move_usd": size_gb * USD_PER_GB, "mean_usd": ours["mean_usd"],
            "above_optimum_percent": ours["above_optimum"]["percent"],
            "up_above_optimum_percent": up["above_optimum"]["percent"],
            "best_zone_above_optimum_percent": stay["above_optimum"]["percent"],
            "zone_changes": ours["zone_changes_per_run"], "late_runs": ours["late_runs"],
        }  # fmt: skip
        rows.append(row)
        print(f"{size_gb:6d} {row['move_usd']:7.2f} {row['mean_usd']:8.2f} {row['above_optimum_percent']:+12.1f} % "
              f"{row['up_above_optimum_percent']:+7.1f} % {row['best_zone_above_optimum_percent']:+13.1f} % "
              f"{row['zone_changes']:6.2f}")  # fmt: skip
    return rows


def _ablation(referee: ModuleType, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Take one idea out at a time; the rest as in production."""
    plain = spot_adapter.STYLE
    one_class = replace(plain, learning=replace(plain.learning, zone=1e9, zone_age=1e9))
    cases: dict[str, Callable[[], None]] = {
        "production": lambda: None,
        "no age: one hazard per state": _without_age,
        "no per-zone rates": lambda: _style(one_class),
        "no learning at all: the prior": lambda: _style(
            replace(one_class, learning=replace(one_class.learning, market=1e9, cover=1e9, relight=1e9))
        ),
        "other zones not counted on": lambda: _style(
            replace(plain, learning=replace(plain.learning, independence=0.0, cover=1e9, relight=1e9))
        ),
        "no margin on waiting": lambda: _style(replace(plain, haste_h=0.0)),
        "no margin on paid moves": lambda: _style(replace(plain, move_margin=0.0)),
        "no cost cap": lambda: _style(replace(plain, cost_cap=1e9)),
        "tables never renewed": lambda: _style(replace(plain, replan_s=1e12)),
    }
    print(f"{'':34}" + "".join(f"{_title(m, u):>30}" for m, u in MODES))
    rows = []
    for name, change in cases.items():
        undo = dict(vars(spot_adapter))
        change()
        cells = []
        for mode, move_usd in MODES:
            ours = _score(referee, options, mode, move_usd)["policies"]["adapter"]
            cells.append({"mode": mode, "move_usd": move_usd, "above_optimum": ours["above_optimum"],
                          "regret_p95_percent": ours["regret_p95_percent"], "late_runs": ours["late_runs"],
                          "worst_vs_on_demand_percent": ours["worst_cost_vs_on_demand_percent"]})  # fmt: skip
        vars(spot_adapter).update(undo)
        rows.append({"without": name, "cells": cells})
        print(f"{name:34}" + "".join(
            f"{c['above_optimum']['percent']:+12.2f} % p95 {c['regret_p95_percent']:5.1f} %    " for c in cells
        ), flush=True)  # fmt: skip
    return rows


def _style(style: Style) -> None:
    spot_adapter.STYLE = style


def _without_age() -> None:
    """All ages look like the average age."""
    learned = spot_adapter.make_plan

    def flat(memory: Any, terms: Any, now: Any, style: Style) -> Any:
        pooled = memory.pooled_exposure.sum(1) + 1.0
        share = (memory.pooled_switches.sum(1) + 0.05) / pooled
        return learned(replace(memory, **_averaged(memory, share)), terms, now, style)

    spot_adapter.make_plan = flat


def _averaged(memory: Any, share: np.ndarray) -> dict[str, np.ndarray]:
    """Evidence so heavy and so even that every age class gets the mean rate."""
    exposure = np.full_like(memory.pooled_exposure, 1e9)
    return {"pooled_exposure": exposure, "pooled_switches": exposure * share[:, None]}


def _latency(referee: ModuleType, options: argparse.Namespace) -> list[dict[str, float]]:
    """Wall time of each call of the policy on some runs, and of the first (which makes the tables)."""
    print("\n=== time per decision ===")
    rows = []
    for mode, move_usd in (("single", 0.0), ("multi", 5.0)):
        traces, _ = referee.load_traces(str(options.traces))
        setting = referee.Setting(mode, "", traces, move_usd, 552)
        zones = tuple(traces)[:1] if mode == "single" else tuple(traces)
        make = spot_adapter.single_zone if mode == "single" else spot_adapter.multi_zone
        simulate = referee.simulate_single if mode == "single" else referee.simulate_multi
        calls: list[float] = []
        first: list[float] = []
        for start in (100, 400, 700):
            problem, up = referee.make_problem(setting, referee.Case("x", zones, start, 0.2, 92.0))
            begin = time.perf_counter()
            policy = make(problem)
            made = time.perf_counter() - begin
            here: list[float] = []
            simulate(problem, _timed(policy, here), up)
            first.append(made + here[0])
            calls += here[1:]
        row = {
            "zones": len(zones), "decisions": len(calls), "median_ms": 1e3 * float(np.median(calls)),
            "p99_ms": 1e3 * float(np.percentile(calls, 99)), "max_ms": 1e3 * max(calls),
            "preparation_s": float(np.mean(first)),
        }  # fmt: skip
        rows.append(row)
        print(f"{len(zones)} zone(s): median {row['median_ms']:.2f} ms, p99 {row['p99_ms']:.2f} ms, "
              f"max {row['max_ms']:.0f} ms (new tables), preparation {row['preparation_s']:.2f} s")  # fmt: skip
    return rows


def _timed(policy: Callable[[Any], Any], into: list[float]) -> Callable[[Any], Any]:
    def timed(seen: Any) -> Any:
        begin = time.perf_counter()
        answer = policy(seen)
        into.append(time.perf_counter() - begin)
        return answer

    return timed


def _score(
    referee: ModuleType, options: argparse.Namespace, mode: str, move_usd: float, starts: int | None = None
) -> dict[str, Any]:
    """The referee's result, played in this process so that an ablation's changes hold.

    The replay in a fresh process is the referee's own business: run it on the adapter file for that.
    """
    referee._worker.clear()
    referee._map = _in_process(referee)
    result: dict[str, Any] = referee.score(
        str(options.traces),
        spot_adapter.__file__,
        mode,
        move_usd,
        starts or options.starts,
        options.seed,
        1,
        replay=0,
    )
    return result


def _in_process(referee: ModuleType) -> Callable[..., Any]:
    def play(setting: Any, function: Any, items: Any, jobs: int, fresh: bool = False) -> Any:
        make = getattr(spot_adapter, setting.mode + "_zone")
        for cases in items:
            yield referee.play_group(setting, cases, make)

    return play


def _title(mode: str, move_usd: float) -> str:
    return "one zone" if mode == "single" else f"several zones, {move_usd:g} $ per move"


def _referee(path: Path) -> ModuleType | None:
    if not path.is_file():
        return None
    spec = importlib.util.spec_from_file_location("spot_referee", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--traces", type=Path, default=SHARED / "data/spot-traces-dev/check")
    parser.add_argument("--referee", type=Path, default=SHARED / "bench/spot/referee.py")
    parser.add_argument("--starts", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--ablation", action="store_true", help="take one idea out at a time instead")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
