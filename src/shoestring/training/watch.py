"""What to do after a step: train on, save, or save and leave. The same answer on every rank."""

import time
from dataclasses import dataclass

from shoestring.training.ranks import Ranks
from shoestring.training.schedule import Schedule
from shoestring.training.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """``trigger``: why to save (due | asked | notice | sigterm); None to train on. ``stop``: leave after it."""

    trigger: str | None
    stop: bool = False


# What one rank wishes; the highest number of all ranks wins.
_WISHES = (
    Decision(trigger=None),
    Decision(trigger="due"),
    Decision(trigger="asked"),
    Decision(trigger="notice"),
    Decision(trigger="asked", stop=True),
    Decision(trigger="sigterm", stop=True),
)
_NOTHING, _DUE, _ASKED, _NOTICE, _STOP, _SIGTERM = range(6)


class Watch:
    """Puts together what the session hears, what the schedule says and what the other ranks wish."""

    def __init__(self, session: Session, schedule: Schedule, ranks: Ranks) -> None:
        self.session, self.schedule, self.ranks = session, schedule, ranks

    def decide(self, *, can_save: bool = True, saving: bool = False, saved: bool = False) -> Decision:
        """Decide after a step; every rank calls it after every step.

        Args:
            can_save: there is a place to save to. saving: a save is still being written.
            saved: this very step is durable already.
        """
        return _WISHES[self.ranks.highest(self._wish(can_save, saving, saved))]

    def _wish(self, can_save: bool, saving: bool, saved: bool) -> int:
        want, now = self.session.want(), time.monotonic()
        if want.stop is not None:
            return _SIGTERM if want.stop == "sigterm" else _STOP
        if not can_save:
            return _NOTHING
        until = None if want.until is None else now + want.until - time.time()
        if want.save == "notice":
            if self.schedule.fits(now, until):
                return _NOTICE
            self.session.answered()  # too late: what is written now would be cut off
        if not saved and self.schedule.last_call(now, until):
            return _NOTICE
        if want.save == "asked":
            return _ASKED
        return _DUE if self.ranks.first and not saving and self.schedule.due(now) else _NOTHING
