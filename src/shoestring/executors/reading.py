"""From an instance's folder to an Observation: real times become the clock's, claims become facts."""

from collections.abc import Mapping, Sequence
from typing import Any

from shoestring.domain.run import (
    CheckpointFact,
    Exit,
    ExitKind,
    Heartbeat,
    MeterTotals,
    Observation,
    Outcome,
    PriceSpan,
    ProgressSpan,
    Restore,
)
from shoestring.executors.book import InstanceBook
from shoestring.executors.clock import MarketClock
from shoestring.runner.spool import SpoolReading

_BY_RUNNER = {
    "done": ExitKind.DONE,
    "failed": ExitKind.FAILED,
    "hung": ExitKind.HUNG,
    "out_of_time": ExitKind.OUT_OF_TIME,
}


def observation_of(
    attempt_id: str,
    order: Mapping[str, Any],
    book: InstanceBook,
    readings: Sequence[SpoolReading],
    price_spans: tuple[PriceSpan, ...],
    clock: MarketClock,
) -> Observation:
    """Everything known of one attempt. Rank 0 tells progress; the gang's end is the worst of its nodes'."""

    def at(real: float | None) -> Any:
        return None if real is None else clock.at(real)

    first = readings[0] if readings else SpoolReading()
    notices = [r.notice for r in readings if r.notice is not None]
    noticed = book.noticed if book.noticed is not None else (float(notices[0]["at"]) if notices else None)
    beat = first.heartbeat
    return Observation(
        attempt_id=attempt_id,
        outcome=Outcome.RUNNING if book.terminated is None else Outcome.ENDED,
        launched_at=at(book.launched),
        booted_at=at(first.command_started_at),
        terminated_at=at(book.terminated),
        notice_at=at(noticed),
        heartbeat=None if beat is None else _heartbeat(beat, clock),
        checkpoints=tuple(_checkpoint(c, clock) for c in first.checkpoints),
        restores=tuple(_restore(r, clock) for r in first.restores),
        spans=_spans(first, clock),
        meter=meter_of([r.meter for r in readings if r.meter is not None]),
        price_spans=price_spans,
        interrupted=book.why == "interrupted",
        machine=order.get("machine"),
        exit=None if book.terminated is None else _exit(order, book, readings, clock),
        detail=f"{first.suspicious} implausible claims by the job were dropped" if first.suspicious else "",
    )


def meter_of(lines: Sequence[Mapping[str, Any]]) -> MeterTotals | None:
    """Totals of all nodes together; a figure that one node lacks is unknown for all."""
    if not lines:
        return None

    def total(name: str) -> Any:
        values = [line.get(name) for line in lines]
        return None if any(v is None for v in values) else sum(v for v in values if v is not None)

    kinds = {str(line["energy_kind"]) for line in lines if line.get("energy_kind") is not None}
    kind = None if total("energy_j") is None else "estimate" if "estimate" in kinds else "measured"
    names = [f for f in MeterTotals.__slots__ if f not in ("energy_kind", "sampled_s", "devices")]
    held = [line.get("devices") for line in lines]
    devices = None if None in held else tuple(sorted({name for names in held for name in names or ()}))
    return MeterTotals(
        sampled_s=max(float(line.get("sampled_s") or 0.0) for line in lines),
        energy_kind=kind,
        devices=devices,
        **{name: total(name) for name in names},
    )


def _exit(
    order: Mapping[str, Any], book: InstanceBook, readings: Sequence[SpoolReading], clock: MarketClock
) -> Exit:
    assert book.terminated is not None
    ends = [r.exit for r in readings if r.exit is not None]
    whole = len(ends) == order["nodes"] and all(e["kind"] == "done" for e in ends)
    failed = next((e for e in ends if e["kind"] in _BY_RUNNER and e["kind"] != "done"), None)
    at = clock.at(book.terminated)
    if whole:
        return Exit(kind=ExitKind.DONE, at=at, code=0)
    if book.why == "interrupted":
        return Exit(kind=ExitKind.PREEMPTED, at=at, detail="the market took the instance back")
    if failed is not None:
        kind = _BY_RUNNER[failed["kind"]]
        return Exit(kind=kind, at=at, code=failed.get("code"), detail=str(failed.get("detail", "")))
    if book.why == "cancelled" or any(e["kind"] == "saved" for e in ends):
        return Exit(kind=ExitKind.STOPPED, at=at, code=ends[0].get("code") if ends else None)
    if book.why == "ended" and ends:
        return Exit(kind=ExitKind.LOST, at=at, code=ends[0].get("code"), detail="killed from outside")
    never = book.launched is None
    kind = ExitKind.NO_START if never else ExitKind.LOST
    return Exit(kind=kind, at=at, detail="the instance never came up" if never else "the instance is gone")


def _heartbeat(beat: Mapping[str, Any], clock: MarketClock) -> Heartbeat:
    return Heartbeat(
        at=clock.at(beat["at"]),
        step=beat["step"],
        total_steps=beat.get("total_steps"),
        samples=beat.get("samples"),
        loss=beat.get("loss"),
        metrics={str(k): float(v) for k, v in (beat.get("metrics") or {}).items()},
        resumed_step=beat.get("resumed_step"),
        cpu_s=beat.get("cpu_s"),
    )


def _checkpoint(event: Mapping[str, Any], clock: MarketClock) -> CheckpointFact:
    return CheckpointFact(
        id=event["id"],
        uri=event["uri"],
        manifest_sha256=str(event.get("manifest_sha256", "")),
        at=clock.at(event["at"]),
        step=event["step"],
        size_bytes=event["size_bytes"],
        save_s=event["save_s"] * clock.scale,
        blocked_s=float(event.get("blocked_s", 0.0)) * clock.scale,
        trigger=str(event.get("trigger", "due")),
    )


def _restore(event: Mapping[str, Any], clock: MarketClock) -> Restore:
    return Restore(
        at=clock.at(event["at"]),
        checkpoint_id=str(event.get("checkpoint_id", "")),
        step=event["step"],
        size_bytes=event["size_bytes"],
        restore_s=event["restore_s"] * clock.scale,
    )


def _spans(reading: SpoolReading, clock: MarketClock) -> tuple[ProgressSpan, ...]:
    """The job's spans, carried on to its newest heartbeat: it may have died between two lines."""
    spans = [
        ProgressSpan(
            start=clock.at(s["start"]), end=clock.at(s["end"]), step_from=s["step_from"], step_to=s["step_to"]
        )
        for s in reading.spans
    ]
    beat = reading.heartbeat
    if (
        beat is not None
        and spans
        and beat["step"] > spans[-1].step_to
        and clock.at(beat["at"]) > spans[-1].end
    ):
        last = spans[-1]
        spans[-1] = ProgressSpan(
            start=last.start, end=clock.at(beat["at"]), step_from=last.step_from, step_to=beat["step"]
        )
    return tuple(spans)
