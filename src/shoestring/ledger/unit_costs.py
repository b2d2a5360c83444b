"""What a unit of work cost: dollars of runs over what their heartbeats say was done. Unknown stays None."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from shoestring.domain.run import Heartbeat
from shoestring.domain.units import money
from shoestring.ledger.receipt import Receipt

MILLION = 1e6
UNITS = ("run", "epoch", "million_samples", "million_tokens", "metric:NAME")
POINT = "metric:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Use:
    """What was used beside the money; None: not known. It stays as metered when the money becomes the bill's."""

    accelerator_hours: float | None = None
    energy_kwh: float | None = None
    carbon_kg: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunWork:
    """A run as unit costs see it.

    Attributes:
        keys: what it is grouped by; None where it has no such label.
        usd: over its whole life; None when a part of its use has no known price.
        beats: the newest heartbeat of each attempt, newest first.
        tracked: metrics that an experiment tracker has of it; a heartbeat of the same name comes first.
    """

    run_id: str
    keys: tuple[str | None, ...]
    usd: Decimal | None
    beats: tuple[Heartbeat, ...]
    tracked: Mapping[str, float] = field(default_factory=dict)
    use: Use = field(default_factory=Use)

    @property
    def metric_names(self) -> frozenset[str]:
        """What it told, in heartbeats or to a tracker."""
        return frozenset(self.tracked).union(*(b.metrics for b in self.beats))

    def newest(self, *names: str) -> float | None:
        """The newest value of the first name that a heartbeat, or else the tracker, has."""
        beats = (b.metrics[name] for b in self.beats for name in names if name in b.metrics)
        tracked = (self.tracked[name] for name in names if name in self.tracked)
        return next(beats, next(tracked, None))


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCost:
    """What a group of runs paid for each unit.

    Attributes:
        usd, units: of the runs that count; ``usd_per_unit`` is their quotient, None if nothing is known or done.
        left_out: runs whose dollars or units are unknown.
        use: of the runs that count; what one of them does not tell is unknown of all.
    """

    keys: tuple[str | None, ...]
    runs: int
    left_out: int
    usd: Decimal | None
    units: float | None
    use: Use = field(default_factory=Use)

    @property
    def kwh_per_unit(self) -> float | None:
        """Energy for one unit."""
        if self.use.energy_kwh is None or self.units is None or self.units <= 0:
            return None
        return self.use.energy_kwh / self.units

    @property
    def usd_per_unit(self) -> float | None:
        """Dollars for one unit."""
        if self.usd is None or self.units is None or self.units <= 0:
            return None
        return float(self.usd) / self.units

    @property
    def units_per_usd(self) -> float | None:
        """Units for one dollar; None for what cost nothing, too."""
        if self.usd is None or self.units is None or self.usd <= 0:
            return None
        return self.units / float(self.usd)


def beats_of(paid: Receipt) -> tuple[Heartbeat, ...]:
    """A run's last words in each attempt, newest first."""
    beats = [line.attempt.observation.heartbeat for line in paid.attempts]
    return tuple(sorted((b for b in beats if b is not None), key=lambda b: b.at, reverse=True))


def unit_costs(runs: Iterable[RunWork], unit: str) -> tuple[UnitCost, ...]:
    """Dollars per unit for each group, the dearest first and the unknown last.

    Counts of work (runs, epochs, samples, tokens) add up over the runs of a group. A metric does not: the group's
    points are its best run's (more is better), and all its runs paid for them, those that led nowhere too.

    Args:
        unit: one of UNITS; ``metric:accuracy`` is dollars per point of that metric.

    Raises:
        ValueError: there is no such unit.
    """
    measure = measure_of(unit)
    groups: dict[tuple[str | None, ...], list[RunWork]] = {}
    for run in runs:
        groups.setdefault(run.keys, []).append(run)
    cost = _of_best if unit.startswith(POINT) else _of_sum
    lines = [cost(keys, group, measure) for keys, group in groups.items()]
    return tuple(sorted(lines, key=lambda line: (-_or(line.usd_per_unit, -1.0), _order(line.keys))))


def leaderboard(runs: Iterable[RunWork], metric: str) -> tuple[UnitCost, ...]:
    """Groups by points of a metric per dollar, the best first and the unknown last; more must be better."""
    lines = unit_costs(runs, f"{POINT}{metric}")
    return tuple(sorted(lines, key=lambda line: (line.units_per_usd is None, -_or(line.units_per_usd, 0.0))))


def measure_of(unit: str) -> Callable[[RunWork], float | None]:
    """How many of a unit a run did. Raises ValueError for what is no unit."""
    if unit.startswith(POINT) and len(unit) > len(POINT):
        return lambda run: run.newest(unit.removeprefix(POINT))
    measures: Mapping[str, Callable[[RunWork], float | None]] = {
        "run": lambda _: 1.0,
        "epoch": lambda run: run.newest("epoch"),
        "million_samples": lambda run: _scaled(
            next((b.samples for b in run.beats if b.samples is not None), None)
        ),
        "million_tokens": lambda run: _scaled(run.newest("tokens", "num_input_tokens_seen")),
    }
    if unit not in measures:
        raise ValueError(f"no unit {unit!r}")
    return measures[unit]


def _of_sum(
    keys: tuple[str | None, ...], group: Sequence[RunWork], measure: Callable[[RunWork], float | None]
) -> UnitCost:
    counted = [(run, measure(run)) for run in group if run.usd is not None]
    known = [(run.usd, done, run.use) for run, done in counted if run.usd is not None and done is not None]
    return UnitCost(
        keys=keys,
        runs=len(group),
        left_out=len(group) - len(known),
        usd=sum((usd for usd, _, _ in known), money(0)) if known else None,
        units=sum(done for _, done, _ in known) if known else None,
        use=_use(use for _, _, use in known),
    )


def _of_best(
    keys: tuple[str | None, ...], group: Sequence[RunWork], measure: Callable[[RunWork], float | None]
) -> UnitCost:
    points = [value for run in group if (value := measure(run)) is not None]
    paid = [run.usd for run in group if run.usd is not None]
    unpriced = len(group) - len(paid)  # their dollars belong to the points: without them no figure is true
    return UnitCost(
        keys=keys,
        runs=len(group),
        left_out=unpriced,
        usd=None if unpriced else sum(paid, money(0)),
        units=max(points, default=None),
        use=_use(run.use for run in group),
    )


def _use(uses: Iterable[Use]) -> Use:
    told = list(uses)

    def total(values: Iterable[float | None]) -> float | None:
        known = list(values)
        return sum(v for v in known if v is not None) if known and None not in known else None

    return Use(
        accelerator_hours=total(u.accelerator_hours for u in told),
        energy_kwh=total(u.energy_kwh for u in told),
        carbon_kg=total(u.carbon_kg for u in told),
    )


def _scaled(count: float | None) -> float | None:
    return None if count is None else count / MILLION


def _or(value: float | None, default: float) -> float:
    return default if value is None else value


def _order(keys: tuple[str | None, ...]) -> tuple[str, ...]:
    return tuple(key or "" for key in keys)
