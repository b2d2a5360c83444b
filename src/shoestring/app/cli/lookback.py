"""`shoestring lookback`."""

import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from shoestring.app.cli._show import console, print_json
from shoestring.catalog.load import embedded
from shoestring.domain.text import printable
from shoestring.workflows.accelerator_uses import Range, Use
from shoestring.workflows.lookback import SPOT_KEPT, Lookback, look_back

WAYS = {
    "on_demand": "at on-demand list prices",
    "spot": "on spot, by the deadline policy",
    "committed": "with a commitment for the steady part",
    "elsewhere": "in the provider's cheapest region",
    "another_provider": "on demand at the cheapest other provider of the catalog",
}
CAVEATS = (
    f"spot keeps {SPOT_KEPT[0]:.0%} to {SPOT_KEPT[2]:.0%} (expected {SPOT_KEPT[1]:.0%}) of its discount: measured on "
    "V100 traces of 2023, not on your hardware; your scripts must resume (shoestring rehearse)",
    "a commitment is paid whether it is used or not; the steady part is an average over the month",
    "another region or provider: moving data costs egress, and residency rules may forbid it",
    "another provider: hosts, networks and support differ, and a listed price is not a free machine",
    "each way stands alone: they can't be added up",
)


def command(
    bills: Annotated[list[Path], typer.Argument(help="Bills of any sender that `bills import` reads.")],
    mapping: Annotated[Path | None, typer.Option("--map", help="YAML that describes the columns.")] = None,
    rates: Annotated[Path | None, typer.Option(help="CSV: currency,day,usd_per_unit.")] = None,
    currency: Annotated[str | None, typer.Option(help="Of files that name none.")] = None,
    limit: Annotated[int, typer.Option(help="Lines shown; 0 for all.")] = 15,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """What accelerators cost you, and what the same hours would have cost otherwise. Books nothing."""
    with Progress(transient=True, disable=as_json or not sys.stderr.isatty()) as bar:
        task = bar.add_task("reading", total=100.0)
        found = look_back(
            bills,
            embedded(),
            now=datetime.now(UTC),
            mapping=mapping,
            rates=rates,
            currency=currency,
            progress=lambda doing, percent: bar.update(task, description=doing, completed=percent),
        )
    if as_json:
        print_json(_json(found))
    else:
        _show(found, limit)


def _json(found: Lookback) -> dict[str, Any]:
    totals = {way: _total_json(found.total(way)) for way in WAYS}
    return {
        "files": list(found.files),
        "billed_usd": found.billed_usd,
        "accelerator_usd": found.accelerator_usd,
        "uses": [asdict(use) | {"month": use.month.isoformat()} for use in found.uses],
        "totals": totals,
        "unpriced_usd": found.unpriced_usd,
        "unrated_lines": found.unrated,
        "quarantined_rows": found.quarantined,
        "caveats": list(CAVEATS),
    }


def _total_json(total: tuple[float, Range] | None) -> dict[str, Any] | None:
    if total is None:
        return None
    paid, would = total
    return {"paid_usd": paid, "would_usd": asdict(would), "saving_usd": paid - would.mid}


def _show(found: Lookback, limit: int) -> None:
    out = console()
    share = found.accelerator_usd / found.billed_usd if found.billed_usd else 0.0
    out.print(
        Text(
            f"{found.accelerator_usd:,.2f} $ of {found.billed_usd:,.2f} $ ({share:.0%}) paid for accelerators",
            "bold",
        )
    )
    _show_totals(found)
    _show_uses(found, limit)
    for why, usd in sorted(found.unpriced_usd.items(), key=lambda item: -item[1]):
        out.print(Text(f"  not priced again: {usd:,.2f} $ ({printable(why)})", "yellow"))
    if found.unrated:
        out.print(Text(f"  {found.unrated:,} lines in a currency without a rate; give --rates", "yellow"))
    if found.quarantined:
        out.print(Text(f"  {found.quarantined:,} rows could not be read", "yellow"))
    for caveat in CAVEATS:
        out.print(Text(f"  {caveat}", "dim"))


def _show_uses(found: Lookback, limit: int) -> None:
    if not found.uses:
        return
    out = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("WHAT")
    table.add_column("WHERE")
    for name in ("MONTH", "HOURS", "PAID", "$/H", "LISTED", "SPOT", "OTHERS", "PRICED"):
        table.add_column(name, justify="right", no_wrap=True)
    shown = found.uses if limit == 0 else found.uses[:limit]
    for use in shown:
        table.add_row(*_cells(use))
    out.print(table)
    if len(shown) < len(found.uses):
        out.print(Text(f"  and {len(found.uses) - len(shown)} more; --limit 0 shows all", "dim"))


def _show_totals(found: Lookback) -> None:
    out = console()
    for way, told in WAYS.items():
        total = found.total(way)
        if total is None:
            continue
        paid, would = total
        change = would.mid / paid - 1 if paid else 0.0
        span = "" if would.low == would.high else f" (between {would.low:,.2f} and {would.high:,.2f})"
        out.print(Text(f"  {told}: {would.mid:,.2f} $ instead of {paid:,.2f} $, {change:+.0%}{span}"))


def _cells(use: Use) -> tuple[str, ...]:
    name = use.hardware.instance_type or use.hardware.accelerator
    return (
        printable(f"{name} ({use.hardware.count:g} {use.hardware.accelerator})"),
        printable(f"{use.provider} {use.region} {use.market}"),
        f"{use.month:%Y-%m}",
        f"{use.hours:,.1f}",
        f"{use.paid_usd:,.2f}",
        f"{use.paid_usd / use.hours:,.2f}" if use.hours else "?",
        "?" if use.on_demand is None else f"{use.on_demand.mid:,.2f}",
        "-" if use.spot is None else f"{use.spot.mid:,.2f}",
        _other(use),
        "?" if use.gap_days is None else f"±{use.gap_days} d",
    )


def _other(use: Use) -> str:
    if use.another_provider is None:
        return "-"
    return f"{use.another_provider.mid:,.2f} ({printable(use.another_provider_region or '')})"
