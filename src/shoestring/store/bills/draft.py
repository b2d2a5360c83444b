"""A first map of a bill that nobody has described yet: which of its columns look like what, for a person to check."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import yaml

from shoestring.store.bills.draft_words import COLUMNS, LABELS, NOT, TIMES
from shoestring.store.bills.format import plain

WITHIN_LEAST = 4  # letters: shorter words stand in too many others
DECIMAL_COMMA = re.compile(r"[^\d]*\d{1,3}([. \u00a0]?\d{3})*,\d{1,2}[^\d]*")
NEEDED = ("BilledCost", "ChargePeriodStart")


def draft_map(name: str, header: Sequence[str], first: Mapping[str, str | None]) -> str:
    """YAML of a map for ``--map``, with what the first row says beside each column.

    Args:
        name: of the format; a file's name without its ending.
        first: column -> its text in the first row that has any.
    """
    left = list(header)
    columns: dict[str, Any] = dict(_guessed(COLUMNS, left))
    labels = _guessed(LABELS, left)
    lasts = _worked_out(columns)
    lines = [
        "# A draft: check each line against the file, then `shoestring bills import FILE --map THIS`.",
        f"name: {_scalar(name)}",
        "# provider: who sends it      # where the file does not say",
    ]
    if "BillingCurrency" not in columns:
        lines.append(
            f"currency: {_currency(columns)}                # the file does not say; put the invoice's here"
        )
    amounts = [first.get(str(columns.get(n))) for n in ("BilledCost", "ListCost", "ContractedUnitPrice")]
    if any(said is not None and DECIMAL_COMMA.fullmatch(said.strip()) for said in amounts):
        lines.append("decimal_comma: true          # amounts are written 1.234,56")
    lines.append("columns:                     # FOCUS column: column of the file, or {value: a constant}")
    lines += [
        f"  # {n}: ???              # needed; no column looks like it" for n in NEEDED if n not in columns
    ]
    lines += [_line(wanted, given, first) for wanted, given in columns.items()]
    if "ConsumedQuantity" in columns and "ConsumedUnit" not in columns:
        lines.append("  ConsumedUnit: {value: Hours}  # is it?")
    if lasts:
        lines.append(f"lasts: {_scalar(lasts)}  # a period ends so long after its start")
    if labels:
        lines.append("labels:")
        lines += [_line(wanted, header_of, first) for wanted, header_of in labels.items()]
    if left:
        lines.append(f"# kept as x_Source_...: {', '.join(_one_line(h) for h in left)}")
    return "\n".join(lines) + "\n"


def _worked_out(columns: dict[str, Any]) -> dict[str, str] | None:
    """What no column says but several do together: the amount, the unit; how long a period lasts (returned)."""
    if "BilledCost" not in columns and "ListCost" in columns:
        columns["BilledCost"] = columns.pop(
            "ListCost"
        )  # better than nothing; the line shows an example to judge by
    quantity, rate = columns.get("ConsumedQuantity"), columns.get("ContractedUnitPrice")
    if quantity is None:
        return None
    unit, in_an_hour = _time(quantity)
    if "BilledCost" not in columns and rate is not None:
        product: dict[str, Any] = {"product": [quantity, rate]}
        hourly = re.search("hour|hr|stunde", plain(rate)) is not None
        if hourly and in_an_hour not in (None, 1):
            product = {"quotient": [product, in_an_hour]}
        columns["BilledCost"] = product
    if "ConsumedUnit" not in columns and unit is not None:
        if unit == "milliseconds":
            columns["ConsumedQuantity"] = {"quotient": [quantity, in_an_hour]}
        columns["ConsumedUnit"] = {"value": "Hours" if unit == "milliseconds" else unit.title()}
    runs = re.search("duration|runtime|elapsed|uptime", plain(quantity))  # other hours may be of many at once
    return {unit: quantity} if unit is not None and runs and "ChargePeriodEnd" not in columns else None


def _time(header: str) -> tuple[str | None, int | None]:
    """The unit that a header of a duration names, and how many of it are an hour; None if it names none."""
    words = re.sub(r"([a-z])([A-Z])", r"\1 \2", header).lower().replace("_", " ")
    found = (time for pattern, time in TIMES.items() if re.search(rf"\b({pattern})\b", words))
    return next(found, (None, None))


def _currency(columns: Mapping[str, Any]) -> str:
    """The currency that the amount's header names; dollars if it names none."""
    named = re.search(
        r"\b(USD|EUR|GBP|JPY|CHF|CAD|AUD|INR|SGD)\b", str(columns.get("BilledCost", "")).upper()
    )
    return "USD" if named is None else named[1]


def _guessed(words: Mapping[str, Sequence[str]], left: list[str]) -> dict[str, str]:
    """What is wanted -> the header that looks most like it; taken headers leave ``left``. Whole names go first."""
    found: dict[str, str] = {}
    for whole in (True, False):
        for wanted, names in words.items():
            if wanted in found:
                continue
            hits = (h for word in names for h in left if _like(wanted, _words_of(h), word, whole=whole))
            if (hit := next(hits, None)) is not None:
                found[wanted] = hit
                left.remove(hit)
    return {wanted: found[wanted] for wanted in words if wanted in found}


def _words_of(header: str) -> str:
    """A header without case, punctuation, what stands in brackets, and a currency at its end."""
    bare = plain(re.sub(r"[(\[].*?[)\]]", "", header)) or plain(header)
    return re.sub(r"(?<=.)(usd|eur|gbp)$", "", bare)


def _like(wanted: str, header: str, word: str, *, whole: bool) -> bool:
    if whole:
        return header == word
    barred = NOT.get(wanted)
    return len(word) >= WITHIN_LEAST and word in header and (barred is None or not re.search(barred, header))


def _line(wanted: str, given: Any, first: Mapping[str, str | None]) -> str:
    if isinstance(given, dict):
        beside = "" if "value" in given else "  # worked out: is the rate for all of it?"
        return f"  {wanted}: {_scalar(given)}{beside}"
    said = first.get(given)
    beside = "" if said is None else f"  # e.g. {_one_line(said)[:40]}"
    return f"  {wanted}: {_scalar(given)}{beside}"


def _scalar(value: Any) -> str:
    """A text, or what is worked out, as YAML writes it on one line."""
    return yaml.safe_dump(value, width=10_000, allow_unicode=True, default_flow_style=True).splitlines()[0]


def _one_line(text: str) -> str:
    return re.sub(r"[^\x20-\x7e\u00a0-\uffff]+|[\u2028\u2029\u202a-\u202e\u2066-\u2069]", " ", text)
