"""Dated exchange rates from a CSV ``currency,day,usd_per_unit``."""

import csv
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path

from shoestring.domain.errors import BadInput


def read_rates(path: Path) -> tuple[tuple[str, datetime, Decimal], ...]:
    """(currency, day, dollars for one unit), each valid until the next day given for its currency."""
    found = []
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            for row in csv.DictReader(file):
                rate = Decimal(row["usd_per_unit"])
                if not rate.is_finite() or rate <= 0:
                    raise ValueError(f"rate {rate} is not above 0")
                found.append((row["currency"].strip().upper(), datetime.fromisoformat(row["day"]), rate))
    except OSError as error:
        raise BadInput(f"{path}: {error.strerror}") from None
    except (KeyError, ValueError, InvalidOperation, TypeError) as error:
        raise BadInput(f"{path}: {error}", next_step="columns: currency,day,usd_per_unit") from None
    return tuple(found)
