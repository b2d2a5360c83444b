"""FOCUS out: the ledger's charges as a conformant file of a FOCUS version."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.store.answers import counted_parts
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_engine import engine_errors, explain_engine_error, ident, literal
from shoestring.store.charges_schema import OWN_COLUMNS, STORE_COLUMNS
from shoestring.store.focus.model import REMOVED, columns, columns_of_version

VERSIONS = ("1.2", "1.4")
FORMULA = "[=+@\\t\\r-].*"  # how a text begins that a spreadsheet would run
HIDDEN = ("x_Import", "x_UsdPerUnit")  # how the ledger works, not what was spent

# What a conformant file says where a bill says nothing; never an amount.
FILLED = {
    "ServiceCategory": "coalesce(ServiceCategory, 'Other')",
    "ServiceSubcategory": "coalesce(ServiceSubcategory, 'Other (' || coalesce(ServiceCategory, 'Other') || ')')",
    "ServiceName": "coalesce(ServiceName, ServiceProviderName, InvoiceIssuerName, 'unknown')",
    "ServiceProviderName": "coalesce(ServiceProviderName, InvoiceIssuerName, 'unknown')",
    "HostProviderName": "coalesce(HostProviderName, ServiceProviderName)",
    "InvoiceIssuerName": "coalesce(InvoiceIssuerName, ServiceProviderName, 'unknown')",
    "BillingAccountId": "coalesce(BillingAccountId, 'unknown')",
    "ChargeCategory": "coalesce(ChargeCategory, 'Usage')",
    "ChargeFrequency": """case lower(ChargeFrequency) when 'usage-based' then 'Usage-Based'
        when 'one-time' then 'One-Time' when 'recurring' then 'Recurring'
        else case when coalesce(ChargeCategory, 'Usage') = 'Usage' then 'Usage-Based' else 'One-Time' end end""",
    "ListCost": "coalesce(ListCost, ContractedCost, BilledCost)",
    "ContractedCost": "coalesce(ContractedCost, BilledCost)",
    "PricingCurrency": "coalesce(PricingCurrency, BillingCurrency)",
    "PricingCurrencyEffectiveCost": "coalesce(PricingCurrencyEffectiveCost, EffectiveCost)",
    "BillingAccountType": "coalesce(BillingAccountType, 'Billing Account')",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export wrote. ``unrated``: uses of runs without a price, which are in no FOCUS file."""

    path: Path
    version: str
    rows: int
    columns: tuple[str, ...]
    unrated: int


def export_focus(
    store: ChargeStore, path: Path, *, version: str, since: date | None = None, until: date | None = None
) -> Exported:
    """Write the charges that count as a FOCUS file: CSV, or Parquet if the name ends so.

    Conditional columns that no charge fills are left out, as the specification wants. In CSV a text that a
    spreadsheet would run as a formula gets an apostrophe in front; numbers never do.

    Raises:
        BadInput: a version that is not written here, or a path that can't be written.
    """
    if version not in VERSIONS:
        raise BadInput(f"no FOCUS {version} to write", next_step=f"--version {' or '.join(VERSIONS)}")
    manifest = store.manifest()
    table = store.rows_sql(counted_parts(manifest))
    bounds = [f"ChargePeriodStart >= {literal(since.isoformat())}"] if since is not None else []
    bounds += [f"ChargePeriodStart < {literal(until.isoformat())}"] if until is not None else []
    where = f"where {' and '.join(bounds)}" if bounds else ""
    parquet = path.suffix == ".parquet"
    made = path.with_name(f".{path.name}.part")
    try:
        with store.reading() as engine:
            names = _filled_columns(engine, f"{table} {where}", version)
            body = ", ".join(f"{_shown(n, parquet)} as {ident(n)}" for n in names)
            style = "(format parquet, compression zstd)" if parquet else "(format csv, header)"
            order = "order by ChargePeriodStart, x_Source, ResourceId, x_ChargeId"
            ((rows,),) = engine.execute(
                f"copy (select {body} from (select * from {table} {where} {order})) to {literal(made)} {style}"
            ).fetchall()
        made.replace(path)
    except engine_errors() as error:
        raise explain_engine_error(error, f"{path}") from error
    finally:
        made.unlink(missing_ok=True)
    unrated = sum(d.unrated for d in manifest.deliveries)
    return Exported(path=path, version=version, rows=rows, columns=tuple(names), unrated=unrated)


def _filled_columns(engine: Any, table: str, version: str) -> list[str]:
    """The version's columns that are mandatory, recommended or filled, then ours and the bills' that are filled."""
    own = [c for c in OWN_COLUMNS if c not in HIDDEN]
    described = engine.execute(f"describe select * from {table}").fetchall()
    own += [name for name, *_ in described if name not in STORE_COLUMNS and name.startswith("x_")]
    stored = [*columns(), *own]
    counts = ", ".join(f"count({ident(c)})" for c in stored)
    ((*found,),) = engine.execute(f"select {counts} from {table}").fetchall()
    filled = {name for name, count in zip(stored, found, strict=True) if count}
    wanted = []
    for name in columns_of_version(version):
        model = columns().get(REMOVED.get(name, name))
        if (
            model is not None and (model.level == "Mandatory" or name == "ServiceSubcategory")
        ) or name in filled:
            wanted.append(name)
    return [*wanted, *(c for c in own if c in filled)]


def _shown(name: str, parquet: bool) -> str:
    source = REMOVED.get(name, name)
    sql = FILLED.get(source, ident(source))
    kind = STORE_COLUMNS.get(source, "VARCHAR")  # what bills add is text, or shown as text in CSV
    if parquet:
        return sql
    if kind == "TIMESTAMP":
        return f"strftime({sql}, '%Y-%m-%dT%H:%M:%SZ')"
    if kind == "VARCHAR":
        sql = sql if source in STORE_COLUMNS else f"cast({sql} as varchar)"
        return (
            f"case when regexp_full_match({sql}, {literal(FORMULA)}, 's') then '''' || {sql} else {sql} end"
        )
    return sql
