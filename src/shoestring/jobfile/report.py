"""Report: collects every problem of a job file, so that the user mends them all at once."""

import difflib
from collections.abc import Iterable

from shoestring.domain.errors import Problem
from shoestring.domain.text import printable

MAX_PROBLEMS = 200  # a file with more is not a job file; the rest is counted


class Fatal(Exception):
    """Nothing more can be said about the file after this."""

    def __init__(self, message: str, *, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


class Report:
    """Problems found so far, each once, in the order found."""

    def __init__(self) -> None:
        self._problems: dict[Problem, None] = {}
        self._beyond = 0

    @property
    def problems(self) -> tuple[Problem, ...]:
        """In the order of the file; a note at the end if there were too many."""
        found = sorted(self._problems, key=lambda p: (p.line is None, p.line or 0))
        if self._beyond:
            found.append(Problem(where="file", message=f"and {self._beyond:,} more problems"))
        return tuple(found)

    @property
    def has_errors(self) -> bool:
        return self._beyond > 0 or any(p.severity == "error" for p in self._problems)

    @property
    def full(self) -> bool:
        return len(self._problems) >= MAX_PROBLEMS

    def add(
        self, where: str, line: int | None, message: str, *, allowed: str | None = None, warning: bool = False
    ) -> None:
        """One more problem. Text of others in ``message`` and ``where`` has been made printable."""
        if self.full:
            self._beyond += 1
            return
        problem = Problem(
            where=where or "file",
            message=message,
            allowed=allowed,
            line=line,
            severity="warning" if warning else "error",
        )
        self._problems[problem] = None


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """`` Did you mean 'x'?`` for a near miss, else nothing.

    >>> did_you_mean("reosurces", ["resources", "run"])
    " Did you mean 'resources'?"
    """
    if len(name) > 64:  # no typo of a key is longer, and matching costs the square of the length
        return ""
    by_fold = {k.casefold(): k for k in known}
    near = difflib.get_close_matches(name.casefold(), by_fold, n=1)
    return f" Did you mean {printable(by_fold[near[0]])!r}?" if near else ""
