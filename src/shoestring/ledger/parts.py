"""How an attempt's paid time divides into disjoint, gap-free parts."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from shoestring.domain.run import ExitKind, Observation, ProgressSpan
from shoestring.domain.usage import CostPart, PartSpan

Stretch = tuple[datetime, datetime]


def parts_of(
    seen: Observation, start: datetime, end: datetime, *, kept_step: int | None
) -> tuple[PartSpan, ...]:
    """The parts of ``[start, end]``: in order, touching, none empty; no time is in two of them.

    A save or a restore during which training stood still is CHECKPOINT, even inside a progress span. Of what
    is left, steps are COMPUTE up to ``kept_step`` and LOST_WORK beyond it; everything else is IDLE: boot,
    setup, gaps, tail. A job that tells no steps is taken to work from its begin to its end; when it did not
    end well, what came after its last checkpoint is lost.

    Args:
        kept_step: last step that counts in the result; None while all of them do.
    """
    claims = [(s, CostPart.CHECKPOINT) for s in _standstills(seen)]
    ordered = sorted(seen.spans, key=_by_start)
    for span in reversed(ordered):
        claims += _split_at_step(span, kept_step)
        if kept_step is None or span.step_from < kept_step:  # what this attempt itself did once more
            kept_step = span.step_from
    if not seen.spans and seen.booted_at is not None:
        claims += _of_a_silent_job(seen, seen.booted_at, end)
    free: list[Stretch] = [(start, end)] if start < end else []
    taken: list[PartSpan] = []
    for stretch, part in claims:
        won, free = _take(stretch, free)
        taken += [PartSpan(part=part, start=a, end=b) for a, b in won]
    taken += [PartSpan(part=CostPart.IDLE, start=a, end=b) for a, b in free]
    return _joined(sorted(taken, key=lambda p: p.start))


def lost_steps(span: ProgressSpan, kept_step: int | None) -> int:
    """Steps of this span that do not count in the result."""
    if kept_step is None:
        return 0
    return max(0, span.step_to - max(span.step_from, kept_step))


def _standstills(seen: Observation) -> Iterable[Stretch]:
    """When training stood still for a save (from its begin) or a restore (until it was loaded)."""
    for checkpoint in seen.checkpoints:
        began = checkpoint.at - timedelta(seconds=checkpoint.save_s)
        yield began, began + timedelta(seconds=min(checkpoint.blocked_s, checkpoint.save_s))
    for restore in seen.restores:
        yield restore.at - timedelta(seconds=restore.restore_s), restore.at


def _split_at_step(span: ProgressSpan, kept_step: int | None) -> list[tuple[Stretch, CostPart]]:
    """A span's kept and lost stretch; steps inside a span are taken as equally long."""
    lost = lost_steps(span, kept_step)
    if lost == 0:
        return [((span.start, span.end), CostPart.COMPUTE)]
    share = 1 - lost / (span.step_to - span.step_from)
    turn = span.start + (span.end - span.start) * share
    return [((span.start, turn), CostPart.COMPUTE), ((turn, span.end), CostPart.LOST_WORK)]


def _of_a_silent_job(seen: Observation, began: datetime, end: datetime) -> list[tuple[Stretch, CostPart]]:
    ended = seen.exit.at if seen.exit is not None else end
    if seen.exit is None or seen.exit.kind is ExitKind.DONE:
        return [((began, ended), CostPart.COMPUTE)]
    saved = max((c.at for c in seen.checkpoints), default=began)
    return [((began, saved), CostPart.COMPUTE), ((saved, ended), CostPart.LOST_WORK)]


def _take(wanted: Stretch, free: list[Stretch]) -> tuple[list[Stretch], list[Stretch]]:
    """What of ``wanted`` is still free, and what stays free afterwards."""
    won: list[Stretch] = []
    left: list[Stretch] = []
    for a, b in free:
        low, high = max(a, wanted[0]), min(b, wanted[1])
        if low >= high:
            left.append((a, b))
            continue
        won.append((low, high))
        left += [(x, y) for x, y in ((a, low), (high, b)) if x < y]
    return won, left


def _joined(parts: list[PartSpan]) -> tuple[PartSpan, ...]:
    joined: list[PartSpan] = []
    for part in parts:
        if joined and joined[-1].part is part.part and joined[-1].end == part.start:
            joined[-1] = PartSpan(part=part.part, start=joined[-1].start, end=part.end)
        else:
            joined.append(part)
    return tuple(joined)


def _by_start(span: ProgressSpan) -> tuple[datetime, datetime]:
    return span.start, span.end
