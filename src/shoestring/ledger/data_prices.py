"""What holding and moving data costs, as an argument: the ledger knows no price by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from shoestring.domain.offer import Price


@dataclass(frozen=True, slots=True, kw_only=True)
class DataPrices:
    """Prices of storage ($ per GiB-month) and egress ($ per GiB), each with source and date.

    Attributes:
        storage: by ``provider/region``, ``provider`` or ``*``; the most specific one holds.
        egress: by (from, to), each written the same way. A place that is missing has no known price: its use
            stays unrated and is counted, it never costs 0. A price of 0 must be given as such.
    """

    storage: Mapping[str, Price] = field(default_factory=dict)
    egress: Mapping[tuple[str, str], Price] = field(default_factory=dict)

    def storage_price(self, provider: str, region: str) -> Price | None:
        """$ per GiB-month at a place; None if unknown."""
        return next((self.storage[k] for k in _names(provider, region) if k in self.storage), None)

    def egress_price(self, provider: str, region: str, to_provider: str, to_region: str) -> Price | None:
        """$ per GiB from one place to another; None if unknown."""
        for origin in _names(provider, region):
            for target in _names(to_provider, to_region):
                if (origin, target) in self.egress:
                    return self.egress[origin, target]
        return None


NO_DATA_PRICES = DataPrices()


def _names(provider: str, region: str) -> tuple[str, str, str]:
    return f"{provider}/{region}", provider, "*"
