"""Given what a job says of itself, then what can't be true is counted and books nothing."""

import json
import os
import time

import pytest

from shoestring.runner.claims import MAX_KEPT, Claims, Window
from shoestring.runner.reading import SpoolReader
from shoestring.runner.spool import JobOrder, prepare, read
from shoestring.training import spool as names
from shoestring.training.spool import append_sealed, replace_json, seal

START = 1_800_000_000.0
NOW = START + 1000.0
KNOWN = {"id": "old", "uri": "s3://b/run/old", "manifest_sha256": "", "step": 50}


def checkpoint(**changes):
    honest = {
        "kind": "checkpoint", "id": "c1", "uri": "s3://b/run/c1", "manifest_sha256": "a" * 64, "at": START + 100,
        "step": 100, "size_bytes": 10, "save_s": 1.5, "blocked_s": 0.1, "trigger": "due",
    }  # fmt: skip
    return {**honest, **changes}


def restore(**changes):
    honest = {
        "kind": "restore", "at": START + 5, "checkpoint_id": "old", "step": 50, "size_bytes": 10, "restore_s": 2.0,
    }  # fmt: skip
    return {**honest, **changes}


def span(start=10.0, end=20.0, **changes):
    return {
        "kind": "span",
        "start": START + start,
        "end": START + end,
        "step_from": 0,
        "step_to": 10,
        **changes,
    }


def beat(**changes):
    return {"at": START + 500, "step": 200, "loss": 0.5, "metrics": {"acc": 0.9}, **changes}


@pytest.fixture
def folder(tmp_path):
    prepare(
        tmp_path / "s", JobOrder(run_id="r", attempt_id="a", checkpoint_where="s3://b/run", restore=(KNOWN,))
    )
    replace_json(tmp_path / "s" / names.STATE, {"phase": "running", "started_at": START})
    return tmp_path / "s"


def reading(folder, *events, heartbeat=None):
    for event in events:
        append_sealed(folder / names.EVENTS, event)
    if heartbeat is not None:
        (folder / names.HEARTBEAT).write_text(json.dumps(heartbeat))
    return SpoolReader(folder, now=lambda: NOW).read()


def test_an_honest_job_is_believed(folder):
    rejected = {"kind": "rejected", "at": START + 4, "checkpoint_id": "worse", "reason": "a bit was flipped"}
    seen = reading(folder, rejected, restore(), span(), checkpoint(), heartbeat=beat())

    assert seen.suspicious == 0 and seen.heartbeat["metrics"] == {"acc": 0.9}
    assert [len(x) for x in (seen.checkpoints, seen.restores, seen.spans, seen.rejected)] == [1, 1, 1, 1]


FORGED = [
    checkpoint(step=-1),
    checkpoint(step=1.5),
    checkpoint(step=True),
    checkpoint(step=1 << 70),
    checkpoint(step=None),
    checkpoint(at=START - 3600),
    checkpoint(at=NOW + 3600),
    checkpoint(at="yesterday"),
    checkpoint(at=float("nan")),
    checkpoint(size_bytes=-5),
    checkpoint(size_bytes=1 << 60),
    checkpoint(size_bytes=1e300),
    checkpoint(save_s=-1.0),
    checkpoint(save_s=1e9),
    checkpoint(save_s=float("inf")),
    checkpoint(blocked_s=-0.1),
    checkpoint(blocked_s="long"),
    checkpoint(id=""),
    checkpoint(id=7),
    checkpoint(id="c\x1b[2J"),
    checkpoint(id="x" * 5000),
    checkpoint(uri="s3://b/another-run/c1"),
    checkpoint(uri="s3://b/run/../another-run/c1"),
    checkpoint(uri="s3://b/run"),
    checkpoint(uri=None),
    checkpoint(manifest_sha256="not a hash"),
    checkpoint(manifest_sha256=["a" * 64]),
    restore(checkpoint_id="never heard of"),
    restore(step=49),
    restore(step=-50),
    restore(restore_s=1e9),
    restore(size_bytes=-1),
    restore(at=START - 60),
    span(20.0, 10.0),
    span(-3600.0, 10.0),
    span(10.0, 5000.0),
    span(step_from=10, step_to=5),
    span(step_from=-5),
    span(step_to="many"),
    span(step_to=1 << 80),
    {"kind": "span"},
    {"kind": "checkpoint"},
    {"kind": "rejected", "at": NOW + 3600, "checkpoint_id": "x", "reason": ""},
    {"kind": "rejected", "at": START + 1, "checkpoint_id": ["x"], "reason": ""},
]


@pytest.mark.parametrize("event", FORGED)
def test_a_claim_that_can_not_be_true_is_counted_and_books_nothing(folder, event):
    seen = reading(folder, event)

    assert seen.suspicious == 1
    assert seen.checkpoints == seen.restores == seen.spans == seen.rejected == ()


def test_forged_claims_between_honest_ones_cost_the_honest_ones_nothing(folder):
    honest = [
        span(),
        checkpoint(),
        span(30, 40, step_from=10, step_to=20),
        checkpoint(id="c2", uri="s3://b/run/c2"),
    ]
    mixed = [event for pair in zip(FORGED, honest * 11, strict=True) for event in pair][: 2 * len(honest)]
    seen = reading(folder, *mixed, *FORGED[len(honest) :])

    assert len(seen.checkpoints) == len(seen.spans) == 2
    assert seen.suspicious == len(FORGED)


@pytest.mark.parametrize(
    "claim",
    [
        beat(step=-1),
        beat(step="many"),
        beat(at=NOW + 3600),
        beat(at=START - 60),
        beat(at=None),
        {},
        beat(step=1 << 70),
    ],
)
def test_a_heartbeat_that_can_not_be_true_is_none(folder, claim):
    seen = reading(folder, heartbeat=claim)
    assert seen.heartbeat is None and seen.suspicious == 1


def test_what_does_not_belong_into_a_heartbeat_is_taken_out(folder):
    metrics = {"ok": 1, "nan": float("nan"), "text": "x", "list": [1], "esc\x1b[2J": 2.0, "huge": 10**400}
    claim = beat(
        loss="low", samples=-3, total_steps=1.5, resumed_step=50, metrics=metrics, cpu_s="much", more="x"
    )
    got = reading(folder, heartbeat=claim).heartbeat

    assert got == {
        "at": START + 500, "step": 200, "total_steps": None, "samples": None, "resumed_step": 50, "loss": None,
        "metrics": {"ok": 1.0, "esc [2J": 2.0}, "cpu_s": None,
    }  # fmt: skip


def test_a_checkpoint_named_twice_counts_once(folder):
    seen = reading(folder, checkpoint(), checkpoint(step=10_000))
    assert [c["step"] for c in seen.checkpoints] == [100] and seen.suspicious == 1


def test_useful_time_is_never_more_than_time(folder):
    """Each span overlaps the one before by less than the slack; added up they would claim ten times the hour."""
    spans = [span(i * 0.5, i * 0.5 + 4.9, step_from=i, step_to=i + 1) for i in range(1000)]
    seen = reading(folder, *spans)

    claimed = sum(s["end"] - s["start"] for s in seen.spans)
    assert claimed <= 1000 * 0.5 + 4.9
    assert all(b["start"] >= a["end"] for a, b in zip(seen.spans, seen.spans[1:], strict=False))


def test_neighboring_spans_are_one_and_a_pause_divides_them(folder):
    parts = [span(i, i + 1, step_from=i, step_to=i + 1) for i in range(50)]
    later = [span(i, i + 1, step_from=i, step_to=i + 1) for i in range(60, 70)]
    seen = reading(folder, *parts, *later)

    assert [(s["step_from"], s["step_to"]) for s in seen.spans] == [(0, 50), (60, 70)]


def test_more_events_than_an_attempt_can_have_are_not_kept():
    claims, window = Claims(), Window(start=START, end=NOW)
    for number in range(MAX_KEPT + 5):
        claims.take([checkpoint(id=f"c{number}")], window)
    assert len(claims.checkpoints) == MAX_KEPT and claims.suspicious == 5


def test_a_reader_whose_clock_is_behind_believes_later_what_it_could_not_at_first(folder):
    append_sealed(folder / names.EVENTS, checkpoint(at=NOW))
    now = [NOW - 60]
    reader = SpoolReader(folder, now=lambda: now[0])
    first = reader.read()
    now[0] = NOW
    second = reader.read()

    assert (first.checkpoints, first.suspicious) == ((), 1)
    assert len(second.checkpoints) == 1 and second.suspicious == 0


def test_kinds_of_a_newer_version_are_no_offense(folder):
    assert reading(folder, {"kind": "weather", "at": START}).suspicious == 0


# -- files that are not what they should be ---------------------------------------------------------------------


def test_torn_and_altered_lines_are_skipped_and_what_follows_is_read(folder):
    line = seal(checkpoint())
    with (folder / names.EVENTS).open("wb") as file:
        file.write(line[: len(line) // 2] + b"\n")
        file.write(line.replace(b'"step":100', b'"step":999'))
        file.write(b"\x00" * 5000 + b"\n" + b"[" * 100_000 + b"\n")
        file.write(seal(checkpoint(id="c2")) + seal(span()))
        file.write(line[:20])
    seen = SpoolReader(folder, now=lambda: NOW).read()

    assert [c["id"] for c in seen.checkpoints] == ["c2"] and len(seen.spans) == 1


def test_every_prefix_of_a_spool_is_readable(folder):
    reading(folder, restore(), span(), checkpoint(), heartbeat=beat())
    (folder / names.METER).write_bytes(seal({"at": NOW, "cpu_s": 1.0}) + seal({"at": NOW, "cpu_s": 2.0}))
    replace_json(folder / names.EXIT, {"kind": "done", "code": 0, "at": NOW, "detail": ""})
    for name in (names.EVENTS, names.HEARTBEAT, names.METER, names.EXIT, names.STATE, names.SPOOL_FILE):
        whole = (folder / name).read_bytes()
        for size in range(0, len(whole), 5):
            (folder / name).write_bytes(whole[:size])
            seen = SpoolReader(folder, now=lambda: NOW).read()
            if name == names.EXIT:
                assert seen.exit is None
            if name == names.METER:
                assert seen.meter is None or seen.meter["cpu_s"] in (1.0, 2.0)
        (folder / name).write_bytes(whole)


@pytest.mark.parametrize(
    "name", [names.HEARTBEAT, names.EVENTS, names.NOTICE, names.METER, names.STATE, names.EXIT]
)
@pytest.mark.parametrize("what", ["pipe", "link", "device", "folder", "big"])
def test_what_a_job_puts_there_instead_of_a_file_neither_blocks_nor_betrays(folder, name, what, tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps({**beat(), "kind": "done", "code": 0, "source": "x"}))
    path = folder / name
    path.unlink(missing_ok=True)
    if what == "pipe":
        os.mkfifo(path)
    elif what == "link":
        path.symlink_to(secret)
    elif what == "device":
        path.symlink_to("/dev/zero")
    elif what == "folder":
        path.mkdir()
    else:
        with path.open("wb") as file:
            file.truncate(1 << 30)
    began = time.process_time()
    seen = SpoolReader(folder, now=lambda: NOW).read()

    assert seen.heartbeat is None and seen.exit is None and seen.notice is None and seen.meter is None
    assert time.process_time() - began < 5


def test_values_of_the_wrong_kind_in_the_runners_own_files_are_not_there(folder):
    replace_json(
        folder / names.STATE, {"phase": 7, "pid": "x", "started_at": "now", "troubles": 5, "seen": [1]}
    )
    replace_json(folder / names.EXIT, {"kind": "won", "code": 0, "at": NOW})
    replace_json(folder / names.NOTICE, {"until": 5})
    (folder / names.METER).write_bytes(seal({"at": NOW, "cpu_s": "much", "energy_kind": "felt", "busy_s": 3}))
    seen = SpoolReader(folder, now=lambda: NOW).read()

    assert (seen.phase, seen.runner_pid, seen.exit, seen.notice, seen.troubles) == (
        "preparing",
        None,
        None,
        None,
        (),
    )
    assert seen.meter["cpu_s"] is None and seen.meter["energy_kind"] is None and seen.meter["busy_s"] == 3


@pytest.mark.parametrize(
    ("told", "read"),
    [(["GPU-a", "GPU\x1b[31m"], ("GPU-a", "GPU [31m")), ([], ()), (None, None), ("GPU-a", None), ([1], None),
     (["x"] * 5_000, None)],
)  # fmt: skip
def test_devices_are_names_or_not_known(folder, told, read):
    (folder / names.METER).write_bytes(seal({"at": NOW, "devices": told}))
    assert SpoolReader(folder, now=lambda: NOW).read().meter["devices"] == read


def test_reading_again_costs_only_what_is_new(folder):
    reading(folder, *(span(i / 100, (i + 1) / 100, step_from=i, step_to=i + 1) for i in range(20_000)))
    began = time.process_time()
    read(folder)
    first = time.process_time() - began
    began = time.process_time()
    for _ in range(10):
        read(folder)
    again = (time.process_time() - began) / 10

    assert again < first / 20


def test_a_spool_made_anew_at_the_same_place_is_read_anew(folder):
    append_sealed(folder / names.EVENTS, checkpoint())
    reader = SpoolReader(folder, now=lambda: NOW)
    assert len(reader.read().checkpoints) == 1
    (folder / names.EVENTS).rename(folder / "gone")
    append_sealed(folder / names.EVENTS, span())

    assert reader.read().checkpoints == () and len(reader.read().spans) == 1
