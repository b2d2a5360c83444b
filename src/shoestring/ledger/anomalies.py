"""What is odd about a cost: a robust z-score for a day, a change point for a level, and who drove it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

MAD_TO_SIGMA = 1.4826  # the normal distribution's ratio of standard deviation to median absolute deviation
WEEK = 7
LEAST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Anomaly:
    """Something odd.

    Attributes:
        day: index in the series. kind: ``spike`` | ``drop`` | ``level``.
        usd: beyond what was expected. score: robust standard deviations.
        drivers: who it came from, the largest share first: (name, dollars beyond the usual).
        because: of the first driver: ``quantity`` (it used more) | ``price`` (each unit cost more) | None where
            its quantities are unknown.
    """

    day: int
    kind: str
    usd: float
    expected_usd: float
    score: float
    drivers: tuple[tuple[str, float], ...] = ()
    because: str | None = None


def anomalies(
    series: Mapping[str, Sequence[float]],
    quantities: Mapping[str, Sequence[float]] | None = None,
    *,
    threshold: float = 6.0,
    least_usd: float = 1.0,
) -> tuple[Anomaly, ...]:
    """Odd days and lasting changes of level in a daily total.

    Args:
        series: daily dollars by driver (team, experiment ...), all of one length; the total is their sum.
        quantities: units used each day by driver, to tell a dearer price from more use; None if unknown.
        threshold: robust standard deviations. least_usd: what is too small to tell anybody.
    """
    if not series:
        return ()
    names = sorted(series)
    parts = np.array([np.asarray(series[name], dtype=float) for name in names])
    total = parts.sum(axis=0)
    if total.size < LEAST:
        return ()
    odd = _odd_days(total, threshold)
    calm = total.copy()
    for anomaly in odd:
        after = total[anomaly.day + 1 : anomaly.day + 2]
        if not after.size or abs(float(after[0]) - anomaly.expected_usd) < abs(anomaly.usd) / 2:
            calm[anomaly.day] = (
                anomaly.expected_usd
            )  # one wild day is no new level, however it bends the mean
    found = [*odd, *_levels(calm, threshold)]
    kept = [a for a in found if abs(a.usd) >= least_usd]
    return tuple(_explained(a, names, parts, quantities) for a in sorted(kept, key=lambda a: (a.day, a.kind)))


def _scale(values: np.ndarray, floor: float) -> float:
    """A robust standard deviation; not below ``floor``: in a flat past every cent would be a miracle."""
    mad = float(np.median(np.abs(values - np.median(values)))) * MAD_TO_SIGMA
    return max(mad, floor, 1e-9)


def _odd_days(total: np.ndarray, threshold: float) -> list[Anomaly]:
    """Each day against the same weekdays before it, in units of what such differences usually are."""
    expected = np.array([_usual(total, day) for day in range(total.size)])
    residuals = total - expected
    found = []
    for day in range(LEAST - 1, total.size):
        scale = _scale(residuals[WEEK // 2 : day], floor=0.05 * abs(float(expected[day])))
        score = float(residuals[day]) / scale
        if abs(score) >= threshold:
            found.append(
                Anomaly(
                    day=day,
                    kind="spike" if score > 0 else "drop",
                    usd=float(residuals[day]),
                    expected_usd=float(expected[day]),
                    score=score,
                )
            )
    return _first_of_each_run(found)


def _usual(total: np.ndarray, day: int) -> float:
    """The median of this weekday so far, once there are three of them; before, of all days."""
    if day == 0:
        return float(total[0])
    same = total[day % WEEK : day : WEEK]
    return float(np.median(same if same.size >= 3 else total[:day]))


def _first_of_each_run(found: list[Anomaly]) -> list[Anomaly]:
    """Odd days in a row are told once, by their first day."""
    return [
        anomaly
        for index, anomaly in enumerate(found)
        if index == 0 or found[index - 1].day != anomaly.day - 1 or found[index - 1].kind != anomaly.kind
    ]


def _levels(total: np.ndarray, threshold: float) -> list[Anomaly]:
    """The one best split into two levels (least absolute deviation), if they differ by enough.

    Levels are compared by whole weeks where there are enough days, so that the week's rhythm is no change.
    """
    smooth = total if total.size < 3 * WEEK else np.convolve(total, np.ones(WEEK) / WEEK, mode="valid")
    best: tuple[float, int] | None = None
    for cut in range(LEAST // 2 + 2, smooth.size - 3):
        left, right = smooth[:cut], smooth[cut:]
        cost = float(np.abs(left - np.median(left)).sum() + np.abs(right - np.median(right)).sum())
        if best is None or cost < best[0]:
            best = (cost, cut)
    if best is None:
        return []
    shift = (total.size - smooth.size + 1) // 2  # a week's mean changes halfway through the week
    cut = best[1]
    before, after = float(np.median(smooth[:cut])), float(np.median(smooth[cut:]))
    scale = _scale(np.concatenate([smooth[:cut] - before, smooth[cut:] - after]), floor=0.05 * abs(before))
    score = (after - before) / scale
    if abs(score) < threshold:
        return []
    day = min(cut + shift, total.size - 1)
    return [Anomaly(day=day, kind="level", usd=after - before, expected_usd=before, score=score)]


def _explained(
    anomaly: Anomaly,
    names: Sequence[str],
    parts: np.ndarray,
    quantities: Mapping[str, Sequence[float]] | None,
) -> Anomaly:
    """Who moved, and whether the first of them used more or paid more for each unit."""
    day = anomaly.day
    span = slice(day, None) if anomaly.kind == "level" else slice(day, day + 1)
    moved = np.median(parts[:, span], axis=1) - np.median(parts[:, :day], axis=1)
    order = np.argsort(-moved * np.sign(anomaly.usd))
    drivers = tuple((names[i], float(moved[i])) for i in order[:3] if moved[i] * anomaly.usd > 0)
    because = None
    if drivers and quantities is not None and drivers[0][0] in quantities:
        units = np.asarray(quantities[drivers[0][0]], dtype=float)
        because = _because(parts[order[0]], units, day, span)
    return replace(anomaly, drivers=drivers, because=because)


def _because(usd: np.ndarray, units: np.ndarray, day: int, span: slice) -> str | None:
    """The larger of the two ratios that make up the change; None where one of them has no meaning."""
    usual, now = float(np.median(units[:day])), float(np.median(units[span]))
    usual_usd, now_usd = float(np.median(usd[:day])), float(np.median(usd[span]))
    if min(usual, now, usual_usd, now_usd) <= 0:
        return "quantity" if usual <= 0 < now else None  # nothing before: it is use that has begun
    quantity = np.log(now / usual)
    price = np.log(now_usd / usual_usd) - quantity
    return "price" if abs(price) > abs(quantity) else "quantity"
