"""`shoestring costs --allocate`: whose is the cost that names nobody, before and after, by rules in a YAML.

Each billing month is shared by its own use.

rules:
  - name: shared cluster
    match: {team: [null], service: [Amazon Elastic Kubernetes Service]}   # null: no such label
    to: team
    method: proportional          # even | proportional | fixed
    driver: accelerator_hours     # usd | accelerator_hours | energy_kwh
  - name: platform
    match: {team: [platform]}
    to: team
    method: fixed
    shares: {vision: 0.6, nlp: 0.4}
  - name: shared A100
    match: {resource: [node-7]}
    to: team
    method: mig                   # or time_slices, ranks: counts, with of: 8 for the whole
    holders: {vision: [3g.20gb], nlp: [2g.10gb]}   # the remainder is a line of its own
    since: 2026-03-01             # and until: the first day that it does not hold for
"""

from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from shoestring.domain.errors import BadInput
from shoestring.domain.units import money
from shoestring.ledger.allocate import AllocationRule, CostLine, allocate, total_by
from shoestring.ledger.gpu_shares import BASIS, MIG_SLICES, held_mig, held_slices
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_schema import LABEL_COLUMNS
from shoestring.store.dimensions import FISCAL, check_dimension

KEYS = {"name", "match", "to", "method", "driver", "targets", "shares", "since", "until", "holders", "of"}
GIVEN_METHODS = ("even", "proportional", "fixed", *BASIS)
HELP = "see docs/ledger.md, Shared cost"
DRIVERS = ("usd", "accelerator_hours", "energy_kwh")


@dataclass(frozen=True, slots=True, kw_only=True)
class BeforeAfter:
    """One value of a dimension, before the rules and after. None: no such label."""

    key: str | None
    before_usd: Decimal
    after_usd: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class AllocationPreview:
    """What the rules would do. Both columns add up to the same total, to the last step."""

    dimension: str
    lines: tuple[BeforeAfter, ...]
    total_usd: Decimal
    untouched: tuple[str, ...]


def preview(store: ChargeStore, question: Question, rules: list[AllocationRule]) -> AllocationPreview:
    """Apply rules to the answer of a question (by its first dimension), without changing the ledger."""
    dimension = question.by[0] if question.by else "team"
    by_day = any(r.since or r.until for r in rules)
    asked = [*question.by, *(r.to for r in rules), *(d for r in rules for d in r.match), "billing_month"]
    asked += ["day"] if by_day else []
    needed = tuple(dict.fromkeys(asked))
    answer = ask(store, replace(question, by=needed, limit=None, allocated=False))
    months: dict[str, list[CostLine]] = {}
    for row in answer.rows:
        keys = dict(zip(needed, row.keys, strict=True))
        months.setdefault(keys["billing_month"] or "", []).append(
            CostLine(
                keys=keys,
                usd=row.known_usd,
                drivers={
                    "accelerator_hours": money(Decimal(row.accelerator_hours or 0)),
                    "energy_kwh": money(Decimal(row.energy_kwh or 0)),
                },
                day=date.fromisoformat(keys["day"] or "") if by_day else None,
            )
        )
    done = [allocate(month, rules) for month in months.values()]
    lines = [line for month in months.values() for line in month]
    shared = [line for month in done for line in month.lines]
    before, after = total_by(lines, dimension), total_by(shared, dimension)
    values = sorted({*before, *after}, key=lambda k: (-after.get(k, money(0)), k or ""))
    return AllocationPreview(
        dimension=dimension,
        lines=tuple(
            BeforeAfter(key=k, before_usd=before.get(k, money(0)), after_usd=after.get(k, money(0)))
            for k in values
        ),
        total_usd=sum(after.values(), money(0)),
        untouched=tuple(dict.fromkeys(name for month in done for name in month.untouched)),
    )


def read_rules(path: Path) -> list[AllocationRule]:
    """Rules from a YAML, in its order. Raises BadInput that names the rule and what is allowed."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: {error}") from None
    return parse_rules(text, str(path))


def parse_rules(text: str, path: str) -> list[AllocationRule]:
    """The same from a text; ``path`` is what errors call it."""
    try:
        data = yaml.safe_load(text)
    except yaml.MarkedYAMLError as error:
        line = "" if error.problem_mark is None else f" line {error.problem_mark.line + 1}:"
        raise BadInput(f"{path}:{line} no YAML: {error.problem}", next_step=HELP) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise BadInput(f"{path}: no YAML: {error}", next_step=HELP) from None
    if not isinstance(data, dict) or not isinstance(data.get("rules"), list):
        raise BadInput(f"{path}: no `rules:`", next_step=HELP)
    given = data["rules"]
    lines = _lines(text)
    places = [f"line {line}: " for line in lines] if len(lines) == len(given) else [""] * len(given)
    return [
        _rule(f"{path}: {place}rule {number}", rule)
        for number, (place, rule) in enumerate(zip(places, given, strict=True), 1)
    ]


def _lines(text: str) -> list[int]:
    """The line on which each rule begins; empty where the rules come in by a merge of YAML."""
    found: list[int] = []
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    for key, value in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value == "rules":  # the last one counts where there are two, as in the data
            found = [node.start_mark.line + 1 for node in value.value]
    return found


def preview_json(told: AllocationPreview) -> dict[str, Any]:
    """Before and after, as plain data."""
    return {
        "dimension": told.dimension,
        "total_usd": float(told.total_usd),
        "rows": [
            {
                told.dimension: line.key,
                "before_usd": float(line.before_usd),
                "after_usd": float(line.after_usd),
            }
            for line in told.lines
        ],
        "rules_without_target": list(told.untouched),
    }


def _rule(where: str, given: Any) -> AllocationRule:
    if not isinstance(given, dict) or not {"name", "match", "to", "method"} <= set(given):
        raise BadInput(f"{where}: needs name, match, to and method", next_step=HELP)
    if unknown := set(given) - KEYS:
        raise BadInput(
            f"{where}: unknown key {sorted(unknown)[0]!r}", next_step=f"keys: {', '.join(sorted(KEYS))}"
        )
    if not isinstance(given["match"], dict):
        raise BadInput(f"{where}: match: label -> list of values", next_step="e.g. match: {team: [null]}")
    if given["method"] not in GIVEN_METHODS:
        raise BadInput(f"{where}: method {given['method']!r}; allowed: {', '.join(GIVEN_METHODS)}")
    for dimension in (given["to"], *given["match"]):
        if check_dimension(str(dimension)) in FISCAL:
            raise BadInput(
                f"{where}: {dimension} is no label of a charge",
                next_step="match month, or give since and until",
            )
    if given["to"] not in LABEL_COLUMNS:
        raise BadInput(f"{where}: to {given['to']!r}", next_step=f"one of: {', '.join(LABEL_COLUMNS)}")
    if given.get("driver", "usd") not in DRIVERS:
        raise BadInput(f"{where}: driver {given['driver']!r}", next_step=f"one of: {', '.join(DRIVERS)}")
    try:
        return AllocationRule(
            name=str(given["name"]),
            match={
                k: tuple(
                    None if v is None else str(v) for v in (values if isinstance(values, list) else [values])
                )
                for k, values in given["match"].items()
            },
            to=str(given["to"]),
            method="slices" if given["method"] in BASIS else str(given["method"]),
            slices=_slices(given) if given["method"] in BASIS else {},
            unit=BASIS.get(str(given["method"])),
            driver=str(given.get("driver", "usd")),
            targets=tuple(str(t) for t in given.get("targets") or ()),
            since=_day(given.get("since")),
            until=_day(given.get("until")),
            shares={str(k): Decimal(str(v)) for k, v in (given.get("shares") or {}).items()},
        )
    except (ValueError, TypeError, ArithmeticError) as error:
        raise BadInput(f"{where}: {error}", next_step=HELP) from None


def _day(value: Any) -> date | None:
    """A day as YAML gives it. Raises ValueError for what is none."""
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    return date.fromisoformat(str(value))


def _slices(given: dict[str, Any]) -> dict[str, int]:
    """Who holds how much of a GPU. Raises ValueError for what is no share of one."""
    holders = given.get("holders")
    if not isinstance(holders, dict) or not holders:
        raise ValueError(f"method {given['method']}: holders: who holds what of it")
    if given["method"] == "mig":
        profiles = {
            str(name): [str(p) for p in (held if isinstance(held, list) else [held])]
            for name, held in holders.items()
        }
        return held_mig(profiles, int(given.get("of", MIG_SLICES)))
    if "of" not in given:
        raise ValueError(f"method {given['method']}: of: how many there are in all")
    return held_slices({str(name): int(held) for name, held in holders.items()}, int(given["of"]))
