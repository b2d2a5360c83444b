"""The deadline policy beside every baseline and the omniscient optimum, scored by the spot referee.

    python bench/spot.py --quick                      # one start per zone, no ablation
    python bench/spot.py --json spot.json             # everything; about three quarters of an hour on two cores
    python bench/spot.py --traces ../shared/data/spot-traces-dev/fit

Prints, for one zone, several zones with free moves and several zones with paid moves: mean cost, distance to
the optimum with a bootstrap interval over zones and starts, by deadline and by restart overhead, lateness, worst run;
then checkpoint sizes, what each idea brings, and the time per decision. Finished pieces are kept in ``--kept``: a run
that was cut short goes on where it stopped. The referee and its traces lie beside the repository (../shared); without
them this says so and ends.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

import spot_adapter
from _machine import describe
from _spot_parts import VARIANTS, WHOLE, Part, Referee, scores

SHARED = Path(__file__).resolve().parents[2] / "shared"
USD_PER_GB = 0.09  # typical price between regions; a move of 5 $ is a checkpoint of some 55 GB
SIZES_GB = (1, 10, 100, 1000)
MODES = (("single", 0.0), ("multi", 0.0), ("multi", 5.0))
Results = dict[Part, dict[str, Any]]


def main() -> int:
    options = _arguments()
    referee = Referee(script=options.referee, traces=options.traces, kept=options.kept)
    if not referee.script.is_file() or not referee.traces.is_dir():
        print(f"skipped: needs the referee ({referee.script}) and a folder of traces ({referee.traces})")
        return 0
    starts, seed = (1 if options.quick else options.starts), options.seed
    table = [Part(mode=m, move_usd=u, starts=starts, seed=seed) for m, u in MODES]
    few = min(starts, 2)
    sizes = [Part(mode="multi", move_usd=gb * USD_PER_GB, starts=few, seed=seed) for gb in SIZES_GB]
    names = () if options.quick else VARIANTS
    without = [
        Part(mode=m, move_usd=u, starts=few, seed=seed, variant=name) for name in names for m, u in MODES
    ]
    found = scores(referee, [*table, *sizes, *without], options.jobs)
    module = referee.module()
    out = {
        "machine": describe("numpy"),
        "command": sys.argv[1:],
        "table": _table(module, found, table),
        "checkpoint_sizes": _checkpoint_sizes(found, sizes),
        "ablation": _ablation(found, without),
        "decisions": _latency(module, referee.traces),
    }
    if options.json:
        options.json.write_text(json.dumps(out, indent=1) + "\n")
        print(f"\nwritten: {options.json}")
    return 0


def _table(module: ModuleType, found: Results, parts: list[Part]) -> list[dict[str, Any]]:
    for part in parts:
        print(f"\n=== {part.title} ===\n" + module.render(found[part]))
    return [found[part] for part in parts]


def _checkpoint_sizes(found: Results, parts: list[Part]) -> list[dict[str, float]]:
    print(f"\n=== by checkpoint size, {USD_PER_GB} $/GB between zones, above the optimum ===")
    print(
        f"{'GB':>6} {'$/move':>7} {'ours $':>8} {'ours':>8} {'UP':>9} {'best zone':>10} {'moves':>6} {'late':>5}"
    )
    rows = []
    for size_gb, part in zip(SIZES_GB, parts, strict=True):
        policies = found[part]["policies"]
        ours = policies["adapter"]
        over = [policies[n]["above_optimum"]["percent"] for n in ("adapter", "up", "up_best_zone")]
        rows.append({
            "size_gb": size_gb, "move_usd": part.move_usd, "mean_usd": ours["mean_usd"],
            "above_optimum_percent": over[0], "up_above_optimum_percent": over[1],
            "best_zone_above_optimum_percent": over[2],
            "zone_changes": ours["zone_changes_per_run"], "late_runs": ours["late_runs"],
        })  # fmt: skip
        print(f"{size_gb:6d} {part.move_usd:7.2f} {ours['mean_usd']:8.2f} {over[0]:+7.1f}% {over[1]:+8.1f}% "
              f"{over[2]:+9.1f}% {ours['zone_changes_per_run']:6.2f} {ours['late_runs']:5d}")  # fmt: skip
    return rows


def _ablation(found: Results, parts: list[Part]) -> list[dict[str, Any]]:
    """What the bill is above the optimum with one idea taken out."""
    if not parts:
        return []
    print("\n=== one idea taken out at a time: above the optimum (p95 regret of a run) ===")
    print(f"{'':34}" + "".join(f"{part.title:>34}" for part in parts if part.variant == WHOLE))
    rows = []
    for name in VARIANTS:
        cells = []
        for part in (p for p in parts if p.variant == name):
            ours = found[part]["policies"]["adapter"]
            cells.append({"mode": part.mode, "move_usd": part.move_usd, "above_optimum": ours["above_optimum"],
                          "regret_p95_percent": ours["regret_p95_percent"], "late_runs": ours["late_runs"],
                          "worst_vs_on_demand_percent": ours["worst_cost_vs_on_demand_percent"]})  # fmt: skip
        rows.append({"without": name, "cells": cells})
        shown = [f"{c['above_optimum']['percent']:+.2f} % ({c['regret_p95_percent']:.1f} %)" for c in cells]
        print(f"{name:34}" + "".join(f"{cell:>34}" for cell in shown))
    return rows


def _latency(referee: ModuleType, folder: Path) -> list[dict[str, float]]:
    """Wall time of each call of the policy on some runs, and of the first (which makes the tables)."""
    print("\n=== time per decision ===")
    rows = []
    for mode, move_usd in (("single", 0.0), ("multi", 5.0)):
        traces, _ = referee.load_traces(str(folder))
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


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--traces", type=Path, default=SHARED / "data/spot-traces-dev/check")
    parser.add_argument("--referee", type=Path, default=SHARED / "bench/spot/referee.py")
    parser.add_argument("--starts", type=int, default=6)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="one start per zone, no ablation: some minutes")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--kept", type=Path, default=Path("out/bench/spot"), help="folder of finished pieces")
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
