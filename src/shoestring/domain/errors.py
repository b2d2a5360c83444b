"""What can go wrong, named for what the caller can do next.

    ShoestringError
    ├── BadInput             mend the input (ValueError too)                         exit 2
    │   └── JobFileInvalid   every problem of a job file at once
    ├── NotFound             name another run or file                                exit 2
    ├── NoCapacity           wait, or take another offer
    ├── PriceUnknown         give a price, or leave the offer out
    ├── BudgetExceeded       raise the budget; the run is suspended, nothing is lost exit 4
    ├── ResumeNotProven      rehearse first, or --allow-unproven-resume              exit 2
    ├── ResidencyViolated    choose a place where the data may be                    exit 2
    ├── ExecutorUnavailable  try again later: nothing is known to have failed
    ├── StaleLeader          another supervisor leads: stop at once, act no more
    ├── JournalUnavailable   stop deciding; the job trains on; resume when the disk is well
    ├── CheckpointCorrupt    fall back to the checkpoint before
    └── QualityNotShown      gather more evidence, or do not book the saving         exit 3

A message says what, where, which value, and the next step.
"""

from dataclasses import dataclass

DONE, FAILED, BAD_INPUT, INCONCLUSIVE, SUSPENDED = 0, 1, 2, 3, 4


class ShoestringError(Exception):
    """Anything shoestring can explain. ``next_step`` is a command or a sentence for the user, or None."""

    exit_code = FAILED

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message)
        self.next_step = next_step


class BadInput(ShoestringError, ValueError):
    """Outside data that can't be taken as it is."""

    exit_code = BAD_INPUT


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong (or suspicious) in a file.

    Attributes:
        where: dotted path of the key, e.g. ``shoestring.deadline``.
        message: what is wrong, with the value found.
        allowed: what would be accepted; None if that can't be listed.
        line: line in the file, from 1; None if unknown.
        severity: ``error`` refuses the file, ``warning`` does not.
    """

    where: str
    message: str
    allowed: str | None = None
    line: int | None = None
    severity: str = "error"


class JobFileInvalid(BadInput):
    """A job file with at least one error; ``problems`` lists all of them, warnings too."""

    def __init__(self, path: str, problems: tuple[Problem, ...]) -> None:
        self.path, self.problems = path, problems
        errors = [p for p in problems if p.severity == "error"]
        first = errors[0] if errors else None
        detail = f"; first: {first.where}: {first.message}" if first else ""
        super().__init__(
            f"{path}: {len(errors)} error{'s' if len(errors) != 1 else ''}{detail}",
            next_step=f"shoestring validate {path}",
        )


class NotFound(ShoestringError):
    """A run, file or offer that was named does not exist."""

    exit_code = BAD_INPUT


class NoCapacity(ShoestringError):
    """The engine answered: not here, not now."""


class PriceUnknown(ShoestringError):
    """No price for something that must be priced; unknown is never zero."""


class BudgetExceeded(ShoestringError):
    """Going on would pass the budget."""

    exit_code = SUSPENDED


class ResumeNotProven(ShoestringError):
    """Spot was asked for a job that has not shown that it resumes."""

    exit_code = BAD_INPUT


class ResidencyViolated(ShoestringError):
    """A place was about to be used where the job's data may not be."""

    exit_code = BAD_INPUT


class ExecutorUnavailable(ShoestringError):
    """The engine did not answer. Nothing is known about the job: it may well be running."""


class StaleLeader(ShoestringError):
    """This supervisor's epoch has passed: another one leads."""


class JournalUnavailable(ShoestringError):
    """The journal could not be written. Never retried in place: what reached the disk is unknown."""


class CheckpointCorrupt(ShoestringError):
    """A checkpoint's bytes differ from its manifest, or it holds what may not be loaded."""


class QualityNotShown(ShoestringError):
    """The evidence does not show that quality is kept."""

    exit_code = INCONCLUSIVE
