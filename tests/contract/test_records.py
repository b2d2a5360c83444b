"""What every Records promises."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shoestring.domain.run import Profile
from shoestring.ports import Records
from shoestring.store.memory import MemoryRecords
from shoestring.store.records import SqlRecords

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def a_profile(hour: int, code: str = "a" * 64) -> Profile:
    return Profile(
        code_sha256=code, world_size=2, measured_at=NOON + timedelta(hours=hour), source="rehearsal",
        resume="bit_identical", save_s=1.5, detail={"zone": "us-east-1a"},
    )  # fmt: skip


@pytest.fixture(params=["memory", "sqlite"])
def records(request: pytest.FixtureRequest, tmp_path: Path) -> Records:
    return MemoryRecords() if request.param == "memory" else SqlRecords(tmp_path / "records.db")


def test_profiles_of_a_code_come_newest_first(records: Records) -> None:
    for hour in (2, 1, 3):
        records.put_profile(a_profile(hour))
    records.put_profile(a_profile(9, code="b" * 64))

    assert records.profiles("a" * 64) == (a_profile(3), a_profile(2), a_profile(1))
    assert records.profiles("b" * 64) == (a_profile(9, code="b" * 64),)


def test_unknown_code_has_no_profiles(records: Records) -> None:
    assert records.profiles("c" * 64) == ()


def test_profiles_outlive_the_object_and_may_share_the_journals_file(tmp_path: Path) -> None:
    from shoestring.store.journal import SqlJournal

    SqlJournal(tmp_path / "one.db").acquire("me", 10)
    SqlRecords(tmp_path / "one.db").put_profile(a_profile(1))

    assert SqlRecords(tmp_path / "one.db").profiles("a" * 64) == (a_profile(1),)
