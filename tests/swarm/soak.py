"""The long swarm: fleet after fleet until so many run-days are lived, in pieces that are kept.

    python -m tests.swarm.soak [--days 10000] [--out out/soak/swarm.jsonl] [--minutes 60] [--processes 1]

Each life is a line of the file; cut short, it goes on with the next seed. Lines of other code are not counted.
Every fiftieth life is lived twice and must leave the same bytes. Exit code 1 if anything broke.
"""

import argparse
import hashlib
import json
import multiprocessing
import os
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import shoestring
from tests.swarm.fleet import broken, journal_bytes, live
from tests.swarm.weather import KINDS

FIRST = 1_000_000  # seeds that no other test lives
TWICE = 50
OFTEN = 100  # each fault and rare state must have been met so often


def code() -> str:
    """Digest of all that a life depends on."""
    found = hashlib.sha256()
    for folder in (Path(shoestring.__file__).parent, Path(__file__).parent):
        for path in sorted(folder.rglob("*.py")):
            found.update(path.read_bytes())
    return found.hexdigest()[:16]


def lived(seed: int) -> dict[str, Any]:
    """One life as a line."""
    life = live(seed)
    bad = broken(life)
    bad += [f"late by the policy: {run} {late.text}" for run, late in life.late if late.cause == "policy"]
    if seed % TWICE == 0 and journal_bytes(life) != journal_bytes(live(seed)):
        bad.append("I10: the same seed left other bytes")
    return {"seed": seed, "days": life.run_days, "bad": bad, "met": {**life.met, **life.weather.seen}}


def table(lines: Iterable[dict[str, Any]]) -> tuple[float, Counter[str], list[tuple[int, list[str]]]]:
    """Days, what was met and how often, and what broke where."""
    days, met, bad = 0.0, Counter[str](), []
    for line in lines:
        days += line["days"]
        met.update(line["met"])
        if line["bad"]:
            bad.append((line["seed"], line["bad"]))
    return days, met, bad


def read(path: Path, digest: str) -> list[dict[str, Any]]:
    """Whole lines of this code; a line torn by a kill is lived again."""
    found = []
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if line["code"] == digest:
            found.append(line)
    return found


def lives(seeds: Iterator[int], processes: int) -> Iterator[dict[str, Any]]:
    """Lines in the order of their seeds."""
    if processes == 1:
        yield from map(lived, seeds)
        return
    with multiprocessing.get_context("spawn").Pool(processes, maxtasksperchild=50) as pool:
        yield from pool.imap(lived, seeds)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=float, default=10_000.0)
    parser.add_argument("--out", type=Path, default=Path("out/soak/swarm.jsonl"))
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args()
    digest, began = code(), time.monotonic()
    done = read(options.out, digest)
    days, met, bad = table(done)
    first = max((line["seed"] for line in done), default=FIRST - 1) + 1
    options.out.parent.mkdir(parents=True, exist_ok=True)
    most = int(options.days * 5) + 1  # a life has about one run-day; every loop is bounded
    with options.out.open("a") as out:
        for line in lives(iter(range(first, first + most)), options.processes):
            if days >= options.days or time.monotonic() - began > 60 * options.minutes:
                break
            out.write(json.dumps({"code": digest, **line}) + "\n")
            out.flush()
            done.append(line)
            days += line["days"]
            if line["bad"]:
                print(f"seed {line['seed']}: {line['bad']}", flush=True)
    days, met, bad = table(done)
    print(f"{days:,.0f} run-days in {len(done):,} fleets, seeds from {FIRST}, code {digest}")
    for name, count in sorted(met.items(), key=lambda item: -item[1]):
        print(f"  {name:36}{count:10,}{'' if count >= OFTEN else '   seldom'}")
    missing = [kind for kind in KINDS if met[kind] < OFTEN]
    print(f"broken: {bad or 'nothing'}; faults met less than {OFTEN} times: {missing or 'none'}")
    return 1 if bad or (missing and days >= options.days) else 0


if __name__ == "__main__":
    sys.exit(main())
