"""Which accelerators a line of a bill paid for, and how long: read out of its texts while it is imported."""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from shoestring.store.bills.aws import SPLIT_METHOD
from shoestring.store.charges_engine import literal

TEXTS = ("ResourceType", "SkuMeter", "SkuPriceDetails", "ChargeDescription")
KINDS = ("Compute", "AI and Machine Learning", "Other")  # of services that rent accelerators out
COLUMNS = ("x_AcceleratorType", "x_AcceleratorCount", "x_AcceleratorSeconds")
FOUND = ("x_kind", "x_chip", "x_place", "x_count")  # columns of the way here
# The hours of these stand beside the hours of the same machine: its disk's bandwidth, a reservation, a license.
BESIDE = ("EBSOptimized", "Reservation:", "Unused", "ommitment", "icense")
UNIT = r"([0-9.]+)?(?:([km])[ /]+)?[ /]*(gpu[ _-]*)?(hours?|hrs?|h|minutes?|seconds?|s)"


@dataclass(frozen=True, kw_only=True)
class HardwareWords:
    """What tells accelerators in the texts of bills.

    Attributes:
        types: instance types in small letters -> accelerator, and how many of it an hour pays for.
        chips: names of accelerators in small letters and digits, with the memory if it is said (`a10080gb`) -> which.
        pattern: regular expression (RE2) of accelerators in texts; its groups are their count, name and memory in GB.
    """

    types: Mapping[str, tuple[str, float]]
    chips: Mapping[str, str]
    pattern: str

    def put(self, engine: Any) -> None:
        """Make the type that words are looked up with: a hash table, and no join that could be turned round."""
        engine.execute(
            f"create type if not exists {self._type} as enum ({', '.join(map(literal, self._meanings))})"
        )

    def layers(self, columns: Collection[str]) -> list[str]:
        """SQL of the columns `FOUND` out of those of a line, each of them out of the ones before; none where no
        column of it could tell."""
        texts = [name for name in TEXTS if name in columns]
        if not texts:
            return []
        said = _together(texts)
        rented = "true"
        if "ServiceCategory" in columns:
            rented = f"coalesce(ServiceCategory, 'Other') in ({', '.join(map(literal, KINDS))})"
        longest_first = sorted(self.types, key=lambda kind: (-len(kind), kind))
        types = literal(f"(?i){'|'.join(map(re.escape, longest_first))}")
        chip = f"regexp_extract({said}, {literal(self.pattern)}, ['count', 'name', 'memory'])"
        named = "x_chip.name || case when x_chip.memory <> '' then x_chip.memory || 'gb' else '' end"
        named = f"translate(lower({named}), ' _.:-', '')"
        # A word that the type does not know costs the engine a thousand times as much as one that it does.
        known = f"list_contains([{', '.join(map(literal, self.chips))}], {named})"
        word = (
            f"case when x_kind <> '' then lower(x_kind) when x_chip.name <> '' and {known} then {named} end"
        )
        return [
            f"case when {rented} then regexp_extract({said}, {types}) end as x_kind",
            f"case when x_kind = '' then {chip} end as x_chip",
            f"enum_code(try_cast({word} as {self._type})) + 1 as x_place",
            f"coalesce(try_cast(nullif(x_chip.count, '') as double), {self._of(1)}) as x_count",
        ]

    def values(self, columns: Collection[str]) -> dict[str, str]:
        """SQL of the columns `COLUMNS` of lines with `FOUND`: what the bill says outright, else what its texts tell."""

        def own(name: str) -> str:
            return f"staged.{name}" if name in columns else "null"

        return {
            "x_AcceleratorType": f"coalesce(nullif({own('x_AcceleratorType')}, ''), {self._of(0)})",
            "x_AcceleratorCount": f"coalesce({own('x_AcceleratorCount')}, x_count)",
            "x_AcceleratorSeconds": f"coalesce({own('x_AcceleratorSeconds')}, {_seconds_sql(columns)})",
        }

    def _of(self, part: int) -> str:
        """SQL of one part of a word's meaning."""
        ends: list[tuple[int, str]] = []  # of runs of words that mean the same
        for place, meaning in enumerate(self._meanings.values(), start=1):
            value = meaning[part]
            sql = literal(value) if isinstance(value, str) else repr(value)
            ends = [*ends[:-1], (place, sql)] if ends and ends[-1][1] == sql else [*ends, (place, sql)]
        return f"case when x_place is not null then {_halved(ends)} end"

    @cached_property
    def _type(self) -> str:
        """The engine's name of the type: of these words, as a connection may have imported with others."""
        return f"hardware_{hashlib.sha256(' '.join(self._meanings).encode()).hexdigest()[:16]}"

    @cached_property
    def _meanings(self) -> dict[str, tuple[str, float]]:
        """Of all words, those that mean the same side by side: an accelerator by itself is one of it."""
        words = {chip: (key, 1.0) for chip, key in self.chips.items()} | dict(self.types)
        return dict(sorted(words.items(), key=lambda word: (*word[1], word[0])))


def _halved(ends: Sequence[tuple[int, str]]) -> str:
    """SQL of the value of the first end at or after `x_place`: a tree of halves, as deep as a search."""
    if len(ends) == 1:
        return ends[0][1]
    half = len(ends) // 2
    return f"case when x_place <= {ends[half - 1][0]} then {_halved(ends[:half])} else {_halved(ends[half:])} end"


def _together(texts: Sequence[str]) -> str:
    """SQL of the texts of a line as one."""
    return texts[0] if len(texts) == 1 else f"concat_ws(' | ', {', '.join(texts)})"


def _seconds_sql(columns: Collection[str]) -> str:
    """SQL of accelerator seconds: hours that were used, none twice; null where no unit is a time."""
    pairs = [(f"{kind}Quantity", f"{kind}Unit") for kind in ("Pricing", "Consumed")]
    hours = [_hours_sql(f"staged.{q}", f"staged.{u}") for q, u in pairs if q in columns and u in columns]
    if not hours:
        return "null"
    used = ["x_count > 0"]
    if "ChargeCategory" in columns:
        used.append("staged.ChargeCategory = 'Usage'")
    if "CommitmentDiscountStatus" in columns:
        used.append("staged.CommitmentDiscountStatus is distinct from 'Unused'")
    if "AllocatedMethodId" in columns:  # the hours of a pod's share are in those of its machine
        used.append(f"staged.AllocatedMethodId is distinct from {literal(SPLIT_METHOD)}")
    texts = [f"staged.{t}" for t in TEXTS if t in columns and t != "SkuPriceDetails"]
    used += [f"not coalesce(contains({text}, {literal(word)}), false)" for text in texts for word in BESIDE]
    return f"case when {' and '.join(used)} then 3600 * coalesce({', '.join(hours)}) end"


def _hours_sql(quantity: str, unit: str) -> str:
    """SQL of accelerator hours; null where the unit is no time.

    ``100 Hours`` of a machine are 100 for each of its accelerators, ``GPU-Hours`` are what they say.
    """
    text = f"lower(trim({unit}))"
    part = [f"regexp_extract({text}, '^{UNIT}$', {group})" for group in range(5)]
    block = f"coalesce(try_cast(nullif({part[1]}, '') as double), 1)"
    thousands = f"case {part[2]} when 'k' then 1e3 when 'm' then 1e6 else 1 end"
    hour = f"case {part[4]}[1] when 'h' then 1 when 'm' then 1 / 60 when 's' then 1 / 3600 end"
    each = f"case when {part[3]} = '' then x_count else 1 end"
    # The usual units come first: looking closer costs more.
    usual = f"when {unit} in ('Hours', 'Hrs', 'hour', 'Hour') then {quantity} * x_count"
    return f"case {usual} else {quantity} * {block} * {thousands} * {hour} * {each} end"
