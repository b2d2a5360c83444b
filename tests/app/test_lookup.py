"""Given a run that was just submitted, when any shell asks for it, then it is there."""

import sys
from pathlib import Path

import pytest

from shoestring.app import launch
from shoestring.app.config import Settings
from shoestring.app.launch import Asked
from shoestring.app.lookup import status_rows


@pytest.fixture
def unheard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A run whose supervisor has not come yet."""
    monkeypatch.setenv("SHOESTRING_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(launch, "spawn", lambda site, env: None)
    asked = Asked(argv=(sys.executable, "-c", "pass"))
    site, _ = launch.start(asked, Settings(executor="local"), launch.read_job(asked))
    return site.run_id


def test_a_run_that_no_supervisor_has_taken_yet_waits(unheard: str) -> None:
    (row,) = status_rows(unheard, 1)

    assert row["run_id"] == unheard and row["state"] == "waiting"
    assert row["attempt"] == 0 and row["decision"] == "none yet"


def test_it_is_among_all_runs_too(unheard: str) -> None:
    assert [row["run_id"] for row in status_rows(None, 20)] == [unheard]
