"""Rates learnt from the ledger's bills: worked out when bills come in, kept beside them, read by plans in no time."""

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.catalog.bill_lines import Recognizer, hours_of_unit
from shoestring.catalog.bill_rates import LearntRate, NotLearnt, PaidRate, learn
from shoestring.catalog.feeds.http import strict_json
from shoestring.catalog.feeds.reply import Reply
from shoestring.catalog.layer import Known, Layer
from shoestring.catalog.load import Catalog
from shoestring.domain.errors import BadInput
from shoestring.domain.offer import Market, PriceKind
from shoestring.domain.price import PricePoint
from shoestring.store.charges_manifest import Manifest, read_manifest

NAME, VERSION = "learnt_rates.json", 1
LOOK_BACK = timedelta(days=120)
MOST_TEXTS, MOST_RATES = 20_000, 50_000  # kinds of lines, and rates of them, that are looked at: the largest
PROVIDER = "coalesce(ServiceProviderName, InvoiceIssuerName, '')"
USAGE = """
from {rows}
where ChargePeriodStart >= $since and ChargeCategory = 'Usage' and ChargeClass is null
  and x_UsdPerUnit is not null and RegionId is not null
"""
# What lines call their hardware: millions of lines, a few names.
TEXTS = """
select {provider} as provider, {text} as text {usage} and {which}
group by all order by count(*) desc limit {most}
"""
# One line for each rate of each kind of line; spot changes all the time, so it is summed up by the day.
LINES = """
select name.provider, RegionId as region, AvailabilityZone as zone, name.kind, x_Market as market,
    coalesce(PricingUnit, ConsumedUnit) as unit,
    case when x_Market = 'spot' then date_trunc('day', ChargePeriodStart) end as day,
    case when x_Market = 'spot' then null else round(cast(coalesce(ContractedUnitPrice * x_UsdPerUnit,
        ContractedCost * x_UsdPerUnit / nullif(coalesce(PricingQuantity, ConsumedQuantity), 0)) as double), 6)
    end as rate,
    cast(sum(EffectiveCost * x_UsdPerUnit) as double) as usd,
    cast(sum(coalesce(PricingQuantity, ConsumedQuantity)) as double) as quantity,
    cast(min(ChargePeriodStart) as date) as first, cast(max(ChargePeriodStart) as date) as last
from (select *, {provider} as sender {usage}) as line
join name on name.sender = line.sender and name.text = {text}
where {which} and not regexp_matches(lower(coalesce(ChargeDescription, '') || ' ' || coalesce(SkuMeter, '')),
      'windows|rhel|red hat|suse')
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

    recognizer, since = Recognizer(catalog), {"since": today - LOOK_BACK}
    usage = USAGE.format(rows=store.rows_sql(parts))
    found: list[PaidRate] = []
    with store.connect() as engine:
        typed = _names(engine, "ResourceType", "ResourceType is not null", usage, since, recognizer, catalog)
        known = ", ".join(literal(text) for text in sorted({text for _, text, _, _ in typed})) or "''"
        other = f"(ResourceType is null or ResourceType not in ({known}))"
        told = _names(engine, "ChargeDescription", other, usage, since, recognizer, catalog)
        for text, names, which in (("ResourceType", typed, "true"), ("ChargeDescription", told, other)):
            if not names:
                continue
            rows = ", ".join(f"({', '.join(map(literal, name))})" for name in names)
            named = f"(values {rows}) as n(sender, text, provider, kind)"
            engine.execute(f"create or replace temp table name as select * from {named}")  # noqa: S608 - quoted
            sql = LINES.format(usage=usage, text=text, which=which, provider=PROVIDER, most=MOST_RATES)
            cursor = engine.execute(sql, since)
            titles = [column[0] for column in cursor.description]
            lines = (dict(zip(titles, row, strict=True)) for row in cursor.fetchall())
            found += [rate for line in lines if (rate := _rate(line)) is not None]
    return found


def _names(
    engine: Any,
    text: str,
    which: str,
    usage: str,
    since: dict[str, date],
    recognizer: Recognizer,
    catalog: Catalog,
) -> list[tuple[str, str, str, str]]:
    """Sender and text of lines, with the provider and the instance type that they mean."""
    sql = TEXTS.format(provider=PROVIDER, text=text, usage=usage, which=f"{which} and {text} is not null",
                       most=MOST_TEXTS)  # fmt: skip
    found = []
    senders: dict[str, str | None] = {}
    for sender, words in engine.execute(sql, since).fetchall():
        if sender not in senders:
            senders[sender] = recognizer.provider(sender)
        provider = senders[sender]
        kind = None if provider is None else _instance(provider, words, recognizer, catalog)
        if provider is not None and kind is not None:
            found.append((sender, words, provider, kind))
    return found


def _instance(provider: str, text: str, recognizer: Recognizer, catalog: Catalog) -> str | None:
    """The catalog's instance type that a text names; a managed service's types are no instance's."""
    if text.startswith("ml."):
        return text if text in catalog.columns["instance_type"] else None
    hardware = recognizer.hardware(provider, text)
    return None if hardware is None else hardware.instance_type


def _rate(line: dict[str, Any]) -> PaidRate | None:
    """A line as hours at a rate; None where it is no time, or was free."""
    hours_each = hours_of_unit(line["unit"])
    if hours_each is None or not line["quantity"] or line["quantity"] <= 0:
        return None
    hours = line["quantity"] * hours_each
    usd = line["usd"] / hours if line["rate"] is None else line["rate"] / hours_each
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


def rates_for_plans(ledger: Path) -> tuple[Layer, tuple[str, ...]]:
    """The rates kept in a ledger's folder as a layer, and what to say if they can't be used."""
    file = ledger / NAME
    nothing = Layer(name="bill", points=())
    if not file.exists():
        return nothing, ()
    again = "Learn them again: shoestring bills rates"
    try:
        found = read_rates(file)
        if found.digest != digest_of(read_manifest(ledger)):
            return nothing, (f"Rates learnt from bills are older than the bills and not used. {again}",)
    except BadInput as error:
        return nothing, (f"Rates learnt from bills are not used: {error}. {again}",)
    return Layer(name="bill", points=tuple(r.point for r in found.rates)), ()


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
