"""The power-loss images themselves: they hold what was made durable, and lose what was not."""

import sys
from pathlib import Path
from random import Random

import pytest

from tests.faults import recording
from tests.faults.images import Create, History, Loss, MakeFolder, Mark, Rename, Sync, Truncate, Unlink, Write

END = 10**6


def possible(history: History, loss: Loss, crash: int = END) -> list[dict[str, bytes | None]]:
    """The different disks that fifty draws give."""
    found: list[dict[str, bytes | None]] = []
    for seed in range(50):
        files = history.image(crash, loss, Random(seed)).files
        if files not in found:
            found.append(files)
    return found


def test_synced_bytes_under_a_synced_name_are_always_there() -> None:
    history = History([Create("a"), Write("a", 0, b"x"), Sync("a"), Sync(".")])

    assert all(possible(history, loss) == [{"a": b"x"}] for loss in Loss)


def test_bytes_without_a_sync_may_go_and_so_may_names() -> None:
    bytes_unsynced = History([Create("a"), Sync("."), Write("a", 0, b"x")])
    name_unsynced = History([Create("a"), Write("a", 0, b"x"), Sync("a")])

    assert possible(bytes_unsynced, Loss.ALL) == [{"a": b""}]
    assert possible(name_unsynced, Loss.ALL) == [{}]
    assert possible(bytes_unsynced, Loss.NONE) == possible(name_unsynced, Loss.NONE) == [{"a": b"x"}]


def test_a_rename_without_syncs_may_leave_an_empty_file_the_old_one_or_the_new_one() -> None:
    old = [Create("a"), Write("a", 0, b"old"), Sync("a"), Sync(".")]
    replaced = History([*old, Create("t"), Write("t", 0, b"new"), Rename("t", "a")])

    seen = [files["a"] for files in possible(replaced, Loss.SOME)]

    assert sorted(set(map(bytes, filter(None, seen)))) == [b"new", b"old"] and b"" in seen
    assert possible(replaced, Loss.ALL) == [{"a": b"old"}]


def test_the_three_steps_of_an_atomic_replacement_leave_old_or_new() -> None:
    old = [Create("a"), Write("a", 0, b"old"), Sync("a"), Sync(".")]
    history = History(
        [*old, Create("t"), Write("t", 0, b"new"), Sync("t"), Rename("t", "a"), Sync("."), Mark("ok")]
    )

    for crash in range(len(old), len(history.operations) + 1):
        for loss in Loss:
            for files in possible(history, loss, crash):
                assert files["a"] in ((b"new",) if history.marks(crash) else (b"old", b"new"))


def test_a_torn_write_keeps_sectors_of_the_disk() -> None:
    history = History(
        [Create("a"), Sync("."), Write("a", 0, b"0" * 2000), Sync("a"), Write("a", 100, b"1" * 1000)]
    )

    contents = [files["a"] for files in possible(history, Loss.TORN)]

    assert len(contents) == 8, "two sectors' parts and a third: each old or new"
    for content in contents:
        assert content is not None and len(content) == 2000
        assert all(len(set(content[a:b])) == 1 for a, b in ((100, 512), (512, 1024), (1024, 1100)))


def test_folders_truncation_and_removal_follow_the_same_rules() -> None:
    history = History([
        MakeFolder("d"), Sync("."), Create("d/a"), Write("d/a", 0, b"abc"), Sync("d/a"), Sync("d"),
        Truncate("d/a", 1), Unlink("d/a"),
    ])  # fmt: skip

    assert possible(history, Loss.ALL) == [{"d": None, "d/a": b"abc"}]
    assert possible(history, Loss.NONE) == [{"d": None}]
    seen = possible(history, Loss.SOME)
    assert {"d": None, "d/a": b"a"} in seen and {"d": None, "d/a": b"abc"} in seen and {"d": None} in seen


SCRIPT = """
import os, sys, threading
from pathlib import Path
folder = Path(sys.argv[1])
with open(folder / "plain", "w") as file:
    file.write("one"); file.flush(); os.write(1, b"MARK written\\n"); file.seek(1); file.write("XX!!")
with open(folder / "plain", "ab") as file:
    file.write(b"tail")
def other():
    (folder / "deep").mkdir()
    (folder / "deep/t").write_bytes(b"renamed")
    os.replace(folder / "deep/t", folder / "deep/kept")
    (folder / "gone").write_bytes(b"x"); (folder / "gone").unlink(); (folder / "gone").write_bytes(b"back")
    os.truncate(os.open(folder / "gone", os.O_RDWR), 2)
big = lambda: (folder / "b").write_bytes(b"b" * 9999)
threads = [threading.Thread(target=other), threading.Thread(target=big)]
[t.start() for t in threads]; [t.join() for t in threads]
os.replace(folder / "b", folder / "deep/b")
"""


@pytest.mark.skipif(recording.MISSING is not None, reason=str(recording.MISSING))
def test_a_recorded_history_played_to_its_end_is_what_lies_on_the_disk(tmp_path: Path) -> None:
    recorded = tmp_path / "recorded"
    recorded.mkdir()
    history = History(recording.record([sys.executable, "-S", "-c", SCRIPT, str(recorded)], recorded))

    history.image(END, Loss.NONE, Random(0)).write(tmp_path / "played")

    def content(folder: Path) -> dict[str, bytes | None]:
        return {
            str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
            for path in folder.rglob("*")
        }

    assert content(tmp_path / "played") == content(recorded)
    assert history.marks(END) == ["written"] and history.first("written") < len(history.operations)
    assert content(recorded)["plain"] == b"oXX!!tail"


@pytest.mark.skipif(recording.MISSING is not None, reason=str(recording.MISSING))
def test_a_call_that_no_history_can_hold_is_refused(tmp_path: Path) -> None:
    recorded = tmp_path / "recorded"
    recorded.mkdir()
    script = "import os, sys; os.symlink('x', sys.argv[1] + '/link')"

    with pytest.raises(NotImplementedError, match="symlink"):
        recording.record([sys.executable, "-S", "-c", script, str(recorded)], recorded)
