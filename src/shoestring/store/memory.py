"""The journal in memory: same meaning as the SQL one, for the simulator and for tests.

It lasts as long as the object; several leaders of one process may contend for it.
"""

import time
from collections.abc import Iterator, Sequence

from shoestring.domain.errors import BadInput
from shoestring.domain.facts import Asked, Fact
from shoestring.domain.run import Profile
from shoestring.ports import Entry, Lease
from shoestring.store.lease import LeaseRow, Monotonic, Now, Watch, check_terms, granted, utc_now
from shoestring.store.limits import REQUESTS_MAX


class MemoryJournal:
    """Facts in a list. See :class:`shoestring.ports.Journal`."""

    def __init__(self, *, now: Now = utc_now, monotonic: Monotonic = time.monotonic) -> None:
        self._watch = Watch(now, monotonic)
        self._lease = LeaseRow()
        self._facts: list[Fact] = []
        self._epochs: list[int] = []
        self._requests: dict[int, Fact] = {}
        self._asked = 0

    def acquire(self, holder: str, ttl_s: float) -> Lease | None:
        check_terms(holder, ttl_s)
        row = self._lease
        if row.holder not in ("", holder) and not self._watch.passed(row):
            return None
        self._lease = granted(holder, "", row.epoch + 1, ttl_s, self._watch.now())
        return self._lease.lease()

    def renew(self, lease: Lease, ttl_s: float) -> Lease:
        check_terms(lease.holder, ttl_s)
        self._lease.check(lease)
        self._lease = granted(lease.holder, "", lease.epoch, ttl_s, self._watch.now())
        return self._lease.lease()

    def release(self, lease: Lease) -> None:
        if (self._lease.epoch, self._lease.holder) == (lease.epoch, lease.holder):
            self._lease = LeaseRow(epoch=lease.epoch)

    def append(self, lease: Lease, facts: Sequence[Fact]) -> None:
        self._lease.check(lease)
        self._facts.extend(facts)
        self._epochs.extend([lease.epoch] * (len(self._facts) - len(self._epochs)))

    def read(self, after: int = 0) -> Iterator[Entry]:
        for index in range(max(after, 0), len(self._facts)):
            yield Entry(seq=index + 1, epoch=self._epochs[index], fact=self._facts[index])

    def ask(self, request: Asked | Fact) -> None:
        if len(self._requests) >= REQUESTS_MAX:
            raise BadInput(f"{len(self._requests)} requests wait already", next_step="let a leader take them")
        self._asked += 1
        self._requests[self._asked] = request

    def asked(self) -> Sequence[tuple[int, Fact]]:
        return tuple(self._requests.items())

    def take(self, lease: Lease, request_ids: Sequence[int], facts: Sequence[Fact]) -> None:
        self._lease.check(lease)
        gone = sorted(set(request_ids) - self._requests.keys())
        if gone or len(set(request_ids)) != len(request_ids):
            raise BadInput(f"requests {gone or list(request_ids)} are not waiting; nothing was written")
        for request_id in request_ids:
            del self._requests[request_id]
        self.append(lease, facts)

    def close(self) -> None:
        """Nothing to close; here so that every journal can be closed."""


class MemoryRecords:
    """Profiles in a list. See :class:`shoestring.ports.Records`."""

    def __init__(self) -> None:
        self._profiles: list[Profile] = []

    def put_profile(self, profile: Profile) -> None:
        self._profiles.append(profile)

    def profiles(self, code_sha256: str) -> tuple[Profile, ...]:
        found = [p for p in reversed(self._profiles) if p.code_sha256 == code_sha256]
        return tuple(sorted(found, key=lambda p: p.measured_at, reverse=True))

    def close(self) -> None:
        """Nothing to close."""
