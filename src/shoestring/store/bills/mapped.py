"""Any other CSV: a YAML says which of its columns is which.

name: neocloud
provider: NeoCloud            # optional: for files that do not say
currency: EUR                 # optional, likewise
date_formats: ["%d.%m.%Y"]    # optional: tried before the usual ones
decimal_comma: true           # optional: amounts are written 1.234,56
columns:                      # FOCUS column: column of the file, or a constant
  ChargePeriodStart: Start
  BilledCost: Amount
  ServiceName: {value: GPU Cloud}
  ResourceId: Instance
labels:                       # optional: team, project, experiment, run, model, dataset, user, cost_center
  team: Cost centre
tags: Tags                    # optional: a column with a JSON object
"""

import difflib
from pathlib import Path
from typing import Any

import yaml

from shoestring.domain.errors import BadInput
from shoestring.store.bills.format import Format
from shoestring.store.bills.values import Given
from shoestring.store.charges_engine import literal
from shoestring.store.charges_schema import LABEL_COLUMNS, STORE_COLUMNS

KEYS = ("name", "provider", "currency", "date_formats", "decimal_comma", "columns", "labels", "tags")
CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
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
    fields = {name: _expression(path, name, given) for name, given in columns.items()}
    form = Format(
        name=f"map:{data.get('name', path.stem)}",
        title=str(data.get("name", path.stem)),
        needs=frozenset(str(given) for given in columns.values() if not isinstance(given, dict)),
        fields={**fields, "ChargeCategory": _category(fields)},
        tags=() if data.get("tags") is None else (_column(str(data["tags"])),),
        label_fields={label: _expression(path, label, given) for label, given in labels.items()},
    )
    given = Given(
        currency=data.get("currency"),
        provider=data.get("provider"),
        date_formats=tuple(str(f) for f in data.get("date_formats") or ()),
        decimal_comma=bool(data.get("decimal_comma", False)),
        written_by_people=True,
    )
    return form, given


def _category(fields: dict[str, str]) -> str:
    """SQL of a charge's category: in FOCUS's own spelling; without a column, what is below zero is a credit."""
    if "ChargeCategory" in fields:
        given = fields["ChargeCategory"]
        whens = " ".join(f"when '{name.lower()}' then '{name}'" for name in CATEGORIES)
        return (
            f"case lower(trim(cast({given} as varchar))) {whens} when 'refund' then 'Credit' else {given} end"
        )
    amount = f"trim(cast({fields['BilledCost']} as varchar))"
    return f"case when regexp_matches({amount}, '^([(]|[$€£¥₹]?-)') then 'Credit' else 'Usage' end"


def _expression(path: Path, name: str, given: Any) -> str:
    if isinstance(given, dict):
        if set(given) != {"value"}:
            raise BadInput(f"{path}: {name}: a column's name, or {{value: ...}}; found {given!r}")
        return literal(str(given["value"]))
    return _column(str(given))


def _column(header: str) -> str:
    return "{" + header.replace("{", "").replace("}", "") + "}"


def _check(path: Path, found: dict[str, Any], allowed: tuple[str, ...], what: str) -> None:
    for name in found:
        if name not in allowed:
            near = difflib.get_close_matches(str(name), allowed, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise BadInput(f"{path}: unknown {what} {name!r}{hint}")
