"""The lease: who may decide. It only keeps two leaders from working for nothing; safety is the epoch's.

A paused leader can wake after its lease has passed and believe it still holds it. So every write compares the
epoch of the writer with the stored one, in the transaction of the write itself.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shoestring.domain.errors import BadInput, StaleLeader
from shoestring.ports import Lease

TTL_MAX_S = 86_400.0
HOLDER_MAX = 200
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)

Now = Callable[[], datetime]
Monotonic = Callable[[], float]


def utc_now() -> datetime:
    """Real time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRow:
    """The one lease of a journal, as stored. ``holder`` is empty while nobody leads.

    Attributes:
        host: machine on which the holder runs; matters only where two hosts must not write.
        ttl_s: how long the holder asked for, in real seconds.
    """

    holder: str = ""
    host: str = ""
    epoch: int = 0
    expires_at: datetime = LONG_AGO
    ttl_s: float = 0.0

    def check(self, lease: Lease) -> None:
        """Raises StaleLeader unless this lease holds; one that expired and that nobody took still does."""
        if self.epoch == lease.epoch and self.holder == lease.holder:
            return
        now = f"{self.holder} leads with epoch {self.epoch}" if self.holder else "the lease was given back"
        raise StaleLeader(
            f"{lease.holder} led with epoch {lease.epoch}, but {now}; nothing was written",
            next_step="shoestring status",
        )

    def lease(self) -> Lease:
        return Lease(holder=self.holder, epoch=self.epoch, expires_at=self.expires_at)


def check_terms(holder: str, ttl_s: float) -> None:
    """Raises BadInput unless a lease has a name and a bounded length."""
    if not 0 < len(holder) <= HOLDER_MAX:
        raise BadInput(f"holder: 1 to {HOLDER_MAX} characters, found {len(holder)}")
    if not 0 < ttl_s <= TTL_MAX_S:
        raise BadInput(f"ttl_s: above 0 and at most {TTL_MAX_S:.0f}, found {ttl_s}")


def granted(holder: str, host: str, epoch: int, ttl_s: float, now: datetime) -> LeaseRow:
    """A lease from now on, for ``ttl_s`` real seconds."""
    expires_at = now + timedelta(seconds=ttl_s)
    return LeaseRow(holder=holder, host=host, epoch=epoch, expires_at=expires_at, ttl_s=ttl_s)


class Watch:
    """Tells when a lease has passed, also where wall clocks differ or jump.

    By the wall clock a lease passes at ``expires_at``. A clock that was set back would keep a dead leader's
    lease for hours; so it has passed too once it stood unchanged for its whole length of monotonic time.
    """

    def __init__(self, now: Now = utc_now, monotonic: Monotonic = time.monotonic) -> None:
        self.now, self._monotonic = now, monotonic
        self._seen: tuple[int, datetime] | None = None
        self._since = 0.0

    def passed(self, row: LeaseRow) -> bool:
        if row.expires_at <= self.now():
            return True
        seen = (row.epoch, row.expires_at)
        if seen != self._seen:
            self._seen, self._since = seen, self._monotonic()
        return self._monotonic() - self._since >= row.ttl_s
