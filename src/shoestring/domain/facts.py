"""Facts: what the journal holds. Everything else (state, spend, receipt, belief) is a fold over them.

An intent is written before the act and its completion after, so a crash between any two lines leaves either
no trace or an intent whose action id and token say what to look for.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from shoestring.domain.fleet import Action, RunView
from shoestring.domain.offer import Offer
from shoestring.domain.run import Observation, Profile, RunState
from shoestring.domain.workload import Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """What the run is compared with, frozen before it starts.

    Attributes:
        name: ``as_asked`` (the job as its file asked for it) or ``on_demand`` (uninterrupted).
        offer: the offer priced; None if nothing matched.
        hours: hours it would take; None until measured (then the run's own useful hours are used).
        hours_source: ``declared`` | ``profile`` | ``measured``.
    """

    name: str
    offer: Offer | None
    hours: float | None
    hours_source: str
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSubmitted:
    """A run enters the fleet. ``secrets_from`` names where secret values lie; values are never here."""

    run_id: str
    at: datetime
    workload: Workload
    executor: str
    policy: str
    code_sha256: str
    allow_unproven_resume: bool = False
    profile: Profile | None = None
    baselines: tuple[Baseline, ...] = ()
    user: str = ""
    secrets_from: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """An action is about to be carried out. ``offer`` and ``token`` are set for launches.

    ``view`` is the run as the policy saw it (the market it saw is the fold of MarketSeen), so a replay can
    show that the same is decided again; ``view_digest`` names both together.
    """

    run_id: str
    at: datetime
    action_id: str
    action: Action
    view_digest: str
    attempt_id: str | None = None
    attempt_number: int = 0
    token: str | None = None
    offer: Offer | None = None
    view: RunView | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MarketSeen:
    """Offers that are new or whose availability or price changed; what the belief is rebuilt from."""

    at: datetime
    offers: tuple[Offer, ...]
    run_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What came of an action: ``done`` | ``refused`` (by the re-check) | ``no_capacity`` | ``unknown``."""

    run_id: str
    at: datetime
    action_id: str
    result: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observed:
    """Something that matters was seen of an attempt; the newest observation replaces the ones before."""

    run_id: str
    at: datetime
    observation: Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class StateChanged:
    """A run's state from here on, and why, e.g. ``suspended`` because of ``budget``."""

    run_id: str
    at: datetime
    state: RunState
    cause: str
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A person asked for something from some shell: ``cancel`` | ``resume`` | ``suspend`` | ``save``.

    Attributes:
        budget_usd, deadline: new limits that come with a resume; None leaves them.
        user: the operating system's user; not authenticated.
    """

    run_id: str
    at: datetime
    what: str
    user: str = ""
    budget_usd: Decimal | None = None
    deadline: datetime | None = None
    detail: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptOrphan:
    """An instance that carried our tag and that no attempt in the journal accounts for was ended."""

    run_id: str
    at: datetime
    token: str
    detail: str = ""


Fact = RunSubmitted | MarketSeen | Intended | Completed | Observed | StateChanged | Asked | SweptOrphan
