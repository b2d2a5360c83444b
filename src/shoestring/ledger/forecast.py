"""What will it cost: run rate, week's season, robust trend, and intervals that are checked by back-test."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

WEEK = 7
LEAST = 2 * WEEK  # days before a season can be told from noise
LOOK_BACK_DAYS = 120  # older days say little about the next ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Daily dollars ahead, with a band that holds a whole day's value with ``coverage`` probability.

    Attributes:
        method: ``run_rate`` (short history) or ``weekly_trend``.
        backtest_coverage: share of past days that such a band, made before them, has held; None if the
            history is too short to tell.
        total, total_low, total_high: of all days ahead together.
    """

    days: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    total: float
    total_low: float
    total_high: float
    method: str
    coverage: float
    backtest_coverage: float | None


def forecast(history: Sequence[float], ahead: int, *, coverage: float = 0.8) -> Forecast:
    """Forecast ``ahead`` days after a daily history (oldest first, whole days, no gaps).

    The middle is the weekly season on a Theil-Sen trend (median of all slopes: Sen, JASA 63, 1968), damped to
    nothing over the days ahead; a short history gives its mean. The band is conformal: the quantile of the
    absolute errors of such forecasts made earlier in the same history, one day to ``ahead`` days ahead.

    Raises:
        ValueError: no history, or a day ahead that is none.
    """
    values = np.asarray(history, dtype=float)
    if values.size == 0 or ahead < 1 or not np.all(np.isfinite(values)):
        raise ValueError("a forecast needs at least one past day, one day ahead, and finite amounts")
    middle, method = _middle(values, ahead)
    misses = _misses(values, ahead)
    errors = np.abs(np.concatenate(misses)) if misses else np.array([])
    sums = np.array([abs(missed.sum()) for missed in misses if missed.size == ahead])
    margin = _conformal(errors, coverage) if errors.size else float(np.std(values)) * 1.2816
    total = float(middle.sum())
    total_margin = _conformal(sums, coverage) if sums.size else margin * ahead**0.5
    return Forecast(
        days=tuple(float(v) for v in middle),
        low=tuple(float(v) for v in np.maximum(0.0, middle - margin)),
        high=tuple(float(v) for v in middle + margin),
        total=total,
        total_low=max(0.0, total - total_margin),
        total_high=total + total_margin,
        method=method,
        coverage=coverage,
        backtest_coverage=_backtest(misses, coverage),
    )


def expected_days(history: Sequence[float], ahead: int) -> tuple[float, ...]:
    """The middle of `forecast` alone: many budgets want no band, which is what takes the time."""
    middle, _ = _middle(np.asarray(history, dtype=float), ahead)
    return tuple(float(v) for v in middle)


def _middle(values: np.ndarray, ahead: int) -> tuple[np.ndarray, str]:
    if values.size < LEAST:
        return np.full(ahead, values[-WEEK:].mean()), "run_rate"
    days = np.arange(values.size)
    slope = _theil_sen(values)
    level = values - slope * days
    season = np.array([np.median(level[k::WEEK]) for k in range(WEEK)])
    future = np.arange(values.size, values.size + ahead)
    grown = slope * (values.size - 1) + slope * np.cumsum(0.9 ** np.arange(1, ahead + 1))
    return np.maximum(0.0, season[future % WEEK] + grown), "weekly_trend"


def _theil_sen(values: np.ndarray) -> float:
    """Median of the slopes between days a whole number of weeks apart: blind to season and outliers."""
    slopes = [
        (values[gap:] - values[:-gap]) / gap for gap in range(WEEK, values.size, WEEK) if gap < values.size
    ]
    return float(np.median(np.concatenate(slopes))) if slopes else 0.0


def _misses(values: np.ndarray, ahead: int) -> list[np.ndarray]:
    """By how much forecasts made at each earlier day would have missed the days after it, ``ahead`` at most."""
    found = []
    for cut in range(_first_cut(values.size), values.size):
        actual = values[cut : cut + ahead]
        found.append(actual - _middle(values[:cut], actual.size)[0])
    return found


def _first_cut(size: int) -> int:
    """From which day on past forecasts are like today's: with a season, once there is history for one."""
    return LEAST + WEEK if size >= 2 * LEAST + WEEK else WEEK


def _conformal(errors: np.ndarray, coverage: float) -> float:
    """The quantile with the finite-sample correction (n + 1) * coverage / n."""
    level = min(1.0, coverage * (errors.size + 1) / errors.size)
    return float(np.quantile(errors, level, method="higher"))


def _backtest(misses: Sequence[np.ndarray], coverage: float) -> float | None:
    """Share of days that a one-day-ahead band, made from the days before alone, has held."""
    errors = np.array([abs(float(missed[0])) for missed in misses])
    held = [errors[n] <= _conformal(errors[:n], coverage) for n in range(WEEK, errors.size)]
    return sum(held) / len(held) if len(held) >= WEEK else None
