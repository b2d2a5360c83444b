"""Taking values out of an answer: each is checked where it is taken, and a doubt refuses the whole answer."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.domain.text import printable

HIGHEST_USD = Decimal(5000)  # $/h of one instance, as for price sheets
MOST_ROWS = 200_000
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/()+-]{0,119}", re.ASCII)


class Reply:
    """One answer of ``host``; every method raises BadInput with what was found and where."""

    def __init__(self, host: str) -> None:
        self.host = host

    def bad(self, where: str, found: Any, expected: str) -> BadInput:
        shown = printable(repr(found), limit=60)
        return BadInput(f"{self.host}: {where} is {shown}, expected {expected}; the whole answer is refused")

    def table(self, value: Any, where: str) -> Mapping[str, Any]:
        if not isinstance(value, dict):
            raise self.bad(where, value, "an object")
        return value

    def rows(self, value: Any, where: str) -> list[Mapping[str, Any]]:
        if not isinstance(value, list) or not all(isinstance(row, dict) for row in value):
            raise self.bad(where, value, "a list of objects")
        if len(value) > MOST_ROWS:
            raise self.bad(where, len(value), f"at most {MOST_ROWS} rows")
        return value

    def text(self, row: Mapping[str, Any], key: str) -> str:
        """A short text that can be a name; empty stays empty."""
        value = row.get(key)
        if not isinstance(value, str) or (value and not _WORD.fullmatch(value)):
            raise self.bad(key, value, "a short name")
        return value

    def usd(self, value: Any, where: str) -> Decimal:
        """Dollars an hour, exact, above 0 and not absurd. Texts of digits are taken: AWS sends such."""
        if isinstance(value, str) and re.fullmatch(r"\d{1,7}(\.\d{1,12})?", value, re.ASCII):
            value = Decimal(value)
        if isinstance(value, bool) or not isinstance(value, int | Decimal):
            raise self.bad(where, value, "dollars")
        amount = Decimal(value)
        if not amount.is_finite() or not 0 < amount <= HIGHEST_USD:
            raise self.bad(where, value, f"above 0 and at most {HIGHEST_USD} $/h")
        return amount
