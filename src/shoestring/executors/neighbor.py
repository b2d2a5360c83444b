"""What differs between the engines that run jobs as processes of this machine, and what a launch is granted."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from shoestring.domain.offer import Offer
from shoestring.domain.run import PriceSpan
from shoestring.executors.book import InstanceBook
from shoestring.executors.clock import MarketClock
from shoestring.ports import BillLine, Capabilities, JobSpec


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What an instance gets, in real time.

    Attributes:
        boot_s: from launch to the job's command. lost_at: when it is taken back; None: never.
        notice_s: warning before; None: none will be given.
        notice_poll_s: how often the node asks its metadata. max_duration_s: the job may not run longer.
    """

    boot_s: float
    lost_at: float | None = None
    notice_s: float | None = None
    notice_poll_s: float = 1.0
    max_duration_s: float | None = None


class Neighbor(Protocol):
    """What differs between the engines that run processes here."""

    @property
    def name(self) -> str: ...

    @property
    def clock(self) -> MarketClock: ...

    @property
    def machine_id(self) -> str | None:
        """Which machine its instances share; None where each is a machine of its own."""
        ...

    def offers(self, real: float) -> tuple[Offer, ...]: ...

    def admit(self, spec: JobSpec, real: float, alive: int) -> Terms:
        """Terms of a launch now; ``alive`` instances of the same offer live. Raises NoCapacity."""
        ...

    def price_spans(self, offer_id: str, start: float, end: float | None) -> tuple[PriceSpan, ...]:
        """Prices in force for an instance over its life, real times in, the market's moments out."""
        ...

    def bill(
        self, token: str, order: Mapping[str, Any], book: InstanceBook, *, real: float, fetched_gib: Decimal
    ) -> list[BillLine]:
        """The engine's own books for one instance. ``fetched_gib``: checkpoints read from other regions."""
        ...

    def capabilities(self) -> Capabilities: ...
