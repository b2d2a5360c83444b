"""Markets to simulate on: windows cut from recorded traces, or made up from a market file."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shoestring.domain.errors import BadInput
from shoestring.domain.units import SECONDS_PER_HOUR, seconds_between
from shoestring.executors.marketfile import MarketFile
from shoestring.market.generate import generate
from shoestring.market.traces import Trace, overlapping, parse_availability, parse_prices, same_grid
from shoestring.sim.known import EPOCH, KnownWindow

TRACE_BYTES_MAX = 64 << 20
SUFFIXES = (".json", ".csv")
FORMATS = "JSON of availability or CSV of dated prices, see docs/simulate.md"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """What recordings do not say, in $/h of one node.

    Attributes:
        on_demand: the same in every zone. on_demand_at: goes before it where the price of that moment is known.
        spot: of every zone whose trace has no prices; None: they must have some. by_zone: goes before it.
        move_usd: to bring a checkpoint to another zone.
    """

    on_demand: float
    spot: float | None = None
    by_zone: Mapping[str, float] = field(default_factory=dict)
    move_usd: float = 0.0
    on_demand_at: Callable[[datetime], float] | None = None

    def on_demand_of(self, moment: datetime) -> float:
        """$/h on demand at the moment of submission."""
        return self.on_demand if self.on_demand_at is None else self.on_demand_at(moment)


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """How much of a market a run needs: ``deadline_steps`` from its start, ``past_steps`` watched before."""

    step_s: int
    deadline_steps: int
    past_steps: int = 0

    @property
    def steps(self) -> int:
        return self.past_steps + self.deadline_steps

    @property
    def hours(self) -> float:
        return self.steps * self.step_s / SECONDS_PER_HOUR


def read_traces(folder: Path, *, step_s: int, nodes: int = 1) -> tuple[Trace, ...]:
    """Every ``*.json`` and ``*.csv`` of a folder as one zone, named as its file, on one grid.

    Args:
        nodes: so many instances must be there for a zone to count as up (recordings of counts).

    Raises:
        BadInput: no folder, no traces in it, a bad one, or traces that do not fit together.
    """
    try:
        files = sorted(p for p in folder.iterdir() if p.suffix in SUFFIXES)
    except OSError as error:
        raise BadInput(
            f"{folder}: {error.strerror or error}", next_step="give a folder of traces, one file a zone"
        ) from None
    if not files:
        raise BadInput(f"{folder}: no trace in it", next_step=f"one file a zone: {FORMATS}")
    traces = [_read(path, nodes).resample(step_s) for path in files]
    try:
        return tuple(same_grid(overlapping(traces)).values())
    except ValueError as error:
        raise BadInput(
            f"{folder}: {error}", next_step="cut the files to one span, or leave some out"
        ) from None


def recorded(
    traces: Sequence[Trace], prices: Prices, span: Span, *, starts: int, seed: int, label: str = ""
) -> list[KnownWindow]:
    """Windows cut from recordings: the admissible starts in ``starts`` equal slices, one drawn in each.

    Returns:
        fewer than ``starts`` where the recordings have no more different ones.

    Raises:
        BadInput: a zone without a price, a price for a zone that is not there, or recordings that are too short.
    """
    samples = len(traces[0].available)
    admissible = samples - span.steps + 1
    if admissible < 1:
        raise _too_short(samples, span)
    starts = min(starts, admissible)
    rng = np.random.default_rng(seed)
    edges = np.linspace(0, admissible, starts + 1).astype(int)
    firsts = [int(rng.integers(low, high)) for low, high in pairwise(edges)]
    return _cut_out(traces, prices, span, firsts, label or "all zones")


def window_at(traces: Sequence[Trace], prices: Prices, span: Span, start: datetime | float) -> KnownWindow:
    """The one window in which the run is submitted at ``start``: a moment, or seconds into the recordings.

    Raises:
        BadInput: a moment for undated recordings, or a run that does not lie within them.
    """
    begin = traces[0].start
    if isinstance(start, datetime):
        if begin is None:
            raise BadInput(
                "these traces say no dates", next_step="give --start as a duration into them, e.g. 36h"
            )
        start = seconds_between(begin, start if start.tzinfo else start.replace(tzinfo=UTC))
    samples, first = len(traces[0].available), math.ceil(start / span.step_s - 1e-9) - span.past_steps
    if samples < span.steps:
        raise _too_short(samples, span)
    if not 0 <= first <= samples - span.steps:
        low, high = (
            n * span.step_s / SECONDS_PER_HOUR for n in (span.past_steps, samples - span.deadline_steps)
        )
        raise BadInput(
            f"--start {start / SECONDS_PER_HOUR:.1f} h into the traces: they hold runs from {low:.1f} h to "
            f"{high:.1f} h, watching and deadline included",
            next_step="another --start, or less --watch",
        )
    [window] = _cut_out(traces, prices, span, [first], "shadow")
    return window


def _cut_out(
    traces: Sequence[Trace], prices: Prices, span: Span, firsts: Sequence[int], label: str
) -> list[KnownWindow]:
    """Windows of ``span`` beginning at the samples ``firsts``."""
    available = np.stack([t.available for t in traces], axis=1)
    spot = np.stack([_spot_prices(t, prices) for t in traces], axis=1)
    begin = traces[0].start or EPOCH
    return [
        KnownWindow(
            zones=tuple(t.zone for t in traces),
            step_s=span.step_s,
            available=available[first : first + span.steps],
            spot_usd_per_hour=spot[first : first + span.steps],
            on_demand_usd_per_hour=prices.on_demand_of(
                begin + timedelta(seconds=(first + span.past_steps) * span.step_s)
            ),
            move_usd=prices.move_usd,
            past=span.past_steps,
            start=begin + timedelta(seconds=first * span.step_s),
            dated=traces[0].start is not None,
            label=f"{label} +{(first + span.past_steps) * span.step_s / SECONDS_PER_HOUR:.1f} h",
        )
        for first in firsts
    ]


def _too_short(samples: int, span: Span) -> BadInput:
    return BadInput(
        f"the traces cover {samples * span.step_s / SECONDS_PER_HOUR:.1f} h; a run to its deadline, watching before "
        f"included, takes {span.hours:.1f} h of them",
        next_step="give longer traces, or less --watch, or an earlier --deadline",
    )


def modelled(
    market: MarketFile,
    span: Span,
    *,
    starts: int,
    seed: int,
    on_demand: float | None = None,
    move_usd: float = 0.0,
    only: str | None = None,
) -> list[KnownWindow]:
    """Windows made up from a market file: each start is a life of its own, by ``seed``.

    Args:
        on_demand: $/h of one node; None takes the file's cheapest.
        only: one zone's name; None: all that sell spot.

    Raises:
        BadInput: no zone sells spot, none on-demand, or a zone is recorded.
    """
    zones = {name: z for name, z in market.zones.items() if z.spot is not None and only in (None, name)}
    for name, zone in zones.items():
        if zone.trace is not None:
            raise BadInput(f"zones.{name} is recorded, not modelled", next_step="--traces FOLDER")
    if not zones:
        raise BadInput("no zone of the market sells spot", next_step="give a zone a `spot` price")
    if on_demand is None:
        on_demand = min((z.on_demand for z in market.zones.values() if z.on_demand is not None), default=None)
    if on_demand is None:
        raise BadInput("no zone of the market sells on-demand", next_step="give --on-demand, in $/h")
    prices = Prices(on_demand=on_demand, move_usd=move_usd)
    windows = []
    for number in range(starts):
        life = int(np.random.SeedSequence([seed, number]).generate_state(1)[0])
        traces = [
            generate(
                name,
                seed=life,
                hours=span.hours + span.step_s / SECONDS_PER_HOUR,
                spot_usd_per_hour=zone.spot or 0.0,
                gap_s=float(span.step_s),
                shape=zone.shape,
                starts_up=zone.starts_up,
            )
            for name, zone in sorted(zones.items())
        ]
        windows += recorded(
            [_cut(t, span.steps) for t in traces], prices, span, starts=1, seed=0, label=f"life {number}"
        )
    return windows


def _cut(trace: Trace, steps: int) -> Trace:
    assert trace.price_usd_per_hour is not None
    return replace(
        trace, available=trace.available[:steps], price_usd_per_hour=trace.price_usd_per_hour[:steps]
    )


def _read(path: Path, nodes: int) -> Trace:
    try:
        if path.stat().st_size > TRACE_BYTES_MAX:
            raise BadInput(f"{path}: over {TRACE_BYTES_MAX >> 20} MiB", next_step="cut the trace")
        text = path.read_text(encoding="utf-8")
        if path.suffix == ".json":
            return parse_availability(text, path.stem, instances=nodes)
        return parse_prices(text, path.stem)
    except BadInput:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: {error}", next_step=FORMATS) from None
    except ValueError as error:
        raise BadInput(f"{path.name}: {error}", next_step=FORMATS) from None


def _spot_prices(trace: Trace, prices: Prices) -> NDArray[np.float64]:
    """$/h in each sample: told for the zone, recorded, or told for all."""
    told = prices.by_zone.get(trace.zone)
    if told is None and trace.price_usd_per_hour is not None:
        return trace.price_usd_per_hour
    told = prices.spot if told is None else told
    if told is None:
        raise BadInput(
            f"{trace.zone}: the trace knows no price", next_step=f"--spot 0.97, or --spot {trace.zone}=0.97"
        )
    return np.full(len(trace.available), told)
