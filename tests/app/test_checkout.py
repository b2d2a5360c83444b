"""Given a repository, when a job names it as its workdir, then the files of that commit are there."""

import shutil
import subprocess
from pathlib import Path

import pytest

from shoestring.app.checkout import fetch
from shoestring.domain.errors import BadInput
from shoestring.jobfile import GitSource

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


def git(folder: Path, *words: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    done = subprocess.run(
        ["git", *who, "-C", str(folder), *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    """A repository of two commits: ``v1`` tags the first, ``main`` is the second."""
    folder = tmp_path / "origin"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    for text in ("one", "two"):
        (folder / "train.py").write_text(text)
        git(folder, "add", ".")
        git(folder, "commit", "--quiet", "-m", text)
        if text == "one":
            git(folder, "tag", "v1")
    return folder


def fetched(origin: Path, ref: str | None, to: Path) -> str:
    fetch(GitSource(url=f"file://{origin}", ref=ref), to, protocols=("file",))
    return (to / "train.py").read_text()


def test_the_default_branch_a_branch_a_tag_and_any_commit(origin: Path, tmp_path: Path) -> None:
    first = git(origin, "rev-parse", "v1")

    assert fetched(origin, None, tmp_path / "a") == "two"
    assert fetched(origin, "main", tmp_path / "b") == "two"
    assert fetched(origin, "v1", tmp_path / "c") == "one"
    assert fetched(origin, first, tmp_path / "d") == "one"
    assert fetched(origin, first[:8], tmp_path / "e") == "one"


def test_no_such_ref_and_no_such_repository_are_said(origin: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no branch, tag or commit v9"):
        fetched(origin, "v9", tmp_path / "a")
    with pytest.raises(BadInput, match="git fetch"):
        fetched(tmp_path / "nowhere", None, tmp_path / "b")


def test_other_transports_are_refused(origin: Path, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"git fetch: .*not allowed"):
        fetch(GitSource(url=f"file://{origin}"), tmp_path / "a")


def test_without_git_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BadInput) as refused:
        fetch(GitSource(url="https://example.org/x.git"), tmp_path / "a")
    assert "install git" in str(refused.value.next_step)
