"""Verbs on nodes that every parser uses: take a value of one kind, or report what would be allowed.

Each gives None when the value is missing or wrong; the problem is then in the report and parsing goes on.
"""

import math
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TypeVar

from shoestring.domain.text import unsafe_characters
from shoestring.jobfile.node import Kind, Node
from shoestring.jobfile.report import Report, did_you_mean
from shoestring.jobfile.url import carries_credentials

T = TypeVar("T")

MAX_TEXT = 1024  # names, paths, amounts; scripts are read by `script`
LABEL_KEY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/:-]{0,126}[A-Za-z0-9])?")


def error(node: Node, report: Report, message: str, *, allowed: str | None = None) -> None:
    """Refuse the file because of this node."""
    report.add(node.where, node.line, message, allowed=allowed)


def warn(node: Node, report: Report, message: str, *, allowed: str | None = None) -> None:
    """Point at this node without refusing the file."""
    report.add(node.where, node.line, message, allowed=allowed, warning=True)


def entries(node: Node, report: Report, allowed: str | None = None) -> Iterator[tuple[str, Node]]:
    """Keys and values of a mapping; a problem if it is something else."""
    if node.kind is Kind.MAPPING:
        yield from node.entries.items()
    else:
        error(node, report, f"expected a mapping, found {node.shown}", allowed=allowed)


def check_keys(node: Node, report: Report, known: Collection[str], *, unknown_is_error: bool) -> None:
    """Report keys that are not known, each with the nearest that is."""
    for key, child in node.entries.items():
        if key in known:
            continue
        hint = "" if report.full else did_you_mean(key, known)
        if unknown_is_error:
            error(child, report, f"unknown key.{hint}", allowed=", ".join(sorted(known)))
        else:
            warn(child, report, f"unknown to SkyPilot; passed on untouched.{hint}")


def text(node: Node, report: Report, *, allowed: str | None = None) -> str | None:
    """One line of text without control characters, as written (a number too)."""
    if node.kind is not Kind.SCALAR or node.is_null:
        error(node, report, f"expected text, found {node.shown}", allowed=allowed)
        return None
    if len(node.text) > MAX_TEXT:
        error(node, report, f"{len(node.text):,} characters; at most {MAX_TEXT:,}", allowed=allowed)
        return None
    if unsafe := unsafe_characters(node.text):
        error(node, report, f"holds control or invisible characters: {unsafe[:60]}", allowed="printable text")
        return None
    return node.text


def script(node: Node, report: Report) -> str | None:
    """Shell lines, as written; only NUL is refused, which no shell can take."""
    if node.kind is not Kind.SCALAR or node.is_null or not isinstance(node.value, str):
        error(
            node, report, f"expected shell commands as text, found {node.shown}", allowed="text, e.g. after |"
        )
        return None
    if "\0" in node.value:
        error(node, report, "holds a NUL character", allowed="text without NUL")
        return None
    return node.value


def convert(node: Node, report: Report, parse: Callable[[str], T], *, allowed: str) -> T | None:
    """A value through ``parse``, whose ValueError becomes the problem."""
    written = text(node, report, allowed=allowed)
    if written is None:
        return None
    try:
        return parse(written)
    except (ValueError, OverflowError) as problem:
        message = str(problem) if node.may_be_shown else f"{node.shown} is not allowed here"
        error(node, report, message, allowed=allowed)
        return None


def number(
    node: Node,
    report: Report,
    *,
    above: float | None = None,
    minimum: float | None = None,
    maximum: float = 1e30,
) -> float | None:
    """A finite number within bounds."""
    low = (
        f"above {above:g}" if above is not None else f"{minimum:g} or more" if minimum is not None else "any"
    )
    allowed = f"a number, {low}" + (f", at most {maximum:g}" if maximum < 1e30 else "")

    def parse(written: str) -> float:
        try:
            found = float(written)
        except ValueError:
            raise ValueError(f"{node.shown} is no number") from None
        outside = (above is not None and found <= above) or (minimum is not None and found < minimum)
        if not math.isfinite(found) or outside or found > maximum:
            raise ValueError(f"{node.shown} is out of range")
        return found

    return convert(node, report, parse, allowed=allowed)


def integer(node: Node, report: Report, *, minimum: int, maximum: int) -> int | None:
    """A whole number within bounds."""

    def parse(written: str) -> int:
        if not re.fullmatch(r"[+-]?\d{1,18}", written):
            raise ValueError(f"{node.shown} is no whole number")
        found = int(written)
        if not minimum <= found <= maximum:
            raise ValueError(f"{found} is out of range")
        return found

    return convert(node, report, parse, allowed=f"a whole number from {minimum} to {maximum}")


def boolean(node: Node, report: Report) -> bool | None:
    """true or false; null counts as not given."""
    if node.is_null:
        return None
    if isinstance(node.value, bool):
        return node.value
    error(node, report, f"expected true or false, found {node.shown}", allowed="true, false")
    return None


def choice(node: Node, report: Report, known: Iterable[str]) -> str | None:
    """One of ``known``, whatever its case."""
    by_fold = {k.casefold(): k for k in known}
    written = text(node, report, allowed=", ".join(by_fold.values()))
    if written is None:
        return None
    if written.casefold() in by_fold:
        return by_fold[written.casefold()]
    hint = did_you_mean(written, by_fold.values())
    error(node, report, f"{node.shown} is not known.{hint}", allowed=", ".join(by_fold.values()))
    return None


def labels(node: Node, report: Report) -> dict[str, str]:
    """Labels that are safe as cloud tags, ledger columns and terminal text."""
    found: dict[str, str] = {}
    for key, child in entries(node, report, "name: value"):
        if not LABEL_KEY.fullmatch(key):
            error(
                child,
                report,
                "not a label's name",
                allowed="letters, digits and . _ / : - inside, at most 128",
            )
        elif (value := "" if child.is_null else text(child, report)) is not None:
            if len(value) > 256:
                error(child, report, f"{len(value)} characters", allowed="at most 256 characters")
            else:
                found[key] = value
    return found


def location(node: Node, report: Report) -> str | None:
    """A path or URI: no option in disguise, and no password inside."""
    allowed = "a path or URI such as ./data, ~/data, s3://bucket/prefix"
    written = text(node, report, allowed=allowed)
    if written is None:
        return None
    if not written or written.startswith("-"):
        error(node, report, f"{node.shown} is no path", allowed=allowed)
        return None
    if carries_credentials(written):
        # The value itself is not shown: it holds the password.
        error(node, report, "a user or password inside a URL", allowed="the URL without it; use `secrets:`")
        return None
    return written
