"""From book and spool to an Observation: why it ended, and times on the fleet's clock."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shoestring.domain.run import ExitKind, Observation, Outcome
from shoestring.executors.book import InstanceBook
from shoestring.executors.clock import MarketClock
from shoestring.executors.reading import meter_of, observation_of
from shoestring.runner.spool import SpoolReading

START = datetime(2026, 1, 5, tzinfo=UTC)
CLOCK = MarketClock(real_start=0.0, start=START, scale=60.0)


def node(kind: str | None, code: int | None = None) -> SpoolReading:
    """What one node's spool says; None: it has no end."""
    return SpoolReading(exit=None if kind is None else {"kind": kind, "code": code, "at": 9.0, "detail": ""})


def ended(why: str | None, *nodes: SpoolReading, launched: float | None = 1.0) -> Observation:
    book = InstanceBook(launched=launched, terminated=10.0, why=why)
    return observation_of("run-1", {"nodes": max(1, len(nodes))}, book, nodes, (), CLOCK)


@pytest.mark.parametrize(
    ("why", "nodes", "kind"),
    [
        ("ended", [node("done", 0)], ExitKind.DONE),
        ("interrupted", [node("done", 0)], ExitKind.DONE),
        ("interrupted", [node("saved", 85)], ExitKind.PREEMPTED),
        ("interrupted", [node("failed", 1)], ExitKind.PREEMPTED),
        ("interrupted", [node(None)], ExitKind.PREEMPTED),
        ("interrupted", [], ExitKind.PREEMPTED),
        ("ended", [node("failed", 3)], ExitKind.FAILED),
        ("ended", [node("hung", -9)], ExitKind.HUNG),
        ("ended", [node("out_of_time", -15)], ExitKind.OUT_OF_TIME),
        ("ended", [node("killed", -9)], ExitKind.LOST),
        ("ended", [node("saved", 85)], ExitKind.STOPPED),
        ("cancelled", [node("saved", 85)], ExitKind.STOPPED),
        ("cancelled", [node("killed", -9)], ExitKind.STOPPED),
        ("cancelled", [], ExitKind.STOPPED),
        ("lost", [node(None)], ExitKind.LOST),
        ("lost", [node("done", 0)], ExitKind.DONE),
        ("ended", [node("done", 0), node("done", 0)], ExitKind.DONE),
        ("ended", [node("done", 0), node("failed", 1)], ExitKind.FAILED),
        ("lost", [node("done", 0), node(None)], ExitKind.LOST),
    ],
)
def test_ends_are_told_apart(why: str, nodes: list[SpoolReading], kind: ExitKind) -> None:
    seen = ended(why, *nodes)

    assert seen.outcome is Outcome.ENDED
    assert seen.exit is not None and seen.exit.kind is kind
    assert seen.interrupted == (why == "interrupted")


def test_what_was_never_launched_has_not_started() -> None:
    end = ended("lost", launched=None).exit

    assert end is not None and end.kind is ExitKind.NO_START


def test_what_has_no_end_runs() -> None:
    book = InstanceBook(launched=1.0)
    seen = observation_of("run-1", {"nodes": 1}, book, [node("done", 0)], (), CLOCK)

    assert seen.outcome is Outcome.RUNNING and seen.exit is None


def test_moments_and_durations_become_the_fleets() -> None:
    checkpoint: dict[str, Any] = {
        "id": "c", "uri": "/c", "manifest_sha256": "0", "at": 5.0, "step": 7, "size_bytes": 9, "save_s": 0.5,
    }  # fmt: skip
    reading = SpoolReading(
        command_started_at=2.0,
        heartbeat={"at": 6.0, "step": 9},
        checkpoints=(checkpoint,),
        spans=({"start": 3.0, "end": 5.0, "step_from": 0, "step_to": 7},),
        notice={"at": 4.0, "until": 8.0, "source": "test"},
    )
    seen = observation_of("run-1", {"nodes": 1}, InstanceBook(launched=1.0), [reading], (), CLOCK)

    def minute(count: float) -> datetime:
        return START + timedelta(minutes=count)

    assert (seen.launched_at, seen.booted_at, seen.notice_at) == (minute(1), minute(2), minute(4))
    assert seen.checkpoints[0].at == minute(5) and seen.checkpoints[0].save_s == 30.0
    (span,) = seen.spans
    assert (span.end, span.step_to) == (minute(6), 9), "carried on to the newest heartbeat"


def test_a_sensor_that_one_node_lacks_is_unknown_for_all() -> None:
    one = {"sampled_s": 2.0, "cpu_s": 1.5, "energy_j": 10.0, "energy_kind": "measured"}
    two = {"sampled_s": 3.0, "cpu_s": 2.0, "energy_j": None, "energy_kind": None}
    total = meter_of([one, two])

    assert total is not None and (total.sampled_s, total.cpu_s, total.energy_j) == (3.0, 3.5, None)
    assert total.energy_kind is None, "what is not known was not measured"
    assert meter_of([]) is None


def test_devices_of_a_gang_are_those_of_all_its_nodes() -> None:
    def devices(*held: object) -> object:
        told = meter_of([{"sampled_s": 1.0, "devices": names} for names in held])
        assert told is not None
        return told.devices

    assert devices(("GPU-b",), ("GPU-a", "GPU-b")) == ("GPU-a", "GPU-b")
    assert devices((), ()) == () and devices(("GPU-a",), None) is None


def test_the_machine_is_what_the_order_says_and_older_orders_say_none() -> None:
    order = {"nodes": 1, "machine": "box/1"}
    assert observation_of("run-1", order, InstanceBook(launched=1.0), [], (), CLOCK).machine == "box/1"
    assert observation_of("run-1", {"nodes": 1}, InstanceBook(launched=1.0), [], (), CLOCK).machine is None
