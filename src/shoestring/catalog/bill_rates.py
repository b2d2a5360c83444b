"""What a user really pays for an hour of known hardware, learnt from imported bills; a doubt learns nothing.

A bill says what each line's unit cost under the contract (FOCUS ContractedUnitPrice). For an instance's hour on
demand that is the user's private rate, dated by its last use. Spot is a market price: what it averaged over its
last days. Hours under a commitment are paid already and say nothing of the next hour.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal

from shoestring.catalog.layer import Known
from shoestring.domain.offer import Market, PriceKind
from shoestring.domain.price import PricePoint

LEAST_HOURS = 10.0  # fewer instance hours at a rate are no evidence
OLDEST_DAYS = 90  # since a rate was last paid
SPOT_DAYS = 14  # the newest days of spot that are averaged
RIVAL_SHARE = 0.1  # another rate at the same time on so many of the hours makes both unclear
SAME = 0.005  # rates within half a percent are one: bills round
LOWEST, HIGHEST = (
    0.1,
    1.25,
)  # of the list price on demand; beyond it is a part of a machine, a credit, or a mistake


@dataclass(frozen=True, slots=True, kw_only=True)
class PaidRate:
    """Hours of one instance type, paid at one rate. ``market``: ``on_demand`` | ``spot`` | ``managed`` ..."""

    provider: str
    instance_type: str
    region: str
    zone: str
    market: str
    usd_per_hour: float
    hours: float
    first: date
    last: date

    @property
    def key(self) -> tuple[str, str, str, str, str]:
        return (self.provider, self.instance_type, self.region, self.zone, self.market)


@dataclass(frozen=True, slots=True, kw_only=True)
class LearntRate:
    """A rate that plans may use, with its evidence. ``list_usd``: the catalog's price; None if it has none."""

    point: PricePoint
    hours: float
    first: date
    last: date
    list_usd: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class NotLearnt:
    """Hours that taught nothing, and why."""

    what: str
    why: str
    hours: float


def learn(
    paid: Iterable[PaidRate], known: Known, *, today: date
) -> tuple[tuple[LearntRate, ...], tuple[NotLearnt, ...]]:
    """Rates that are clear, recent and likely; and the hours of all others with their reason."""
    groups: dict[tuple[str, ...], list[PaidRate]] = defaultdict(list)
    for rate in paid:
        groups[_key(rate, known)].append(rate)
    learnt: list[LearntRate] = []
    skipped: list[NotLearnt] = []
    for key, rates in sorted(groups.items()):
        found = _learnt(key, rates, known, today)
        if isinstance(found, LearntRate):
            learnt.append(found)
        else:
            hours = sum(r.hours for r in rates)
            skipped.append(NotLearnt(what=" ".join(filter(None, key)), why=found, hours=round(hours, 3)))
    return tuple(learnt), tuple(skipped)


def _key(rate: PaidRate, known: Known) -> tuple[str, ...]:
    """A firm price holds in its region; spot in a zone, where the catalog has zones."""
    if rate.market == "spot" and rate.key not in known.rows:
        regional = (*rate.key[:3], "", rate.market)
        return regional if regional in known.rows else rate.key
    return rate.key if rate.market == "spot" else (*rate.key[:3], "", rate.market)


def _learnt(key: tuple[str, ...], rates: Sequence[PaidRate], known: Known, today: date) -> LearntRate | str:
    """The rate, or why there is none."""
    provider, kind, region, zone, market = key
    if market not in ("on_demand", "spot", "managed"):
        return "paid under a commitment: list what is left of it under `reserved`"
    if market == "spot" and key not in known.rows:
        return "spot in a zone that the catalog names otherwise"
    last = max(r.last for r in rates)
    if (today - last).days > OLDEST_DAYS:
        return f"last used on {last}, more than {OLDEST_DAYS} days ago"
    if last > today + timedelta(days=1):
        return f"last used on {last}, which has not come yet"
    counted = _recent_spot(rates) if market == "spot" else _newest(rates)
    if isinstance(counted, str):
        return counted
    hours = sum(r.hours for r in counted)
    if hours < LEAST_HOURS:
        return f"{hours:.1f} hours; at least {LEAST_HOURS:g} are needed"
    usd = sum(r.usd_per_hour * r.hours for r in counted) / hours
    listed = _listed(known, provider, kind, region)
    if listed is not None and not LOWEST * listed <= usd <= HIGHEST * listed:
        return f"{usd:.4g} $/h is {usd / listed:.0%} of the list price: a part of a machine, or a credit"
    index = known.rows.get(key)
    return LearntRate(
        point=PricePoint(
            provider=provider,
            instance_type=kind,
            region=region,
            zone=zone,
            market=Market(market),
            usd_per_hour=Decimal(str(round(usd, 6))),
            as_of=datetime.combine(max(r.last for r in counted), time(), UTC),
            source=f"{hours:.0f} h paid {min(r.first for r in counted)} to {max(r.last for r in counted)}",
            kind=PriceKind.OBSERVED,
        ),
        hours=hours,
        first=min(r.first for r in counted),
        last=max(r.last for r in counted),
        list_usd=None if index is None else float(known.catalog.price[index]),
    )


def _recent_spot(rates: Sequence[PaidRate]) -> list[PaidRate]:
    since = max(r.last for r in rates) - timedelta(days=SPOT_DAYS)
    return [r for r in rates if r.last > since]


def _newest(rates: Sequence[PaidRate]) -> list[PaidRate] | str:
    """The rate in force at the end; a sentence if two were in force at the same time."""
    newest = max(rates, key=lambda r: (r.last, r.first, r.hours))
    same = [r for r in rates if abs(r.usd_per_hour / newest.usd_per_hour - 1) <= SAME]
    begin, hours = min(r.first for r in same), sum(r.hours for r in same)
    rivals = [r for r in rates if abs(r.usd_per_hour / newest.usd_per_hour - 1) > SAME and r.last > begin]
    rival_hours = sum(r.hours for r in rivals)
    if rivals and rival_hours > RIVAL_SHARE * (hours + rival_hours):
        other = max(rivals, key=lambda r: r.hours)
        return f"two rates at the same time: {newest.usd_per_hour:g} and {other.usd_per_hour:g} $/h"
    return same


def _listed(known: Known, provider: str, kind: str, region: str) -> float | None:
    """The list price on demand there, else the middle of all regions; managed and unknown types have none."""
    index = known.rows.get((provider, kind, region, "", "on_demand"))
    if index is not None:
        return float(known.catalog.price[index])
    c = known.catalog.columns
    firm = sorted(
        float(known.catalog.price[i])
        for i in known.by_type.get((provider, kind), ())
        if c["market"][i] in ("on_demand", "managed")
    )
    return firm[len(firm) // 2] if firm else None
