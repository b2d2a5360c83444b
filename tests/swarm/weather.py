"""What can go wrong around a fleet, drawn from a seed: which kinds of fault, how often, and until when.

Each seed switches on some kinds only, each with a strength of its own: faults that come together find other
mistakes than all of them at once (swarm testing: Groce et al., ISSTA'12).
"""

import random
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any

from shoestring.domain.errors import ExecutorUnavailable, NoCapacity
from shoestring.domain.offer import Market, Offer
from shoestring.domain.run import Observation, Outcome
from shoestring.ports import JobSpec, LiveInstance
from shoestring.sim.clock import SimClock
from shoestring.sim.executor import SimExecutor

VISIBLE_S = 240.0
KINDS = {  # kind -> most often it may happen, as a share of the calls (or launches) that it concerns
    "launch refused": 0.4,
    "launch answer lost": 0.4,
    "launch lost before it took effect": 0.3,
    "listed late": 0.5,
    "listed after it was given up": 0.25,
    "slow boot": 0.4,
    "poll lost": 0.3,
    "poll stale": 0.3,
    "notice": 1.0,
    "notice late": 1.0,
    "notice repeated": 0.5,
    "notice for nothing": 0.05,
    "market unseen": 0.3,
    "price jump": 0.1,
    "cancel lost": 0.6,
    "sweep lost": 0.3,
    "supervisor killed": 0.02,
    "leader paused": 0.01,
    "clock step": 0.05,
}
SELDOM = frozenset(
    {"notice", "notice late", "listed after it was given up"}
)  # few calls concern them: always on
WITHIN_BOUNDS = frozenset({"slow boot", "notice", "notice late", "notice repeated", "price jump"})


@dataclass
class Weather:
    """Faults of one world. ``seen`` counts what has happened; after ``until_s`` nothing does."""

    rng: random.Random
    strength: Mapping[str, float]
    until_s: float
    seen: Counter[str] = field(default_factory=Counter)

    @staticmethod
    def drawn(rng: random.Random, until_s: float, *, mild: bool) -> "Weather":
        """About half of the kinds, each up to its most; ``mild``: only what the deadline's bounds allow for."""
        kinds = [k for k in KINDS if not mild or k in WITHIN_BOUNDS]
        on: dict[str, float] = {}
        for kind in kinds:
            if kind in SELDOM:
                on[kind] = rng.uniform(0.8, 1.0) * KINDS[kind]
            elif rng.random() < 0.5:
                on[kind] = rng.uniform(0.4, 1.0) * KINDS[kind]
        return Weather(rng, on, until_s)

    def strikes(self, kind: str, at_s: float) -> bool:
        """Whether it happens now; counted."""
        if at_s >= self.until_s or self.rng.random() >= self.strength.get(kind, 0.0):
            return False
        self.seen[kind] += 1
        return True


class WildClock:
    """The supervisor's clock: it is set wrong now and then, by minutes or by a day, and set right again."""

    STEPS_S = (-86_400.0, -3600.0, -300.0, 300.0, 3600.0, 86_400.0)
    SET_RIGHT = 0.2  # chance at each look that a wrong clock is mended

    def __init__(self, clock: SimClock, weather: Weather) -> None:
        self._clock, self._weather, self._wrong_s = clock, weather, 0.0

    def now(self) -> datetime:
        """The moment as the supervisor sees it."""
        at_s = self._clock.elapsed_s
        if self._wrong_s and (at_s >= self._weather.until_s or self._weather.rng.random() < self.SET_RIGHT):
            self._wrong_s = 0.0
        elif self._weather.strikes("clock step", at_s):
            self._wrong_s = self._weather.rng.choice(self.STEPS_S)
        return self._clock.at(at_s + self._wrong_s)

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)


class StormyEngine:
    """An engine behind the weather. Its books stay true; what it says of them need not be."""

    def __init__(self, engine: SimExecutor, weather: Weather) -> None:
        self._engine, self._weather = engine, weather
        self._shows: dict[str, float] = {}
        self._said: dict[str, Observation] = {}
        self._prices: dict[str, Decimal] = {}

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    @property
    def _now_s(self) -> float:
        return self._engine.clock.elapsed_s

    def _strikes(self, kind: str) -> bool:
        return self._weather.strikes(kind, self._now_s)

    def offers(self) -> tuple[Offer, ...]:
        if self._strikes("market unseen"):
            raise ExecutorUnavailable("no answer about the market")
        return tuple(self._priced(offer) for offer in self._engine.offers())

    def _priced(self, offer: Offer) -> Offer:
        if offer.market is Market.SPOT and self._strikes("price jump"):
            factor = self._weather.rng.choice(("0.5", "0.8", "1.3", "2.5"))
            self._prices[offer.id] = Decimal(factor)
        factor_now = self._prices.get(offer.id)
        if factor_now is None:
            return offer
        usd = offer.price.usd_per_hour
        assert usd is not None
        return replace(offer, price=replace(offer.price, usd_per_hour=usd * factor_now))

    def submit(self, spec: JobSpec) -> Observation:
        if spec.token not in self._engine.instances:
            if self._strikes("launch refused"):
                self._engine.refused[spec.token] = "no capacity today"
                raise NoCapacity("no capacity today")
            if self._strikes("launch lost before it took effect"):
                raise ExecutorUnavailable("the request was lost")
        seen = self._engine.submit(spec)
        rng = self._weather.rng
        if self._strikes("slow boot"):
            instance = self._engine.instances[spec.token]
            instance.extra_boot_s = instance.extra_boot_s or rng.uniform(0.0, 400.0)
        if self._strikes("listed late"):
            self._shows.setdefault(spec.token, self._now_s + rng.uniform(0.0, VISIBLE_S))
        elif self._strikes("listed after it was given up"):
            self._shows.setdefault(spec.token, self._now_s + rng.uniform(2.5, 8.0) * VISIBLE_S)
        if self._strikes("launch answer lost"):
            raise ExecutorUnavailable("the answer was lost after the launch")
        if not self._listed(spec.token):
            return Observation(attempt_id=seen.attempt_id, outcome=Outcome.RUNNING)
        return seen

    def poll(self, tokens: Sequence[str]) -> Mapping[str, Observation]:
        if self._strikes("poll lost"):
            raise ExecutorUnavailable("no answer")
        fresh = self._engine.poll(tokens)
        return {token: self._told(token, seen) for token, seen in fresh.items() if self._listed(token)}

    def _told(self, token: str, seen: Observation) -> Observation:
        before = self._said.get(token)
        if before is not None and before.outcome is Outcome.RUNNING and self._strikes("poll stale"):
            return before
        if seen.outcome is Outcome.RUNNING:
            seen = self._noticed(token, seen, before)
        self._said[token] = seen
        return seen

    def _noticed(self, token: str, seen: Observation, before: Observation | None) -> Observation:
        """Notices come before a loss (perhaps late), again and again, or for nothing."""
        instance = self._engine.instances[token]
        zone = self._engine.zones[instance.spec.offer.id]
        late = zlib.crc32(token.encode()) % 5 < 3  # most attempts are warned late, if at all
        ahead_s = 119.0 if late else 240.0
        loss_s = zone.next_loss_s(self._now_s, self._now_s + ahead_s)
        noticed = before.notice_at if before is not None else None
        if noticed is not None and self._strikes("notice repeated"):
            noticed = self._engine.clock.now()
        elif noticed is None and loss_s is not None:
            if self._strikes("notice late" if late else "notice"):
                noticed = self._engine.clock.now()
        elif noticed is None and self._strikes("notice for nothing"):
            noticed = self._engine.clock.now()
        return replace(seen, notice_at=noticed)

    def cancel(self, token: str, epoch: int, *, grace_s: float) -> None:
        if self._strikes("cancel lost"):
            raise ExecutorUnavailable("no answer, and not obeyed either")
        self._engine.cancel(token, epoch, grace_s=grace_s)

    def alive(self) -> tuple[LiveInstance, ...]:
        if self._strikes("sweep lost"):
            raise ExecutorUnavailable("no answer")
        return tuple(i for i in self._engine.alive() if self._listed(i.token))

    def _listed(self, token: str) -> bool:
        return self._now_s >= self._shows.get(token, 0.0)
