"""Does moving a running job on price changes pay? The deadline policy on dated spot prices of GCP.

    python bench/price_moves.py [--runs 24] [--days 10] [--regions 4] [--move-usd 9] [--json out.json]

A job of ``--days`` days on one machine of one type starts where spot is cheapest that day; it may move between that
and the next cheapest regions, for ``--move-usd`` (a checkpoint of 100 GB at 0.09 $/GB). Prices are those in force on
each day. Its bill is set beside staying where it began, and beside the optimum, which knows the prices to come.
Windows in which a price of these regions changed are drawn by seed, half of them (as far as there are so many) from
those in which the first region's price rose by a tenth or more.
Limits: the history says nothing of availability, so spot is taken to be there always; the AWS history has the list
prices of one region only, so nothing can be moved there and it is not used.
"""

import argparse
import csv
import json
import sys
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from _machine import describe
from shoestring.policies.deadline import Deadline
from shoestring.sim.known import KnownJob, KnownWindow
from shoestring.sim.replay import play
from shoestring.workflows.simulate import window_optimum_usd

HISTORY = Path(__file__).resolve().parents[2] / "shared/facts/catalog/price_history_gcp.csv"
STEP_S, PAST_DAYS, EVERY_DAYS, SLACK = 3600, 2, 7, 1.25
RISE_PERCENT = 10
Prices = dict[str, list[tuple[date, float | None, float | None]]]  # by region: from when, on-demand, spot


def main() -> int:
    options = _arguments()
    if not options.history.is_file():
        print(f"skipped: needs the dated prices ({options.history})")
        return 0
    windows = [w for prices in _read(options.history).items() for w in _windows(*prices, options)]
    chosen = _drawn(windows, options)
    print(f"{len(windows)} windows with a price change; {len(chosen)} of them played")
    print(
        f"{'machine and day':34}{'rise':>8}{'stay $':>10}{'ours $':>10}{'optimum $':>10}{'saved':>8}{'moves':>6}"
    )
    rows = [_row(window, options) for window in chosen]
    rose = [row for row in rows if row["rise_percent"] >= RISE_PERCENT]
    out = {
        "machine": describe("numpy"),
        "command": sys.argv[1:],
        "runs": rows,
        "all": _summary("all", rows, options),
        "rose": _summary(f"where the first price rose by {RISE_PERCENT} %", rose, options),
    }
    if options.json:
        options.json.write_text(json.dumps(out, indent=1) + "\n")
    return 0


def _read(path: Path) -> dict[str, Prices]:
    found: dict[str, Prices] = defaultdict(lambda: defaultdict(list))
    with path.open() as lines:
        for row in csv.DictReader(lines):
            usd = [
                float(row[f"{m}_usd_per_hour"]) if row[f"{m}_usd_per_hour"] else None
                for m in ("on_demand", "spot")
            ]
            found[row["instance_type"]][row["region"]].append(
                (date.fromisoformat(row["date"]), usd[0], usd[1])
            )
    return found


def _on(rows: list[tuple[date, float | None, float | None]], day: date) -> tuple[float | None, float | None]:
    """Prices in force on a day; None where none was listed."""
    known = [r for r in sorted(rows, key=lambda r: r[0]) if r[0] <= day]
    return (known[-1][1], known[-1][2]) if known else (None, None)


def _windows(machine: str, prices: Prices, options: argparse.Namespace) -> list[KnownWindow]:
    """Windows in which a spot price among the cheapest regions changed while the job would run."""
    days = sorted({row[0] for rows in prices.values() for row in rows})
    length = round(options.days * SLACK) + 1
    found, first = [], days[0]
    while first + timedelta(days=length) <= days[-1]:
        span = [first + timedelta(days=k) for k in range(-PAST_DAYS, length)]
        daily = {region: [_on(rows, day) for day in span] for region, rows in prices.items()}
        listed = [r for r, seen in daily.items() if all(a and b for a, b in seen)]
        listed = sorted(listed, key=lambda r: (daily[r][PAST_DAYS][1], r))[: options.regions]
        spot = np.array([[usd for _, usd in daily[r]] for r in listed]).T
        if len(listed) > 1 and (np.diff(spot[PAST_DAYS:], axis=0) != 0).any():
            by_step = np.repeat(spot, 24, axis=0)
            found.append(KnownWindow(
                zones=tuple(listed), step_s=STEP_S, available=np.ones(by_step.shape, bool), spot_usd_per_hour=by_step,
                on_demand_usd_per_hour=min(daily[r][PAST_DAYS][0] for r in listed), move_usd=options.move_usd,
                past=24 * PAST_DAYS, start=datetime.combine(span[0], datetime.min.time(), UTC), dated=True,
                label=f"{machine} {first}",
            ))  # fmt: skip
        first += timedelta(days=EVERY_DAYS)
    return found


def _drawn(windows: list[KnownWindow], options: argparse.Namespace) -> list[KnownWindow]:
    order = np.random.default_rng(options.seed).permutation(len(windows)).tolist()
    rose = [k for k in order if _rise_percent(windows[k], options.days) >= RISE_PERCENT][: options.runs // 2]
    others = [k for k in order if k not in rose][: options.runs - len(rose)]
    return [windows[k] for k in sorted(rose + others)]


def _first_prices(window: KnownWindow, days: int) -> np.ndarray:
    """What the zone that is cheapest at first charges, hour by hour; one more than the work, for the restart."""
    here = int(window.spot_usd_per_hour[window.past].argmin())
    return window.spot_usd_per_hour[window.past : window.past + 24 * days + 1, here]


def _rise_percent(window: KnownWindow, days: int) -> float:
    paid = _first_prices(window, days)
    return 100 * float(paid.max() / paid[0] - 1)


def _row(window: KnownWindow, options: argparse.Namespace) -> dict[str, Any]:
    work = options.days * 24
    steps = round(work * SLACK)
    job = KnownJob(work_s=work * STEP_S, restart_s=720, deadline_steps=steps)
    ours = play(window, job, Deadline())
    row = {
        "window": window.label, "stay_usd": float(_first_prices(window, options.days).sum()), "ours_usd": ours.cost_usd,
        "optimum_usd": window_optimum_usd(window, job), "moves": ours.moves, "late_h": ours.late_h,
        "rise_percent": _rise_percent(window, options.days),
    }  # fmt: skip
    saved = 1 - row["ours_usd"] / row["stay_usd"]
    print(f"{row['window']:34}{row['rise_percent']:+7.0f}%{row['stay_usd']:10.2f}{row['ours_usd']:10.2f}"
          f"{row['optimum_usd']:10.2f}{saved:+8.1%}{row['moves']:6d}", flush=True)  # fmt: skip
    return row


def _summary(title: str, rows: list[dict[str, Any]], options: argparse.Namespace) -> dict[str, Any]:
    if not rows:
        return {}
    stay, ours, least = (sum(r[k] for r in rows) for k in ("stay_usd", "ours_usd", "optimum_usd"))
    worst, move_usd = max(r["ours_usd"] - r["stay_usd"] for r in rows), options.move_usd
    saved, could = (100 * (1 - usd / stay) for usd in (ours, least))
    late, moved = sum(r["late_h"] > 0 for r in rows), sum(r["moves"] > 0 for r in rows)
    print(
        f"{title}: {saved:+.1f} % saved against staying (optimum {could:+.1f} %), {moved} of {len(rows)} moved,"
    )
    print(f"  worst {worst:+.2f} $ against staying (a move costs {move_usd:g} $), late {late}")
    return {
        "runs": len(rows), "saved_percent": saved, "optimum_would_save_percent": could, "late_runs": late,
        "worst_above_staying_usd": worst, "within_one_move": worst <= move_usd, "runs_that_moved": moved,
    }  # fmt: skip


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--history", type=Path, default=HISTORY)
    parser.add_argument("--runs", type=int, default=24)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--regions", type=int, default=4)
    parser.add_argument("--move-usd", type=float, default=9.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
