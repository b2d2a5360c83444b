"""Fit the pooled prior of spot lifetimes from recorded availability and write it as a module.

    python bench/fit_prior.py ../shared/data/spot-traces-dev/fit src/shoestring/market/prior_data.py

Every recording is resampled at several distances; at each, losses and returns per step are counted by age
class over all zones together, so that no fact about a zone gets into the prior.
"""

import hashlib
import json
import sys
from pathlib import Path

import numpy as np

from shoestring.market.memory import DOWN, UP, Memory, blank, observe

SAMPLED_S = (600.0, 1800.0, 3600.0)  # the recordings repeat each probe: nothing shorter than 585 s is in them
PSEUDO_STEPS = 20.0  # weight of the class before in a class with little evidence


def main(folder: Path, out: Path) -> None:
    recordings = {path.name: path.read_bytes() for path in sorted(folder.glob("*.json"))}
    if not recordings:
        raise SystemExit(f"{folder}: no *.json recordings here")
    fits = [_fit(recordings, sampled_s) for sampled_s in SAMPLED_S]
    digest = hashlib.sha256(b"".join(recordings.values())).hexdigest()
    out.write_text(_module(fits, len(recordings), digest))
    print(f"{out}: {len(recordings)} recordings, sampled every {SAMPLED_S} s")


def _fit(recordings: dict[str, bytes], sampled_s: float) -> tuple[list[float], list[float], list[float]]:
    exposure = switches = 0.0
    for raw in recordings.values():
        memory = _counts(json.loads(raw), sampled_s)
        exposure, switches = exposure + memory.exposure[0], switches + memory.switches[0]
    hours = sampled_s / 3600
    tables = []
    for state in (UP, DOWN):
        chance = np.empty(exposure.shape[1])
        before = switches[state].sum() / exposure[state].sum()
        for k in range(len(chance)):
            before = chance[k] = (switches[state, k] + PSEUDO_STEPS * before) / (
                exposure[state, k] + PSEUDO_STEPS
            )
        tables.append([float(f"{rate:.4g}") for rate in -np.log1p(-chance) / hours])
    ages = blank(1, sampled_s).ages
    return [float(f"{s:.6g}") for s in ages.middle_s()], tables[UP], tables[DOWN]


def _counts(recording: dict, sampled_s: float) -> Memory:
    gap_s = recording["metadata"]["gap_seconds"]
    data = np.asarray(recording["data"])
    looks = int(len(data) * gap_s // sampled_s)
    up = data[(np.arange(looks) * sampled_s // gap_s).astype(int)] >= 1
    memory = blank(1, sampled_s)
    for state in up:
        memory = observe(memory, np.array([state]), sampled_s, half_life_h=float("inf"))
    return memory


def _module(fits: list, recordings: int, digest: str) -> str:
    lines = [
        f'"""Written by bench/fit_prior.py from {recordings} recordings of one-V100 spot availability, early 2023.',
        "",
        "Source: the first 13.5 days (`fit`) of the development half of skypilot-org/spot-traces,",
        "availability/1-node/aws-02-15-2023; sha256 over the files in order of their names:",
        f"{digest}.",
        '"""',
        "",
        "# fmt: off",
        f"SAMPLED_S = {SAMPLED_S!r}",
    ]
    for name, column, what in (
        ("AGE_S", 0, "middle of each age class, seconds; one row per sampling distance"),
        ("LOSS_PER_HOUR", 1, "chance per hour that an up zone is lost"),
        ("RETURN_PER_HOUR", 2, "chance per hour that a down zone comes back"),
    ):
        lines += [f"# {what}", f"{name} = ("]
        for fit in fits:
            values = [f"{v:g}" for v in fit[column]]
            half = (len(values) + 1) // 2
            lines += [f"    ({', '.join(values[:half])},", f"     {', '.join(values[half:])}),"]
        lines.append(")")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]))
