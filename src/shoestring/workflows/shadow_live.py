"""``shoestring shadow --live``: the production supervisor and policy on prices as they come, with a job in numbers.

Each look at the market is a line of the log before anything is decided on it. What was decided follows from the
looks, so a shadow that was stopped goes on by playing its log again; nothing else is kept, nothing is launched.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.domain import codec
from shoestring.domain.errors import BadInput, ExecutorUnavailable
from shoestring.domain.facts import Intended, RunSubmitted
from shoestring.domain.fleet import Bounds, Hold
from shoestring.domain.offer import Offer
from shoestring.domain.workload import Workload
from shoestring.policies.base import Policy
from shoestring.ports import Clock, PriceSource
from shoestring.sim.clock import SimClock
from shoestring.sim.ghost import GhostEngine
from shoestring.sim.instance import SimJob
from shoestring.store.memory import MemoryJournal
from shoestring.supervisor import Options, RunBook, Supervisor
from shoestring.supervisor.view import Assumptions, progress_of
from shoestring.workflows.receipt import receipt_of

RUN = "shadow"
FORMAT = 1
AGAIN_S = 30.0  # after a look the supervisor goes on at its own pace: a move is a stop and then a launch
TURNS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Ghost:
    """The job in numbers, and the market's offers that it may use as they were first seen."""

    workload: Workload
    job: SimJob
    offers: tuple[Offer, ...]
    started_at: datetime
    every_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """Something that the policy would have done. ``usd``: spent by then."""

    at: datetime
    action: str
    offer: str | None
    code: str
    text: str
    runner_up: str | None
    saving_usd: float | None
    usd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """How the shadow stands. ``usd``: rated until now; ``done``: the job would have ended."""

    at: datetime
    started_at: datetime
    looks: int
    usd: float
    done: bool
    in_time: bool | None
    losses: int
    work_left_s: float | None


class LiveShadow:
    """The supervisor over a ghost. Feed it looks, in order; it says what it would have done."""

    def __init__(self, ghost: Ghost, policy: Policy) -> None:
        self.ghost, self.policy = ghost, policy
        self.clock = SimClock(ghost.started_at)
        self.engine = GhostEngine(self.clock, ghost.offers, ghost.job)
        self.journal = MemoryJournal()
        self.looks, self._read = 0, 0
        self.engine.see(ghost.started_at, ghost.offers)
        self.journal.ask(
            RunSubmitted(
                run_id=RUN, at=ghost.started_at, workload=ghost.workload, executor=self.engine.name,
                policy=policy.name, code_sha256="", allow_unproven_resume=True,
            )
        )  # fmt: skip
        lease = self.journal.acquire(RUN, 86_400.0)  # nobody contends for a journal in memory
        assert lease is not None
        self.supervisor = Supervisor(
            journal=self.journal,
            executors={self.engine.name: self.engine},
            policy=policy,
            clock=self.clock,
            lease=lease,
            spent_usd=self._spent_usd,
            options=Options(
                tick_s=ghost.every_s,
                hang_s=None,
                assumptions=Assumptions(bounds=Bounds(poll_gap_s=ghost.every_s)),
            ),
        )

    def look(self, at: datetime, offers: Sequence[Offer] | None, away: str = "") -> list[Turn]:
        """The market at a moment (None: the source did not answer, and said why); what is decided on it."""
        elapsed_s = (at - self.ghost.started_at).total_seconds()
        if elapsed_s < self.clock.elapsed_s and self.looks:
            return []  # a clock that was set back: nothing is seen until it has caught up
        self.looks += 1
        self.clock.elapsed_s = elapsed_s
        if offers is None:
            self.engine.away = away
        else:
            self.engine.see(at, offers)
        for _ in range(TURNS if self.ghost.every_s > TURNS * AGAIN_S else 1):
            if self.done:
                break
            self.supervisor.tick()
            self.clock.sleep(AGAIN_S)
        return self._turns()

    @property
    def run(self) -> RunBook:
        """The run as the supervisor knows it."""
        return self.supervisor.book.runs[RUN]

    @property
    def done(self) -> bool:
        """Whether the job would have ended."""
        return RUN in self.supervisor.book.runs and self.run.done

    def standing(self, at: datetime) -> Standing:
        """What it would have cost until now."""
        paid = receipt_of(self.journal, RUN, now=max(at, self.ghost.started_at))
        left = None
        if not self.done:
            step = progress_of(self.run).step or 0
            left = (self.ghost.job.steps - step) / max(self.ghost.job.steps_per_s.values())
        return Standing(
            at=at,
            started_at=self.ghost.started_at,
            looks=self.looks,
            usd=float(paid.cost.rated_usd),
            done=self.done,
            in_time=paid.in_time,
            losses=paid.preemptions,
            work_left_s=left,
        )

    def _spent_usd(self, run: RunBook, now: datetime) -> float:
        return float(sum((line.amount_usd for line in self.engine.bill()), Decimal(0)))

    def _turns(self) -> list[Turn]:
        found = []
        for entry in self.journal.read(self._read):
            self._read = entry.seq
            fact = entry.fact
            if isinstance(fact, Intended):
                action = fact.action
                offer = getattr(action, "offer_id", None) or getattr(action, "to_offer_id", None)
                verb = (
                    "wait" if isinstance(action, Hold) and fact.view and fact.view.attempt is None else None
                )
                found.append(
                    Turn(
                        at=fact.at,
                        action=verb or type(action).__name__.lower(),
                        offer=offer,
                        code=action.reason.code,
                        text=action.reason.text,
                        runner_up=action.reason.runner_up,
                        saving_usd=action.reason.saving_usd,
                        usd=0.0 if fact.view is None else fact.view.spent_usd,
                    )
                )
        return found


@dataclass(slots=True)
class ShadowLog:
    """The log of one shadow: a line that says what is watched, then a line for each look and each turn."""

    path: Path | None
    real_start: float = 0.0  # of the market's clock
    _known: dict[str, tuple[str | None, bool | None]] = field(default_factory=dict)

    def begin(self, ghost: Ghost, policy: Policy, real_start: float = 0.0) -> None:
        """The first line. ``real_start``: of the market's clock, so that it goes on when the shadow does."""
        self.real_start = real_start
        self._known = {o.id: _state(o) for o in ghost.offers}
        self._write(
            {
                "shadow": FORMAT,
                "policy": policy.name,
                "version": policy.version,
                "real_start": real_start,
                "ghost": codec.to_json(ghost),
            }
        )

    def seen(self, at: datetime, offers: Sequence[Offer] | None, away: str) -> None:
        """A look: what has changed since the one before, or that nobody answered."""
        if offers is None:
            self._write({"at": at.isoformat(), "away": away})
            return
        now = {o.id: _state(o) for o in offers}
        states = {i: now.get(i, (usd, False)) for i, (usd, _) in self._known.items()}
        changed = {i: state for i, state in states.items() if state != self._known[i]}
        self._known = states
        self._write({"at": at.isoformat(), "seen": {i: list(state) for i, state in changed.items()}})

    def turn(self, turn: Turn) -> None:
        """What would have been done."""
        self._write({"turn": asdict(turn) | {"at": turn.at.isoformat()}})

    def resume(self, policy: Policy) -> "tuple[LiveShadow, datetime] | None":
        """The shadow of this log as it was left, and when it last looked; None for a new log.

        Raises:
            BadInput: the file is no such log, or another policy's.
        """
        if self.path is None or not self.path.exists() or not self.path.stat().st_size:
            return None
        lines = self._lines(self.path)
        head = lines[0] if lines else {}
        if head.get("shadow") != FORMAT:
            raise BadInput(f"--log {self.path}: not the log of a live shadow", next_step="give another file")
        if (head["policy"], head["version"]) != (policy.name, policy.version):
            raise BadInput(
                f"--log {self.path}: begun by {head['policy']} version {head['version']}, not by "
                f"{policy.name} version {policy.version}",
                next_step="give another file, or that --policy",
            )
        self.real_start = float(head.get("real_start", 0.0))
        ghost: Ghost = codec.from_json(Ghost, head["ghost"])
        shadow, at = LiveShadow(ghost, policy), ghost.started_at
        offers = {o.id: o for o in ghost.offers}
        for line in lines[1:]:
            if "turn" in line:
                continue
            at = datetime.fromisoformat(line["at"])
            if "away" in line:
                shadow.look(at, None, line["away"])
                continue
            for offer_id, (usd, up) in line["seen"].items():
                offers[offer_id] = _as(offers[offer_id], usd, up, at)
            shadow.look(at, list(offers.values()))
        self._known = {i: _state(o) for i, o in offers.items()}
        return shadow, at

    @staticmethod
    def _lines(path: Path) -> list[dict[str, Any]]:
        """Whole lines; a torn last one is cut off, so that what follows does not grow onto it."""
        try:
            data = path.read_bytes()
            whole = data[: data.rfind(b"\n") + 1]
            if len(whole) < len(data):
                with path.open("r+b") as file:
                    file.truncate(len(whole))
            return [json.loads(line) for line in whole.splitlines()]
        except (OSError, ValueError) as error:
            raise BadInput(f"--log {path}: {error}", next_step="give another file") from None

    def _write(self, line: dict[str, Any]) -> None:
        if self.path is None:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, allow_nan=False) + "\n")
        except OSError as error:
            raise BadInput(
                f"--log {self.path}: {error.strerror or error}", next_step="give another file"
            ) from None


def watch(
    shadow: LiveShadow,
    log: ShadowLog,
    source: PriceSource,
    clock: Clock,
    *,
    seconds: float,
    told: Callable[[Turn], None] = lambda turn: None,
) -> Standing:
    """Look at the source every ``every_s`` until the job would have ended, or so many seconds have passed.

    Args:
        clock: of the market; a look takes place at its moments. told: called with each turn.
    """
    every_s = shadow.ghost.every_s
    for number in range(int(seconds / every_s + 1e-9) + 1):
        if number:
            clock.sleep(every_s)
        at, away = clock.now(), ""
        offers: Sequence[Offer] | None = None
        try:
            offers = source.offers()
        except (ExecutorUnavailable, BadInput) as error:
            away = str(error)
        log.seen(at, offers, away)
        for turn in shadow.look(at, offers, away):
            log.turn(turn)
            told(turn)
        if shadow.done:
            break
    return shadow.standing(clock.now().astimezone(UTC))


def _state(offer: Offer) -> tuple[str | None, bool | None]:
    usd = offer.price.usd_per_hour
    return (None if usd is None else str(usd), offer.available)


def _as(offer: Offer, usd: str | None, up: bool | None, at: datetime) -> Offer:
    price = replace(offer.price, usd_per_hour=None if usd is None else Decimal(usd), as_of=at)
    return replace(offer, price=price, available=up)
