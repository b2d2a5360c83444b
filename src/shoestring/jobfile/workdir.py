"""Workdir: the folder, or the git repository, that a job's code is in."""

import re
from dataclasses import dataclass
from pathlib import Path

from shoestring.jobfile import read
from shoestring.jobfile.environment import Environment
from shoestring.jobfile.node import Kind, Node
from shoestring.jobfile.report import Report

# Only transports that run no command of the sender's choosing (git's `ext::` does) and read no local file; a
# host that begins with - would be an option to ssh.
_HTTPS = re.compile(r"https://[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?/[A-Za-z0-9._~/+-]+")
_SSH = re.compile(
    r"ssh://(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*(:\d{1,5})?/[A-Za-z0-9._~/+-]+"
)
_SCP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9][A-Za-z0-9.-]*:[A-Za-z0-9._~][A-Za-z0-9._~/+-]*")
_REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}")
_URLS = "https://host/path, ssh://git@host/path or git@host:path"


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSource:
    """Code in a git repository. ``ref``: branch, tag or commit; None for the default branch."""

    url: str
    ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Workdir:
    """At most one of the two is set."""

    folder: str | None = None
    git: GitSource | None = None


def read_workdir(node: Node | None, report: Report, environment: Environment, *, cwd: Path) -> Workdir:
    """``workdir:``; a relative path counts from ``cwd``, as with SkyPilot."""
    if node is None:
        return Workdir()
    if node.kind is Kind.MAPPING:
        return Workdir(git=_git(node, report))
    written = read.location(node, report)
    if written is None:
        return Workdir()
    written = environment.fill_in(written)
    if "://" in written or "::" in written:
        read.error(node, report, f"{node.shown} is no folder", allowed="a folder, or {url: ..., ref: ...}")
        return Workdir()
    try:
        folder = cwd / Path(written).expanduser()
    except RuntimeError:  # ~name of nobody
        read.error(node, report, f"{node.shown}: no such user's home", allowed="a folder")
        return Workdir()
    if not folder.is_dir():
        read.warn(
            node, report, f"no folder {node.shown} seen from here; it counts from the current directory"
        )
    return Workdir(folder=str(folder))


def is_git_url(url: str) -> bool:
    """Whether git may be asked to fetch from here.

    >>> is_git_url("https://github.com/org/repo.git"), is_git_url("ext::sh -c id"), is_git_url("ssh://-oX/y")
    (True, False, False)
    """
    return any(p.fullmatch(url) for p in (_HTTPS, _SSH, _SCP)) and ".." not in url.split("/")


def _git(node: Node, report: Report) -> GitSource | None:
    read.check_keys(node, report, ("url", "ref"), unknown_is_error=False)
    url_node, ref_node = node.get("url"), node.get("ref")
    if url_node is None:
        read.error(node, report, "a repository without `url`", allowed=_URLS)
        return None
    url = read.location(url_node, report)
    ref = read.text(ref_node, report) if ref_node else None
    if ref_node and ref is not None and (not _REF.fullmatch(ref) or ".." in ref):
        read.error(
            ref_node,
            report,
            f"{ref_node.shown} is no branch, tag or commit",
            allowed="letters, digits, . _ / + -",
        )
    if url is None:
        return None
    if not is_git_url(url):
        read.error(url_node, report, f"{url_node.shown} is no repository that may be fetched", allowed=_URLS)
        return None
    return GitSource(url=url, ref=ref)
