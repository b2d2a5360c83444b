"""The rules that a FOCUS file is checked by, as values: from the 1.4 model, and the official 1.2 rule list."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from shoestring.store.charges_engine import ident, literal
from shoestring.store.focus.model import columns, subcategory_parents, version_key

MUST, SHOULD = "MUST", "SHOULD"
NUMBER = r"-?[0-9]+(\.[0-9]+)?(E(0|-?[1-9][0-9]*))?"
MOMENT = r"[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-6][0-9](\.[0-9]+)?Z"

# Rules of the official list that can't be taken as they are written there.
LEFT_OUT = {
    "BilledCost-C-005-C": "takes issuer and provider for different parties whenever their names are spelled "
    "differently, as AWS's own are",
    "ContractedCost-C-004-M": "says again that it may not be null",
    "PricingQuantity-C-008-M": "forbids the null that C-004 of the same column demands of taxes; that a value is a "
    "number is C-001 and C-002",
}
# id -> (requirement, condition) as the specification's text has them.
CORRECTED: dict[str, tuple[list[Any], list[Any] | None]] = {
    # The list's condition is "CommitmentDiscountId is null", the opposite of its own text.
    "CommitmentDiscountStatus-C-004-C": (
        ["is_not", "CommitmentDiscountStatus", None],
        ["and", ["is_not", "CommitmentDiscountId", None], ["is", "ChargeCategory", "Usage"]],
    ),
    # The list allows Active, Expired and Pending; the specification allows Used and Unused.
    "CommitmentDiscountStatus-C-005-M": (
        ["or", ["is", "CommitmentDiscountStatus", "Used"], ["is", "CommitmentDiscountStatus", "Unused"]],
        None,
    ),
}

PRODUCT_TOLERANCE = "1e-6"  # relative: products of published unit prices are rounded by their publishers


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One thing that must (or should) hold.

    Attributes:
        id: the official id for rules of the 1.2 model; ``Column-presence``, ``-null``, ``-type``, ``-allowed``,
            ``-range``, ``-parent`` for those of the 1.4 model.
        violated: SQL over the file's columns that is true for a row that breaks it; None for rules about the
            header. aggregate: the same over the whole file, giving how many break it.
    """

    id: str
    column: str
    level: str
    text: str
    violated: str | None = None
    aggregate: str | None = None
    absent: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A file's columns with their engine types. What a writer typed needs no check of its notation."""

    types: Mapping[str, str]

    def __contains__(self, column: str) -> bool:
        return column in self.types

    def is_text(self, column: str) -> bool:
        return self.types.get(column) == "VARCHAR"


def rules_for(version: str, table: Table) -> list[Rule]:
    """Every rule of a version that applies to a file with these columns."""
    model = version_key(version) >= version_key("1.3")
    rules = _model_rules(version, table) if model else []
    for row in _official():
        rule = _official_rule(row, table, present=not model)
        if rule is not None:
            rules.append(rule)
    return [*rules, *_header_rules(version, table)]


def _model_rules(version: str, table: Table) -> list[Rule]:
    rules: list[Rule] = []
    for column in columns().values():
        name = column.name
        if version_key(column.introduced) > version_key(version):
            continue
        if name not in table:
            level = {"Mandatory": MUST, "Recommended": SHOULD}.get(column.level)
            if level is not None:
                text = f"{name} {level} be present ({column.level.lower()})"
                rules.append(Rule(id=f"{name}-presence", column=name, level=level, text=text, absent=True))
            continue
        value = ident(name)
        if not column.nulls:
            text = f"{name} MUST NOT be null"
            rules.append(
                Rule(id=f"{name}-null", column=name, level=MUST, text=text, violated=f"{value} is null")
            )
        kind = {"Decimal": "numeric", "Date/Time": "moment", "JSON": "json"}.get(column.type)
        kind = {"Currency": "currency", "Key-Value": "key_value"}.get(column.format, kind)
        if kind is not None:
            holds = _holds([kind, name], table)
            text = f"{name} MUST be a {column.format}"
            rules.append(
                Rule(id=f"{name}-type", column=name, level=MUST, text=text, violated=f"not ({holds})")
            )
        if column.allowed is not None:
            allowed = ", ".join(literal(v) for v in column.allowed)
            text = (
                f"{name} MUST be one of {', '.join(column.allowed[:8])}{' ...' * (len(column.allowed) > 8)}"
            )
            violated = f"{value} is not null and {value} not in ({allowed})"
            rules.append(Rule(id=f"{name}-allowed", column=name, level=MUST, text=text, violated=violated))
        if column.min is not None:
            violated = f"try_cast({value} as double) < {column.min}"
            text = f"{name} MUST be at least {column.min:g}"
            rules.append(Rule(id=f"{name}-range", column=name, level=MUST, text=text, violated=violated))
    if "ServiceSubcategory" in table and "ServiceCategory" in table:
        pairs = ", ".join(f"({literal(s)}, {literal(c)})" for s, c in subcategory_parents().items())
        known = ", ".join(literal(s) for s in subcategory_parents())
        rules.append(
            Rule(
                id="ServiceSubcategory-parent",
                column="ServiceSubcategory",
                level=MUST,
                text="ServiceSubcategory MUST belong to the row's ServiceCategory",
                violated=f"ServiceSubcategory in ({known}) "
                f"and (ServiceSubcategory, ServiceCategory) not in ({pairs})",
            )
        )
    return rules


def _header_rules(version: str, table: Table) -> list[Rule]:
    """Columns that FOCUS does not know must begin with ``x_``."""
    from shoestring.store.focus.model import columns_of_version

    known = set(columns_of_version(version))
    return [
        Rule(
            id="ColumnHandling-A-010-M",
            column=name,
            level=MUST,
            text="columns of one's own MUST begin with x_",
            absent=True,
        )
        for name in table.types
        if name not in known and not name.startswith("x_")
    ]


def _official_rule(row: Mapping[str, Any], table: Table, *, present: bool) -> Rule | None:
    """A rule of the official list as one of ours; None where it says nothing about this file."""
    if row["id"] in LEFT_OUT:
        return None
    level = MUST if row["keyword"].startswith("MUST") else SHOULD
    kind = row["requirement"][0]
    given = {"id": row["id"], "column": row["column"], "level": level, "text": row["text"]}
    if kind == "present":
        # What is mandatory only if a provider supports something can't be told from the file: it is advice.
        if not present or row["column"] in table:
            return None
        return Rule(**{**given, "level": SHOULD if row["applies_if"] else level}, absent=True)
    if row["column"] not in table or (kind == "string" and table.is_text(row["column"])):
        return None  # every text is a string
    if kind == "one_parent":
        child, parent = (ident(c) for c in row["requirement"][1:])
        if row["requirement"][2] not in table:
            return None
        aggregate = (
            f"count(distinct ({child}, {parent})) filter ({child} is not null) - count(distinct {child})"
        )
        return Rule(**given, aggregate=aggregate)
    requirement, when = CORRECTED.get(row["id"], (row["requirement"], row["condition"]))
    condition = "true" if when is None else _holds(when, table)
    if kind == "or" and when is None:  # a list of allowed values; whether there must be one is another rule
        condition = f"{ident(row['column'])} is not null"
    return Rule(**given, violated=f"({condition}) and not ({_holds(requirement, table)})")


def _holds(check: list[Any], table: Table) -> str:
    """SQL that is true or false (never null) for a condensed check. Null passes checks of notation."""
    kind, rest = check[0], check[1:]
    if kind in ("and", "or"):
        return f"({f' {kind} '.join(_holds(c, table) for c in rest)})"
    name = rest[0]
    value = ident(name) if name in table else "null"
    text = f"cast({value} as varchar)"
    match kind:
        case "is" if rest[1] is None:
            return f"{value} is null"
        case "is":
            return f"{_same(value, rest[1])}"
        case "is_not" if rest[1] is None:
            return f"{value} is not null"
        case "is_not":
            return f"not {_same(value, rest[1])}"
        case "at_least":
            return f"coalesce(try_cast({value} as double) >= {float(rest[1])}, true)"
        case "same" | "differs":
            other = ident(rest[1]) if rest[1] in table else "null"
            return f"{value} is {'not ' if kind == 'same' else ''}distinct from {other}"
        case "product":
            return _product(rest, table)
        case "string":
            return "true" if table.is_text(name) or name not in table else f"{value} is null"
        case "decimal" | "numeric" | "moment" if not table.is_text(name):
            return "true"
        case "decimal" | "numeric":
            return f"coalesce(regexp_full_match({text}, {literal(NUMBER)}), true)"
        case "moment":
            return f"coalesce(regexp_full_match({text}, {literal(MOMENT)}), true)"
        case "currency" | "national_currency":
            return f"coalesce(regexp_full_match({text}, '[A-Z]{{3}}'), true)"
        case "unit":
            return f"coalesce(regexp_full_match({text}, '[A-Za-z0-9].*'), true)"
        case "json":
            return f"({value} is null or json_valid({text}))"
        case "key_value":
            return (
                f"case when {value} is null then true when json_valid({text}) "
                f"then json_type({text}) = 'OBJECT' else false end"
            )
    raise AssertionError(f"no check {kind!r}")


def _same(value: str, expected: Any) -> str:
    if isinstance(expected, int | float):
        return f"coalesce(try_cast({value} as double) = {float(expected)}, false)"
    return f"coalesce(cast({value} as varchar) = {literal(str(expected))}, false)"


def _product(names: list[str], table: Table) -> str:
    """Unit price times quantity is the cost, within what rounding explains; null passes."""
    if any(name not in table for name in names):
        return "true"
    price, quantity, cost = (f"try_cast({ident(n)} as double)" for n in names)
    return f"coalesce(abs({price} * {quantity} - {cost}) <= {PRODUCT_TOLERANCE} * greatest(1, abs({cost})), true)"


@cache
def _official() -> tuple[dict[str, Any], ...]:
    text = (
        resources.files("shoestring.store.focus").joinpath("focus_rules_1_2.json").read_text(encoding="utf-8")
    )
    model = json.loads(text)
    return tuple(dict(zip(model["fields"], row, strict=True)) for row in model["rules"])
