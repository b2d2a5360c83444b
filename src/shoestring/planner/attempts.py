"""What a job that goes on from its last save needs until it ends: attempts as a renewal chain, not as a rate.

An attempt restarts (R hours), then trains in chunks of u hours, each followed by a save of d. A life of L hours
keeps the chunks that were saved, so with S the chance to live so long and k chunks left,

    V(k) = A(R + k p) + sum over j < k of P(j saved) V(k - j),   p = u + d,  P(j) = S(R + j p) - S(R + (j+1) p)

where A(t) is the mean of min(L, t). Second moments follow the same recursion (Cox, Renewal Theory, 1962, chapter
8, for rewards). Unlike "losses times a mean price of one", it is exact for lives that end while booting or before
the first save, which is how most young spot instances end.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from shoestring.planner.hazard import Losses, losses

Floats = NDArray[np.float64]
CHUNKS = 384  # longer jobs go on at the rate of the long run
LONG_RUN = 20_000  # chunks that one life may keep
FAINT = 1e-9  # least chance of getting past the first save that is told from none


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What the chain of attempts depends on; hours. ``free_h``: lives that end sooner are not billed."""

    scale: float
    boot_h: float
    restore_h: float
    save_h: float
    chunk_h: float
    free_h: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Totals:
    """Means and variances for some amounts of work; hours. ``elapsed``: uptime and waits for capacity."""

    losses: Floats
    up_h: Floats
    billed_h: Floats
    elapsed_h: Floats
    billed_variance: Floats
    elapsed_variance: Floats


def totals(setting: Setting, work_h: Floats) -> Totals:
    """What so many hours of useful work take on capacity that is lost and comes back."""
    return _chain(setting).read(work_h)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Chain:
    """Tables at k = 1 .. CHUNKS chunks from the first launch on.

    Attributes:
        means: of losses, uptime and billed hours. variances: of billed and elapsed hours.
        slope, variance_slope: per chunk beyond the tables.
    """

    setting: Setting
    process: Losses
    means: Floats
    variances: Floats
    slope: Floats
    variance_slope: Floats

    def read(self, work_h: Floats) -> Totals:
        s, chunks = self.setting, work_h / self.setting.chunk_h
        means = _at(self.means, chunks, self.slope)
        variances = np.maximum(_at(self.variances, chunks, self.variance_slope), 0.0)
        short = chunks < 1
        if short.any():
            means[:, short], variances[:, short] = _unsaved(s, self.process, work_h[short])
        lost, up, billed = means
        return Totals(
            losses=lost,
            up_h=up,
            billed_h=billed,
            elapsed_h=up + lost * self.process.mean_down_h,
            billed_variance=variances[0],
            elapsed_variance=variances[1],
        )


@lru_cache(maxsize=128)
def _chain(s: Setting) -> _Chain:
    process, pace = losses(s.scale), s.chunk_h + s.save_h
    ends = pace * np.arange(1, CHUNKS + 1, dtype=np.float64)
    again = _attempt(s, process, s.boot_h + s.restore_h + ends)
    first = _attempt(s, process, s.boot_h + ends)  # the first launch restores nothing
    (chance, taken), (chance_first, taken_first) = _by_chunk(again), _by_chunk(first)
    past = max(1 - float(again.gone[0]), FAINT)
    later = _solved(again.own, chance, past)
    ahead = _rewarded(later, process.mean_down_h)
    second = _solved(again.squared + 2 * _after(taken, ahead), chance, past)
    means = first.own + _after(chance_first, later)
    squares = first.squared + 2 * _after(taken_first, ahead) + _after(chance_first, second)
    variances = squares - _rewarded(means, process.mean_down_h) ** 2
    quarter = CHUNKS // 4
    return _Chain(
        setting=s,
        process=process,
        means=means,
        variances=variances,
        slope=_rate(s, process, pace),
        variance_slope=np.maximum((variances[:, -1] - variances[:, -1 - quarter]) / quarter, 0.0),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Attempt:
    """An attempt that would end the job after some hours, for several such hours.

    Attributes:
        own: its mean losses, uptime and billed hours. squared: mean squares of its billed and elapsed hours.
        gone: chance that it is lost. taken: mean billed and elapsed hours if it is, 0 if not.
    """

    own: Floats
    squared: Floats
    gone: Floats
    taken: Floats


def _attempt(s: Setting, process: Losses, need: Floats) -> _Attempt:
    gone, free, wait = 1 - process.alive(need), np.minimum(need, s.free_h), process.mean_down_h
    lived, ended, unpaid = process.lived_h(need), process.ended_h(need), process.ended_h(free)
    squared, wait_squared = process.lived_squared(need), (process.down_spread + 1) * wait**2
    return _Attempt(
        own=np.stack([gone, lived, lived - unpaid]),
        squared=np.stack(
            [squared - process.ended_squared(free), squared + 2 * wait * ended + wait_squared * gone]
        ),
        gone=gone,
        taken=np.stack([ended - unpaid, ended + wait * gone]),
    )


def _by_chunk(a: _Attempt) -> tuple[Floats, Floats]:
    """Chance of a loss with j chunks kept, and what it took; before the first chunk nothing is kept."""
    return np.diff(a.gone, prepend=0.0), np.diff(a.taken, axis=1, prepend=0.0)


def _solved(own: Floats, chance: Floats, past: float) -> Floats:
    """The recursion of this module's head, for several rewards at once."""
    found = np.zeros_like(own)
    for k in range(own.shape[1]):
        found[:, k] = (own[:, k] + found[:, :k][:, ::-1] @ chance[1 : k + 1]) / past
    return found


def _after(weights: Floats, values: Floats) -> Floats:
    """Sum over j of weight j times the value with j chunks less, row by row; one row of weights serves all."""
    rows = zip(np.broadcast_to(weights, values.shape), values, strict=True)
    return np.stack([np.convolve(w, v)[: values.shape[1]] for w, v in rows])


def _rewarded(means: Floats, wait_h: float) -> Floats:
    """Of losses, uptime and billed hours, the two whose variance is wanted: billed and elapsed."""
    lost, up, billed = means
    return np.stack([billed, up + wait_h * lost])


def _unsaved(s: Setting, process: Losses, work_h: Floats) -> tuple[Floats, Floats]:
    """Jobs shorter than a chunk: nothing is kept, so every attempt starts afresh."""
    train = work_h * (s.chunk_h + s.save_h) / s.chunk_h
    again, first = (_attempt(s, process, start + train) for start in (s.boot_h + s.restore_h, s.boot_h))
    past = np.maximum(1 - again.gone, FAINT)
    later = again.own / past
    ahead = _rewarded(later, process.mean_down_h)
    second = (again.squared + 2 * again.taken * ahead) / past
    means = first.own + first.gone * later
    squares = first.squared + 2 * first.taken * ahead + first.gone * second
    return means, squares - _rewarded(means, process.mean_down_h) ** 2


def _rate(s: Setting, process: Losses, pace: float) -> Floats:
    """Losses, uptime and billed hours per chunk in the long run: rewards of a life over the chunks it keeps."""
    kept_at = s.boot_h + s.restore_h + pace * np.arange(1, LONG_RUN, dtype=np.float64)
    kept = max(float(process.alive(kept_at).sum()), FAINT)
    free = float(process.ended_h(np.array([s.free_h]))[0])
    return np.array([1.0, process.mean_up_h, process.mean_up_h - free]) / kept


def _at(table: Floats, chunks: Floats, slope: Floats) -> Floats:
    """Rows of a table (its first column is one chunk) at fractions of chunks; beyond its end by ``slope``."""
    inside = np.clip(chunks, 1, CHUNKS) - 1
    found = np.stack([np.interp(inside, np.arange(CHUNKS), row) for row in table])
    return found + np.maximum(chunks - CHUNKS, 0) * slope[:, None]


def young_h(save_h: float, mean_up_h: float, asked_h: float | None) -> float:
    """Hours between saves: asked for, or Young's sqrt(2 d MTBF) (CACM 17(9), 1974); inf if nothing is lost."""
    return max(math.sqrt(2 * save_h * mean_up_h) if asked_h is None else asked_h, save_h)
