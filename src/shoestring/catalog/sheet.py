"""A user's price sheet, YAML or CSV: prices and discounts, each checked; a doubt refuses the whole sheet."""

import csv
import io
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from shoestring.domain.errors import BadInput, NotFound
from shoestring.domain.offer import Market
from shoestring.domain.text import printable

MAX_BYTES, MAX_ROWS = 2_000_000, 20_000
HIGHEST_USD = Decimal(5000)  # $/h of one instance; the dearest in the catalog costs a fifth of it
_USD = re.compile(r"\$?(\d{1,7}(?:\.\d{1,8})?)(?: ?USD)?", re.IGNORECASE | re.ASCII)
_PRICE_KEYS = {"provider", "instance_type", "region", "zone", "market", "usd_per_hour", "sure"}
_DISCOUNT_KEYS = {"provider", "accelerator", "instance_type", "region", "market", "percent"}
_SHEET_KEYS = {"currency", "as_of", "source", "prices", "discounts"}
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/-]{0,79}\*?", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetPrice:
    """One price of the sheet. ``sure``: the user knows that it is far from the list price."""

    where: str
    provider: str
    instance_type: str
    region: str
    zone: str
    market: str
    usd_per_hour: Decimal
    sure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Discount:
    """Percent off list prices; a field that is None fits all, ``us-*`` a beginning."""

    where: str
    percent: Decimal
    provider: str
    accelerator: str | None = None
    instance_type: str | None = None
    region: str | None = None
    market: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A whole price sheet; amounts are US dollars without tax."""

    source: str
    as_of: date
    prices: tuple[SheetPrice, ...] = ()
    discounts: tuple[Discount, ...] = ()


def read_sheet(path: Path, *, today: date) -> Sheet:
    """Read a sheet; ``.csv`` by its name, else YAML.

    Raises:
        BadInput: says which row is wrong, the value found, and what is allowed. NotFound: no such file.
    """
    try:
        packed = path.read_bytes()
    except FileNotFoundError:
        raise NotFound(f"price sheet {path}: there is no such file") from None
    except OSError as error:
        raise BadInput(f"price sheet {path}: {error.strerror or error}") from None
    if len(packed) > MAX_BYTES:
        raise BadInput(f"price sheet {path}: {len(packed)} bytes; at most {MAX_BYTES}")
    try:
        text = packed.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadInput(f"price sheet {path}: not UTF-8: {error.reason}") from None
    data = _csv(text, str(path)) if path.suffix.lower() == ".csv" else _yaml(text, str(path))
    return _Reader(str(path), today).sheet(data)


def _yaml(text: str, name: str) -> Any:
    if re.search(r"(^|[\s,\[{:-])[&*]\w", text) and re.search(r"(^|[\s\[{,-])&\w", text):
        raise BadInput(f"price sheet {name}: anchors are not allowed", next_step="write each row out")
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a SafeLoader that refuses repeated keys
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BadInput(f"price sheet {name}: not YAML: {printable(str(error), limit=300)}") from None


class _StrictLoader(yaml.SafeLoader):
    """Safe YAML in which a key may stand only once: of two prices one would win silently."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        repeated = next((k for k in keys if keys.count(k) > 1), None) if len(keys) < 50 else "?"
        if repeated is not None:
            raise yaml.YAMLError(f"key {repeated!r} stands twice (line {node.start_mark.line + 1})")
        return super().construct_mapping(node, deep)


def _csv(text: str, name: str) -> dict[str, Any]:
    """Rows of prices; ``currency``, ``as_of`` and ``source`` are columns that hold one value."""
    try:
        rows = list(csv.DictReader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        raise BadInput(f"price sheet {name}: not CSV: {error}") from None
    if any(None in row or None in row.values() for row in rows):
        raise BadInput(f"price sheet {name}: a row has more or fewer cells than the header")
    sheet: dict[str, Any] = {}
    for key in ("currency", "as_of", "source"):
        values = {row.pop(key) for row in rows if key in row}
        if len(values) > 1:
            raise BadInput(f"price sheet {name}: column {key} holds {len(values)} values; one is allowed")
        if values:
            sheet[key] = values.pop()
    sheet["prices"] = [{k: v for k, v in row.items() if v != ""} for row in rows]
    return sheet


class _Reader:
    """Checks one sheet; every refusal says where."""

    def __init__(self, name: str, today: date) -> None:
        self.name, self.today = name, today

    def sheet(self, data: Any) -> Sheet:
        if not isinstance(data, dict):
            raise self.bad("", f"expected keys and values, found {_shown(data)}", "prices: [...]")
        self.known("", data, _SHEET_KEYS)
        currency = data.get("currency")
        if currency != "USD":
            raise self.bad("currency", f"{_shown(currency)} given", "currency: USD (convert first)")
        prices = tuple(self.price(f"prices[{i}]", row) for i, row in enumerate(self.rows(data, "prices")))
        discounts = tuple(
            self.discount(f"discounts[{i}]", row) for i, row in enumerate(self.rows(data, "discounts"))
        )
        if not prices and not discounts:
            raise self.bad("", "holds no price and no discount", "prices: [...] or discounts: [...]")
        seen: dict[tuple[str, ...], str] = {}
        for p in prices:
            key = (p.provider, p.instance_type, p.region, p.zone, p.market)
            if key in seen:
                raise self.bad(p.where, f"the same offer as {seen[key]}", "one price for each offer")
            seen[key] = p.where
        source = self.text("", data, "source") if "source" in data else self.name
        return Sheet(source=source, as_of=self.day(data), prices=prices, discounts=discounts)

    def bad(self, where: str, what: str, allowed: str) -> BadInput:
        return BadInput(
            f"price sheet {self.name}: {where + ': ' if where else ''}{what}", next_step=f"allowed: {allowed}"
        )

    def known(self, where: str, row: Mapping[Any, Any], keys: set[str]) -> None:
        for key in row:
            if key not in keys:
                raise self.bad(where, f"unknown key {_shown(key)}", ", ".join(sorted(keys)))

    def rows(self, data: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
        rows = data.get(key, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise self.bad(key, "is no list of rows", f"{key}: [{{provider: ..., ...}}]")
        if len(rows) > MAX_ROWS:
            raise self.bad(key, f"{len(rows)} rows", f"at most {MAX_ROWS}")
        return rows

    def price(self, where: str, row: Mapping[str, Any]) -> SheetPrice:
        self.known(where, row, _PRICE_KEYS)
        sure = row.get("sure", False)
        if sure not in (True, False, "true", "false"):
            raise self.bad(where, f"sure: {_shown(sure)}", "sure: true")
        return SheetPrice(
            where=where,
            provider=self.text(where, row, "provider"),
            instance_type=self.text(where, row, "instance_type"),
            region=self.text(where, row, "region"),
            zone=self.text(where, row, "zone") if "zone" in row else "",
            market=self.market(where, row),
            usd_per_hour=self.usd(where, row.get("usd_per_hour")),
            sure=sure in (True, "true"),
        )

    def discount(self, where: str, row: Mapping[str, Any]) -> Discount:
        self.known(where, row, _DISCOUNT_KEYS)
        percent = row.get("percent")
        if isinstance(percent, bool) or not isinstance(percent, int | float) or not math.isfinite(percent):
            raise self.bad(where, f"percent: {_shown(percent)}", "a number above 0 and at most 90")
        if not 0 < percent <= 90:
            raise self.bad(where, f"percent: {percent:g}", "above 0 and at most 90")
        names = ("accelerator", "instance_type", "region")
        given = {key: self.text(where, row, key) for key in names if key in row}
        market = self.market(where, row) if "market" in row else None
        return Discount(
            where=where,
            percent=Decimal(str(percent)),
            provider=self.text(where, row, "provider"),
            market=market,
            **given,
        )

    def text(self, where: str, row: Mapping[str, Any], key: str) -> str:
        value = row.get(key)
        if not isinstance(value, str) or not _WORD.fullmatch(value) or value != value.strip():
            raise self.bad(where, f"{key}: {_shown(value)}", "letters, digits and . _ / -, 80 at most")
        return value

    def market(self, where: str, row: Mapping[str, Any]) -> str:
        value = row.get("market", "on_demand")
        allowed = [str(m) for m in Market if not m.ours]
        if value not in allowed:
            raise self.bad(where, f"market: {_shown(value)}", ", ".join(allowed))
        return str(value)

    def usd(self, where: str, value: Any) -> Decimal:
        match = None if isinstance(value, bool) else _USD.fullmatch(str(value).strip())
        if match is None:
            raise self.bad(where, f"usd_per_hour: {_shown(value)}", "dollars with a point, e.g. 12.50")
        amount = Decimal(match[1])
        if not 0 < amount <= HIGHEST_USD:
            raise self.bad(where, f"usd_per_hour: {amount}", f"above 0 and at most {HIGHEST_USD}")
        return amount

    def day(self, data: Mapping[str, Any]) -> date:
        value = data.get("as_of")
        wrong = self.bad("as_of", f"{_shown(value)} is no date", "as_of: 2026-01-31")
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", str(value), re.ASCII):
            raise wrong
        try:
            found = date.fromisoformat(str(value))
        except ValueError:
            raise wrong from None
        if not date(2015, 1, 1) <= found <= self.today + timedelta(days=1):
            raise self.bad("as_of", f"{found} can't be", "a day from 2015 to today")
        return found


def _shown(value: Any) -> str:
    return printable(repr(value), limit=60)
