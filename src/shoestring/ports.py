"""DOORS: all that the house asks of the world, on one page. The simulator's doors are the same in numbers."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Protocol

from shoestring.domain.facts import Asked, Fact
from shoestring.domain.offer import Offer
from shoestring.domain.price import PricePoint, PricesWanted
from shoestring.domain.run import CheckpointFact, MeterTotals, Observation, Profile
from shoestring.domain.workload import Workload


class Clock(Protocol):
    """Time as the fleet lives it: real time, or a rehearsal market's faster one."""

    def now(self) -> datetime:
        """This moment, in UTC."""
        ...

    def sleep(self, seconds: float) -> None:
        """Let ``seconds`` of this clock pass."""
        ...


class PriceSource(Protocol):
    """Where offers come from."""

    def offers(self) -> tuple[Offer, ...]:
        """Offers with prices as of now. Raises ExecutorUnavailable if the source does not answer."""
        ...


class PriceFeed(Protocol):
    """A provider's own prices, asked over the network."""

    @property
    def provider(self) -> str:
        """The catalog's word for whose prices these are."""
        ...

    @property
    def host(self) -> str:
        """Who is asked, for people: the host's name."""
        ...

    def points(self, wanted: PricesWanted) -> tuple[PricePoint, ...]:
        """Prices as of now, bounded in size and time.

        Raises:
            ExecutorUnavailable: no answer. BadInput: an answer that can't be trusted, refused whole.
        """
        ...


class Secret(str):
    """A text that never shows itself: repr, str formatting of containers and logs give ``***``."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"

    def reveal(self) -> str:
        """The text itself; call it only where it leaves the house."""
        return str.__str__(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSpec:
    """One attempt, as an executor is asked to launch it.

    Attributes:
        token: makes the launch idempotent; one per attempt, never used again.
        epoch: the leader's fencing epoch; an engine that has seen a higher one refuses (StaleLeader).
        env: environment of the job, secrets among it; it reaches no journal, log or argument list.
        restore: durable checkpoints of this run by the journal, newest first; empty means a fresh start.
        checkpoint_interval_s: from the policy, in the clock's seconds; None leaves it to the job.
        hang_s: without a heartbeat for so long the job counts as hung; None never.
        grace_s: what a save before a stop may take; then what is left is killed.
        linger_s: after the job's end the node stops itself when no supervisor has come for so long.
    """

    run_id: str
    attempt_id: str
    attempt_number: int
    token: str
    epoch: int
    workload: Workload
    offer: Offer
    env: Mapping[str, str] = field(default_factory=dict, repr=False)
    restore: tuple[CheckpointFact, ...] = ()
    checkpoint_interval_s: float | None = None
    hang_s: float | None = None
    grace_s: float = 120.0
    linger_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an engine can do. ``tokens``: a launch is idempotent by token (else the sweep bounds harm).

    Attributes:
        probe_usd: what one look at its market costs, its time counted in money; then it is looked at less often.
        replaces: it can lose single nodes of a gang and give others for them; else a gang goes whole.
    """

    tokens: bool = True
    notice_s: float | None = None
    gang: bool = False
    probe_usd: float = 0.0
    replaces: bool = False
    accounting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveInstance:
    """An instance that carries our tag, as the engine (not the journal) sees it."""

    token: str
    run_id: str
    attempt_id: str
    epoch: int
    launched_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class BillLine:
    """A line of the engine's own books, for reconciliation. ``kind``: compute | egress | storage."""

    token: str
    kind: str
    start: datetime
    end: datetime
    amount_usd: Decimal


class Executor(PriceSource, Protocol):
    """Where jobs run. Every method may raise ExecutorUnavailable; that says nothing about any job."""

    @property
    def name(self) -> str: ...

    def capabilities(self) -> Capabilities: ...

    def submit(self, spec: JobSpec) -> Observation:
        """Launch an attempt; called twice with one token it launches once and answers the same.

        Raises:
            NoCapacity: refused; nothing runs and nothing is billed under this token, now or later.
            StaleLeader: the engine has seen a higher epoch.
            BadInput: the job can't run here as it is (the message says why).
        """
        ...

    def poll(self, tokens: Sequence[str]) -> Mapping[str, Observation]:
        """What is known of each attempt; a token the engine does not know is missing from the answer."""
        ...

    def logs(self, token: str, offset: int = 0, limit: int = 1 << 20) -> tuple[bytes, int]:
        """Log bytes from ``offset`` (at most ``limit``) and the offset to go on from."""
        ...

    def save(self, token: str, epoch: int) -> None:
        """Ask the job to write a checkpoint and train on."""
        ...

    def replace(self, token: str, epoch: int) -> None:
        """Give the gang under this token other nodes for those it lost; harmless if it misses none.

        Raises:
            NoCapacity: there are none now, or this engine replaces no single nodes; the rest is held as before.
        """
        ...

    def cancel(self, token: str, epoch: int, *, grace_s: float) -> None:
        """End the attempt for good: ask it to save and stop, and kill what is left after ``grace_s``.

        Idempotent; returns at once; the end shows in :meth:`poll`. A token never seen can't launch later.
        """
        ...

    def alive(self) -> tuple[LiveInstance, ...]:
        """Every instance that carries our tag and still costs money, whether the journal knows it or not."""
        ...

    def bill(self) -> tuple[BillLine, ...]:
        """The engine's own books; empty where it keeps none."""
        ...


class Meter(Protocol):
    """What processes use. One sampler per node; a missing sensor gives None, never 0."""

    def totals(self) -> MeterTotals: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to decide, until ``expires_at``; ``epoch`` grows with every change of leader."""

    holder: str
    epoch: int
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One journal line as stored. ``seq`` grows by one with no gap inside a journal."""

    seq: int
    epoch: int
    fact: Fact


class Journal(Protocol):
    """The facts, in order. Lease times are real time: a fleet's clock may run faster than its leader."""

    def acquire(self, holder: str, ttl_s: float) -> Lease | None:
        """Become leader, with a new epoch; None while another's lease holds."""
        ...

    def renew(self, lease: Lease, ttl_s: float) -> Lease:
        """Stay leader. Raises StaleLeader if another took over."""
        ...

    def release(self, lease: Lease) -> None:
        """Give the lease back; harmless if it has passed."""
        ...

    def append(self, lease: Lease, facts: Sequence[Fact]) -> None:
        """Write all facts in one durable transaction.

        Raises:
            StaleLeader: the lease's epoch has passed; nothing was written.
            JournalUnavailable: the write failed; what is on disk is unknown. Stop, re-read, resume.
        """
        ...

    def read(self, after: int = 0) -> Iterator[Entry]:
        """Entries with ``seq`` above ``after``, in order."""
        ...

    def ask(self, request: Asked | Fact) -> None:
        """Leave a request or a new run for the leader, from any process; durable when it returns."""
        ...

    def asked(self) -> Sequence[tuple[int, Fact]]:
        """Requests not yet taken, oldest first, with their ids."""
        ...

    def take(self, lease: Lease, request_ids: Sequence[int], facts: Sequence[Fact]) -> None:
        """Move requests into the journal: remove them and append ``facts``, in one transaction."""
        ...


class Records(Protocol):
    """Small things remembered beside the journal."""

    def put_profile(self, profile: Profile) -> None: ...

    def profiles(self, code_sha256: str) -> tuple[Profile, ...]:
        """Profiles of this code, newest first."""
        ...
