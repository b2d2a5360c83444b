"""Simulated places: when they have capacity, at which price, and when they take instances or single nodes back."""

from bisect import bisect_right
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


class Zone(Protocol):
    """What a simulated place knows of itself; times are seconds since the clock's start."""

    def available(self, at_s: float) -> bool: ...

    def usd_per_hour(self, at_s: float) -> Decimal | None: ...

    def prices(self, from_s: float, until_s: float) -> tuple[tuple[float, Decimal | None], ...]:
        """The price at ``from_s``, and every change until then, each with its moment."""
        ...

    def next_loss_s(self, after_s: float, until_s: float) -> float | None:
        """When a running instance is taken back in (after, until]; None if it is not."""
        ...

    def next_node_loss(self, after_s: float, until_s: float) -> tuple[float, int] | None:
        """When some nodes of a running gang are taken back in (after, until], and how many; None if none are."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SteadyZone:
    """Always there, at one price: on-demand and owned capacity."""

    price: Decimal | None

    def available(self, at_s: float) -> bool:
        return True

    def usd_per_hour(self, at_s: float) -> Decimal | None:
        return self.price

    def prices(self, from_s: float, until_s: float) -> tuple[tuple[float, Decimal | None], ...]:
        return ((from_s, self.price),)

    def next_loss_s(self, after_s: float, until_s: float) -> float | None:
        return None

    def next_node_loss(self, after_s: float, until_s: float) -> tuple[float, int] | None:
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SpotZone:
    """Up in the half-open intervals ``ups`` (seconds, sorted, disjoint), at one price.

    Attributes:
        node_losses: moments at which so many nodes of a gang are taken back, in order.
        full: half-open intervals in which nothing new is granted, and what runs is left alone.
    """

    price: Decimal
    ups: tuple[tuple[float, float], ...]
    node_losses: tuple[tuple[float, int], ...] = ()
    full: tuple[tuple[float, float], ...] = ()

    def _interval(self, at_s: float) -> tuple[float, float] | None:
        place = bisect_right(self.ups, (at_s, float("inf"))) - 1
        if place >= 0 and self.ups[place][0] <= at_s < self.ups[place][1]:
            return self.ups[place]
        return None

    def available(self, at_s: float) -> bool:
        return self._interval(at_s) is not None and not any(a <= at_s < b for a, b in self.full)

    def usd_per_hour(self, at_s: float) -> Decimal | None:
        return self.price

    def prices(self, from_s: float, until_s: float) -> tuple[tuple[float, Decimal | None], ...]:
        return ((from_s, self.price),)

    def next_loss_s(self, after_s: float, until_s: float) -> float | None:
        up = self._interval(after_s)
        if up is None:
            return after_s
        return up[1] if up[1] <= until_s else None

    def next_node_loss(self, after_s: float, until_s: float) -> tuple[float, int] | None:
        return next(((at, count) for at, count in self.node_losses if after_s < at <= until_s), None)
