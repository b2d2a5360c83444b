"""Code that a job file names by its git repository: fetched once, before anything is launched."""

import os
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shoestring.domain.errors import BadInput
from shoestring.domain.text import printable
from shoestring.domain.workload import Workload
from shoestring.jobfile import GitSource
from shoestring.jobfile.task import Task

LONGEST_S = 900.0
PROTOCOLS = ("https", "ssh")


def with_code(task: Task, folder: Path) -> Workload:
    """The task's workload with its code at hand: the folder it names, or a fresh checkout at ``folder``.

    Raises:
        BadInput: the repository can't be fetched, or has no such branch, tag or commit.
    """
    if task.git is None:
        return task.workload
    fetch(task.git, folder)
    return replace(task.workload, workdir=str(folder))


def fetch(source: GitSource, folder: Path, *, protocols: Sequence[str] = PROTOCOLS) -> None:
    """Put the files of one commit into ``folder``, which is made; hooks and submodules are not run.

    One commit is asked for; a server that gives none by that name (an abbreviated hash, say) is asked for all.
    """
    folder.mkdir(parents=True)
    _git(folder, protocols, "init", "--quiet")
    wanted = source.ref or "HEAD"
    try:
        _git(folder, protocols, "fetch", "--quiet", "--depth=1", "--", source.url, wanted)
        found = "FETCH_HEAD"
    except BadInput:
        if source.ref is None:
            raise
        every = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        _git(folder, protocols, "fetch", "--quiet", "--", source.url, *every)
        found = source.ref
    try:
        _git(folder, protocols, "checkout", "--quiet", "--detach", found)
    except BadInput:
        raise BadInput(
            f"{source.url} has no branch, tag or commit {source.ref}", next_step="look at workdir: ref"
        ) from None


def _git(folder: Path, protocols: Sequence[str], *words: str) -> None:
    env = {
        **os.environ,
        "GIT_TERMINAL_PROMPT": "0",  # nobody is there to type a password
        "GIT_ALLOW_PROTOCOL": ":".join(protocols),
        "GIT_SSH_COMMAND": os.environ.get("GIT_SSH_COMMAND", "ssh -oBatchMode=yes"),
    }
    command = ["git", "-c", "core.hooksPath=/dev/null", "-C", str(folder), *words]
    try:
        done = subprocess.run(command, env=env, capture_output=True, timeout=LONGEST_S, check=False)
    except FileNotFoundError:
        raise BadInput("git is not installed", next_step="install git, or give a folder as workdir") from None
    except subprocess.TimeoutExpired:
        raise BadInput(
            f"git {words[0]} took over {LONGEST_S:.0f} s", next_step="clone it and give the folder as workdir"
        ) from None
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise BadInput(
            f"git {words[0]}: {printable(said[-1]) if said else f'exit code {done.returncode}'}",
            next_step="check workdir: url and ref, and that `git` can read it from this machine",
        )
