"""Launches that an engine granted, or may have, and does not list.

Engines list new instances late. A token that stays unlisted is first waited for, then cancelled (which bars it,
or ends what hides behind it), then waited for once more: only after that is it taken as never started. Whatever
shows up later still is stopped, and its cost is charged to the attempt that asked for it.
"""

from dataclasses import replace
from datetime import datetime, timedelta
from enum import Enum, auto

from shoestring.domain.run import Exit, ExitKind, Observation, Outcome
from shoestring.domain.units import seconds_between
from shoestring.supervisor.book import NEVER_LISTED, AttemptBook

LOOK_FOR = 30  # times as long as a launch may take to be listed


class Step(Enum):
    """What to do about an unlisted attempt."""

    WAIT = auto()  # it may still show
    BAR = auto()  # cancel its token
    GIVE_UP = auto()  # take it as ended


def settle(attempt: AttemptBook, now: datetime, visible_s: float) -> tuple[Step, Observation | None]:
    """The next step, and what the attempt is taken for when it is given up.

    It is given up only after its token was barred by this leader: ``stop_sent``.

    Args:
        visible_s: a launch may take so long to be listed, and a cancelled one so long to be listed as ended.
    """
    began = attempt.observation.launched_at is not None
    asked_s = seconds_between(attempt.intended_at, now)
    if not began and asked_s < visible_s:
        return Step.WAIT, None
    if not attempt.stop_sent:
        return Step.BAR, None
    if began:
        end = Exit(kind=ExitKind.LOST, at=now, detail="the engine no longer knows this attempt")
        lost = replace(attempt.observation, outcome=Outcome.ENDED, terminated_at=now, exit=end)
        return Step.GIVE_UP, lost
    if asked_s < 2 * visible_s:
        return Step.WAIT, None
    end = Exit(kind=ExitKind.NO_START, at=now, detail=NEVER_LISTED)
    return Step.GIVE_UP, replace(attempt.observation, outcome=Outcome.ENDED, exit=end)


def awaited(attempt: AttemptBook, now: datetime, visible_s: float, tick_s: float) -> bool:
    """Whether a launch that was given up is still looked for: it runs after all, or was given up not long ago.

    Not long ago is so many seconds and so many looks of this leader: a clock that was a day behind at the launch,
    and is right again, makes everything look a day old.
    """
    if not attempt.ended:
        return True
    attempt.looks += 1
    longest_s = LOOK_FOR * visible_s
    return attempt.looks * tick_s < longest_s or now - attempt.intended_at < timedelta(seconds=longest_s)
