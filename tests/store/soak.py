"""A ledger lived through a million steps, in pieces that are kept.

    python -m tests.store.soak [--steps 1000000] [--out out/soak/ledger.jsonl] [--minutes 60]

Each piece is a line of the file, with the machine, its seed and its steps; cut short, it goes on with the next seed.
Steps of other code are not counted. Exit code 1 if a ledger breaks; its steps are printed then.
"""

import argparse
import hashlib
import itertools
import json
import time
from pathlib import Path

import shoestring
from tests.store.machine import Ledger, live
from tests.store.test_allocation_machine import SharedLedger

FIRST = 1_000_000  # seeds that no other test lives
PIECE = 1_000
SHARED_EVERY = 10  # pieces


def code() -> str:
    """Digest of all that a step depends on."""
    ours = Path(__file__).parent
    files = sorted(Path(shoestring.__file__).parent.rglob("*.py"))
    files += [
        ours / "machine.py",
        ours / "test_allocation_machine.py",
        ours.parent / "faults" / "interruption.py",
    ]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]


def done_before(path: Path, digest: str) -> tuple[int, int]:
    """Steps of this code, and the first seed that is not used; a line torn by a kill is lived again."""
    steps, following = 0, FIRST
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if line["code"] == digest:
            steps, following = steps + line["steps"], line["seed"] + PIECE
    return steps, following


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path, default=Path("out/soak/ledger.jsonl"))
    parser.add_argument("--minutes", type=float, default=float("inf"))
    given = parser.parse_args()
    given.out.parent.mkdir(parents=True, exist_ok=True)
    digest, until = code(), time.monotonic() + given.minutes * 60
    total, following = done_before(given.out, digest)
    for seed in itertools.count(following, PIECE):
        if total >= given.steps or time.monotonic() > until:
            break
        machine = SharedLedger if seed // PIECE % SHARED_EVERY == 0 else Ledger
        steps = live(machine, PIECE, start=seed)
        total += steps
        line = {"code": digest, "machine": machine.__name__, "seed": seed, "steps": steps}
        with given.out.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(f"{total:,} of {given.steps:,} steps, difference 0.00", flush=True)


if __name__ == "__main__":
    main()
