"""Any other CSV: a YAML says which of its columns is which.

name: neocloud
provider: NeoCloud            # optional: for files that do not say
currency: EUR                 # optional, likewise
date_formats: ["%d.%m.%Y"]    # optional: tried before the usual ones
decimal_comma: true           # optional: amounts are written 1.234,56
columns:                      # FOCUS column: column of the file, a constant, or worked out of several
  ChargePeriodStart: Start
  BilledCost: Amount          # or {product: [Hours, Rate]}, quotient, sum, less: [Gross, Discount]
  ServiceName: {value: GPU Cloud}
  ResourceId: Instance
labels:                       # optional: team, project, experiment, run, model, dataset, user, cost_center
  team: Cost centre
tags: Tags                    # optional: a column with tags, in any form
lasts: {minutes: Duration}    # optional: where no column says when a period ends
"""

import difflib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml

from shoestring.domain.errors import BadInput
from shoestring.store.bills.computed import computed, lasting
from shoestring.store.bills.focus_files import CATEGORIES, WORDS
from shoestring.store.bills.format import Format
from shoestring.store.bills.values import LESS, Given
from shoestring.store.charges_engine import literal
from shoestring.store.charges_schema import LABEL_COLUMNS, STORE_COLUMNS

KEYS = ("name", "provider", "currency", "date_formats", "decimal_comma", "columns", "labels", "tags", "lasts")
# What invoices call kinds of charges: a pattern each, tried in this order (a credit is below zero); the rest is use.
KINDS = {
    "Adjustment": "adjust|correct|rounding",
    "Credit": "credit|refund|discount|coupon|promo|rebate|voucher",
    "Tax": "tax|vat|gst|mwst|ust",
    "Purchase": "purchase|subscription|upfront|prepa|setup",
}
NEEDED = ("BilledCost", "ChargePeriodStart")


def read_map(path: Path) -> tuple[Format, Given]:
    """The format that a mapping file describes, and what it says in the place of the bill.

    Raises:
        BadInput: unknown keys or columns, or a mapping without amount or moment.
    """
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise BadInput(f"{path}: {error}") from None
    if not isinstance(data, dict) or not isinstance(data.get("columns"), dict):
        raise BadInput(f"{path}: no `columns:`", next_step="see docs/ledger.md, Any other CSV")
    _check(path, data, KEYS, "key")
    columns, labels = data["columns"], data.get("labels") or {}
    _check(path, columns, tuple(STORE_COLUMNS), "column")
    _check(path, labels, tuple(LABEL_COLUMNS), "label")
    lacking = [c for c in NEEDED if c not in columns]
    if lacking:
        raise BadInput(f"{path}: columns: {' and '.join(lacking)} missing; a charge has an amount and a time")
    comma = bool(data.get("decimal_comma", False))
    fields = {name: _expression(path, name, given, comma) for name, given in columns.items()}
    label_fields = {label: _expression(path, label, given, comma) for label, given in labels.items()}
    tags = () if data.get("tags") is None else (_column(str(data["tags"])),)
    whole = [given for given in (*columns.values(), *labels.values()) if not isinstance(given, dict)]
    form = Format(
        name=f"map:{data.get('name', path.stem)}",
        title=str(data.get("name", path.stem)),
        needs=frozenset(_headers(columns.values())),
        fields={**fields, "ChargeCategory": _category(fields)},
        words={name: words for name, words in WORDS.items() if name != "ChargeCategory"},
        tags=tags,
        label_fields=label_fields,
        taken=[*tags, *(_column(str(header)) for header in whole if header != columns.get("ChargeCategory"))],
        lasting=_lasting(path, data.get("lasts"), comma),
    )
    given = Given(
        currency=data.get("currency"),
        provider=data.get("provider"),
        date_formats=tuple(str(f) for f in data.get("date_formats") or ()),
        decimal_comma=comma,
        written_by_people=True,
    )
    return form, given


def _category(fields: dict[str, str]) -> str:
    """SQL of a charge's category: FOCUS's own words, what invoices call them; without any, below zero is a credit."""
    amount = f"trim(cast({fields['BilledCost']} as varchar))"
    below = f"regexp_matches({amount}, {literal(LESS)})"
    given = f"lower(trim(cast({fields.get('ChargeCategory', 'null')} as varchar)))"
    own = " ".join(f"when {given} = '{name.lower()}' then '{name}'" for name in CATEGORIES)
    kinds = " ".join(
        f"when regexp_matches({given}, {literal(rf'(^|[^a-z])({pattern})')})"
        f"{f' and {below}' if name == 'Credit' else ''} then '{name}'"
        for name, pattern in KINDS.items()
    )
    return f"case {own} {kinds} when {below} then 'Credit' else 'Usage' end"


def _expression(path: Path, name: str, given: Any, comma: bool) -> str:
    if not isinstance(given, dict):
        return _column(str(given))
    if set(given) == {"value"}:
        return literal(str(given["value"]))
    try:
        return computed(given, _column, comma=comma)
    except ValueError as error:
        raise BadInput(
            f"{path}: {name}: a column's name, or {{value: ...}}, or worked out; {error}",
            next_step="see docs/ledger.md, Any other CSV",
        ) from None


def _lasting(path: Path, given: Any, comma: bool) -> str:
    if given is None:
        return "null"
    if not isinstance(given, dict) or len(given) != 1:
        raise BadInput(f"{path}: lasts: a unit and a column, e.g. {{minutes: Duration}}; found {given!r}")
    try:
        return lasting(given, _column, comma=comma)
    except ValueError as error:
        raise BadInput(f"{path}: {error}") from None


def _headers(given: Iterable[Any]) -> Iterator[str]:
    """Every column that is named, alone or within an operation."""
    for one in given:
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict) and "value" not in one:
            yield from _headers(one.values())
        elif isinstance(one, list):
            yield from _headers(one)


def _column(header: str) -> str:
    return "{" + header.replace("{", "").replace("}", "") + "}"


def _check(path: Path, found: dict[str, Any], allowed: tuple[str, ...], what: str) -> None:
    for name in found:
        if name not in allowed:
            near = difflib.get_close_matches(str(name), allowed, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise BadInput(f"{path}: unknown {what} {name!r}{hint}")
