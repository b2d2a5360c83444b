"""What the rehearsal market's own books say of a fleet: read from the instances' folders, never from the journal."""

from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from shoestring.executors.book import BOOK, host_alive, order_of, read_book
from shoestring.training.spool import read_sealed


def book_violations(instances: Path) -> Iterator[str]:
    """Breaches of "at most one instance alive per run, none at the end, one life per token"."""
    lives: dict[str, list[tuple[float, float, str]]] = {}
    for folder in sorted(path for path in instances.iterdir() if order_of(path)):
        book = read_book(folder)
        lines = Counter(str(line["event"]) for _, line in read_sealed(folder / BOOK))
        if max(lines.values(), default=0) > 1:
            yield f"I1: {folder.name} lived more than once: {dict(lines)}"
        if host_alive(folder) and book.terminated is None:
            yield f"I1: {folder.name} is alive at the end"
        elif book.launched is not None and book.terminated is None:
            yield f"I1: {folder.name} has no end"
        elif book.launched is not None and book.terminated is not None:
            run_id = str(order_of(folder)["job"]["run_id"])
            lives.setdefault(run_id, []).append((book.launched, book.terminated, folder.name))
    for spans in lives.values():
        for (_, end, one), (start, _, other) in pairwise(sorted(spans)):
            if start < end:
                yield f"I1: {one} and {other} were alive at once"
