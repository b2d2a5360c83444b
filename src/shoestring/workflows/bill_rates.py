"""Rates learnt from the ledger's bills: worked out when a plan first asks after a bill came, and kept beside them."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.catalog.bill_lines import Recognizer, counts_accelerators, hours_of_unit
from shoestring.catalog.bill_rates import LearntRate, NotLearnt, PaidRate, learn
from shoestring.catalog.feeds.http import strict_json
from shoestring.catalog.feeds.reply import Reply
from shoestring.catalog.layer import Known, Layer
from shoestring.catalog.load import Catalog
from shoestring.domain.errors import BadInput, ShoestringError
from shoestring.domain.offer import Market, PriceKind
from shoestring.domain.price import PricePoint
from shoestring.store.charges_manifest import Manifest, read_manifest

NAME, VERSION = "learnt_rates.json", 1
LOOK_BACK = timedelta(days=120)
MOST_TEXTS, MOST_RATES = 100_000, 50_000  # kinds of lines, and rates of them, that are looked at: the largest
MOST_WORDS = 20_000  # different names among them
PROVIDER = "coalesce(ServiceProviderName, InvoiceIssuerName, '')"
USAGE = """
from {rows}
where ChargePeriodStart >= $since and ChargeCategory = 'Usage' and ChargeClass is null
  and x_UsdPerUnit is not null and RegionId is not null
"""
# What lines call their hardware: millions of lines, a few texts, and fewer names once amounts are taken out.
TEXTS = """
create or replace temp table text as
select {provider} as sender, coalesce(ResourceType, '') as type, coalesce(ChargeDescription, '') as told,
    coalesce(SkuMeter, '') as meter, count(*) as lines,
    regexp_replace(told, '[$][0-9][0-9.,]*', '$', 'g') as bare
{usage} group by sender, type, told, meter order by lines desc limit {most}
"""
WORDS = """
select sender, word from (select sender, unnest([type, bare]) as word, lines from text) where word <> ''
group by all order by sum(lines) desc limit {most}
"""
# The resource type tells before the description does. Licensed systems have another price.
KNOWN = """
create or replace temp table known as
select text.sender, text.type, text.told, text.meter, coalesce(typed.provider, described.provider) as provider,
    coalesce(typed.kind, described.kind) as kind
from text
left join name as typed on typed.sender = text.sender and typed.word = text.type
left join name as described on described.sender = text.sender and described.word = text.bare
where coalesce(typed.kind, described.kind) is not null
  and not regexp_matches(lower(told || ' ' || meter), 'windows|rhel|red hat|suse')
"""
# One line for each rate of each kind of line; spot changes all the time, so it is summed up by the day.
LINES = """
select known.provider, RegionId as region, AvailabilityZone as zone, known.kind, x_Market as market,
    coalesce(PricingUnit, ConsumedUnit) as unit,
    case when x_Market = 'spot' then date_trunc('day', ChargePeriodStart) end as day,
    case when x_Market = 'spot' then null else round(cast(coalesce(ContractedUnitPrice,
        ContractedCost / nullif(coalesce(PricingQuantity, ConsumedQuantity), 0)) as double)
        * cast(x_UsdPerUnit as double), 6) end as rate,
    cast(x_UsdPerUnit as double) as usd_per_unit, cast(sum(EffectiveCost) as double) as amount,
    cast(sum(coalesce(PricingQuantity, ConsumedQuantity)) as double) as quantity,
    cast(min(ChargePeriodStart) as date) as first, cast(max(ChargePeriodStart) as date) as last
from (select *, {provider} as sender {usage}) as line
join known on known.sender = line.sender and known.told = coalesce(line.ChargeDescription, '')
  and known.type = coalesce(line.ResourceType, '') and known.meter = coalesce(line.SkuMeter, '')
group by all order by quantity desc limit {most}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillRates:
    """What bills taught. ``digest``: of the bills; other bills, other rates."""

    rates: tuple[LearntRate, ...] = ()
    skipped: tuple[NotLearnt, ...] = ()
    digest: str = ""


def learn_rates(store: Any, catalog: Catalog, *, today: date) -> BillRates:
    """Work the rates out anew from a charge store's bills, and keep them in its folder for plans."""
    manifest = store.manifest()
    known, parts = Known(catalog), [p for p in manifest.parts if p.kind != "metered"]
    paid = _paid(store, parts, catalog, today) if parts else ()
    rates, skipped = learn(paid, known, today=today)
    found = BillRates(rates=rates, skipped=skipped, digest=digest_of(manifest))
    _write(store.folder / NAME, found)
    return found


def _paid(store: Any, parts: list[Any], catalog: Catalog, today: date) -> list[PaidRate]:
    """Hours and rates of instances that the catalog knows; names first, so that few lines are looked at twice."""
    from shoestring.store.charges_engine import literal

    usage, since = USAGE.format(rows=store.rows_sql(parts)), {"since": today - LOOK_BACK}
    with store.reading() as engine:
        engine.execute(TEXTS.format(provider=PROVIDER, usage=usage, most=MOST_TEXTS), since)
        words = engine.execute(WORDS.format(most=MOST_WORDS)).fetchall()
        names = _names(words, catalog)
        if not names:
            return []
        rows = ", ".join(f"({', '.join(map(literal, name))})" for name in names)
        named = f"(values {rows}) as n(sender, word, provider, kind)"
        engine.execute(f"create or replace temp table name as select * from {named}")  # noqa: S608 - quoted
        engine.execute(KNOWN)
        cursor = engine.execute(LINES.format(usage=usage, provider=PROVIDER, most=MOST_RATES), since)
        titles = [column[0] for column in cursor.description]
        lines = (dict(zip(titles, row, strict=True)) for row in cursor.fetchall())
        return [rate for line in lines if (rate := _rate(line)) is not None]


def _names(words: Iterable[tuple[str, str]], catalog: Catalog) -> list[tuple[str, str, str, str]]:
    """Sender and word of lines, with the provider and the instance type that they mean."""
    recognizer = Recognizer(catalog)
    found = []
    senders: dict[str, str | None] = {}
    for sender, word in words:
        if sender not in senders:
            senders[sender] = recognizer.provider(sender)
        provider = senders[sender]
        kind = None if provider is None else _instance(provider, word, recognizer, catalog)
        if provider is not None and kind is not None:
            found.append((sender, word, provider, kind))
    return found


def _instance(provider: str, text: str, recognizer: Recognizer, catalog: Catalog) -> str | None:
    """The catalog's instance type that a text names; a managed service's types are no instance's."""
    if text.startswith("ml."):
        return text if text in catalog.columns["instance_type"] else None
    hardware = recognizer.hardware(provider, text)
    return None if hardware is None else hardware.instance_type


def _rate(line: dict[str, Any]) -> PaidRate | None:
    """A line as hours at a rate; None where it is no time of a whole machine, or was free."""
    hours_each = hours_of_unit(line["unit"])
    if (
        hours_each is None
        or counts_accelerators(line["unit"])
        or not line["quantity"]
        or line["quantity"] <= 0
    ):
        return None
    hours = line["quantity"] * hours_each
    usd = line["amount"] * line["usd_per_unit"] / hours if line["rate"] is None else line["rate"] / hours_each
    if not usd > 0:
        return None
    managed = line["kind"].startswith("ml.") and line["market"] == "on_demand"
    market = "managed" if managed else str(line["market"] or "unknown")
    return PaidRate(provider=line["provider"], instance_type=line["kind"], region=str(line["region"]),
                    zone=line["zone"] or "", market=market, usd_per_hour=usd, hours=hours, first=line["first"],
                    last=line["last"])  # fmt: skip


def digest_of(manifest: Manifest) -> str:
    """A fingerprint of the bills in a ledger; runs booked since do not change it."""
    files = sorted(p.file for p in manifest.parts if p.kind != "metered")
    return hashlib.sha256("\n".join(files).encode()).hexdigest()[:24]


def rates_for_plans(ledger: Path, catalog: Catalog, *, today: date) -> tuple[Layer, tuple[str, ...]]:
    """The rates that a ledger's bills teach as a layer, and what to say if they can't be used.

    They are kept in the ledger's folder; the first plan after a bill came (or went) learns them anew.
    """
    nothing = Layer(name="bill", points=())
    try:
        manifest = read_manifest(ledger)
        if all(p.kind == "metered" for p in manifest.parts):
            return nothing, ()
        file = ledger / NAME
        found = read_rates(file) if file.exists() else BillRates()
        if found.digest != digest_of(manifest):
            found = _learn_now(ledger, catalog, today)
    except (ShoestringError, OSError) as error:
        again = "Learn them again: shoestring bills rates"
        return nothing, (f"Rates learnt from bills are not used: {error}. {again}",)
    return Layer(name="bill", points=tuple(r.point for r in found.rates)), ()


def _learn_now(ledger: Path, catalog: Catalog, today: date) -> BillRates:
    from shoestring.store.charges import ChargeStore
    from shoestring.store.charges_engine import engine_errors, explain_engine_error

    try:
        return learn_rates(ChargeStore(ledger), catalog, today=today)
    except ShoestringError:  # no engine, for one
        raise
    except engine_errors() as error:
        raise explain_engine_error(error, "learning rates") from error


def _write(file: Path, found: BillRates) -> None:
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as out:
        json.dump({"version": VERSION, "digest": found.digest, **rates_json(found)}, out)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(file)


def read_rates(file: Path) -> BillRates:
    """What :func:`learn_rates` kept. Raises BadInput for a damaged file, or one of another version."""
    try:
        data = strict_json(file.read_bytes(), file.name)
    except OSError as error:
        raise BadInput(f"{file.name}: {error.strerror or error}") from None
    reply = Reply(file.name)
    table = reply.table(data, "the file")
    if table.get("version") != VERSION:
        raise reply.bad("version", table.get("version"), str(VERSION))
    rates = tuple(_read(reply, row) for row in reply.rows(table.get("rates"), "rates"))
    return BillRates(rates=rates, digest=str(table.get("digest")))


def _read(reply: Reply, row: Any) -> LearntRate:
    if row.get("market") not in [str(m) for m in Market]:
        raise reply.bad("market", row.get("market"), "a market")
    try:
        first, last, as_of = (date.fromisoformat(row["first"]), date.fromisoformat(row["last"]),
                              datetime.fromisoformat(row["as_of"]))  # fmt: skip
    except (KeyError, TypeError, ValueError):
        raise reply.bad("dates", row, "days") from None
    hours = row.get("hours")
    if isinstance(hours, bool) or not isinstance(hours, int | Decimal):
        raise reply.bad("hours", hours, "a number")
    return LearntRate(
        point=PricePoint(
            provider=reply.text(row, "provider"),
            instance_type=reply.text(row, "instance_type"),
            region=reply.text(row, "region"),
            zone=reply.text(row, "zone"),
            market=Market(row["market"]),
            usd_per_hour=reply.usd(row.get("usd_per_hour"), "usd_per_hour"),
            as_of=as_of,
            source=reply.text(row, "source"),
            kind=PriceKind.OBSERVED,
        ),
        hours=float(hours),
        first=first,
        last=last,
        list_usd=None if row.get("list_usd") is None else float(row["list_usd"]),
    )


def rates_json(found: BillRates) -> dict[str, Any]:
    """As plain data."""
    return {
        "rates": [_rate_json(r) for r in found.rates],
        "not_learnt": [
            {"what": n.what, "why": n.why, "hours": n.hours} for n in _largest_first(found.skipped)
        ],
    }


def _rate_json(r: LearntRate) -> dict[str, Any]:
    p = r.point
    return {
        "provider": p.provider,
        "instance_type": p.instance_type,
        "region": p.region,
        "zone": p.zone,
        "market": str(p.market),
        "usd_per_hour": str(p.usd_per_hour),
        "list_usd": r.list_usd,
        "hours": round(r.hours, 3),
        "first": r.first.isoformat(),
        "last": r.last.isoformat(),
        "as_of": p.as_of.isoformat(),
        "source": p.source,
    }


def _largest_first(skipped: Iterable[NotLearnt]) -> list[NotLearnt]:
    return sorted(skipped, key=lambda n: (-n.hours, n.what))
