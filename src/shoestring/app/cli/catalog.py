"""``shoestring catalog``."""

import json
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from shoestring.app.config import Settings, load_settings
from shoestring.app.planning import catalog_in_use, prices_in_use
from shoestring.catalog.history import history
from shoestring.catalog.layer import layers_used
from shoestring.catalog.load import Catalog, embedded
from shoestring.domain.errors import BadInput
from shoestring.workflows.catalog import Filter, difference, hardware, listing, summary
from shoestring.workflows.compare import MARKETS, compare


def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            help="Nothing, or: refresh [PROVIDER...] | compare NAME... | diff [SHEET|now] SHEET|now | "
            "history TYPE REGION."
        ),
    ] = None,
    accelerator: Annotated[str | None, typer.Option("--accelerator", help="As in a job file: H100.")] = None,
    provider: Annotated[str | None, typer.Option("--provider", help="aws, gcp, azure, lambda ...")] = None,
    region: Annotated[str | None, typer.Option("--region", help="One region.")] = None,
    market: Annotated[str | None, typer.Option("--market", help="on_demand, spot, reserved_1y ...")] = None,
    sort: Annotated[
        str, typer.Option("--sort", help="price, price_per_accelerator, age, provider.")
    ] = "price",
    limit: Annotated[int, typer.Option("--limit", min=1, help="Rows shown; --json shows all.")] = 30,
    show_hardware: Annotated[
        bool, typer.Option("--hardware", help="Accelerators instead of offers.")
    ] = False,
    prices: Annotated[Path | None, typer.Option("--prices", help="Price sheet: YAML or CSV.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List, filter and sort prices and hardware, with ages and sources; compare price sheets."""
    if words and words[0] == "history" and len(words) == 3:
        changes = history(words[1], words[2])
        rows = [{**asdict(price), "since": price.since.isoformat()} for price in changes]
        _print(rows, as_json, HISTORY, limit=1000)
        return
    if words and words[0] == "refresh":
        from shoestring.app.cli._refresh import refresh_command

        refresh_command(words[1:], region=region, accelerator=accelerator, as_json=as_json)
        return
    if words and words[0] == "compare":
        _compare(words[1:], provider, region, load_settings({"prices": prices}), as_json=as_json)
        return
    if words:
        _diff(words, as_json=as_json)
        return
    catalog, notes = prices_in_use(load_settings({"prices": prices}))
    if show_hardware:
        _print(hardware(catalog), as_json, HARDWARE, limit=1000)
        return
    wanted = Filter(accelerator=accelerator, provider=provider, region=region, market=market)
    rows = listing(catalog, wanted, sort=sort, today=datetime.now(UTC).date())
    if as_json:
        layers = [asdict(layer) for layer in layers_used(catalog)]
        print(
            json.dumps(
                {"summary": summary(catalog), "prices": layers, "offers": rows, "notes": notes}, indent=2
            )
        )
        return
    _print(rows, False, OFFERS, limit=limit)
    for note in notes:
        print(f"note: {note}")


OFFERS = (("OFFER", "offer_id"), ("WHAT", "accelerator"), ("N", "count"), ("$/H", "price_usd_per_hour"),
          ("EACH", "usd_per_accelerator_hour"), ("DAYS", "age_days"), ("KIND", "kind"), ("FROM", "layer"),
          ("FLAGS", "flags"))  # fmt: skip
HARDWARE = (("NAME", "name"), ("BACKEND", "backend"), ("GIB", "memory_gib"), ("GB/S", "bandwidth_gb_s"),
            ("BF16 TFLOP/S", "bf16_tflops"), ("FP16", "fp16_tflops"), ("W", "tdp_w"))  # fmt: skip
HISTORY = (("SINCE", "since"), ("ON DEMAND $/H", "on_demand_usd_per_hour"), ("SPOT $/H", "spot_usd_per_hour"),
           ("SOURCE", "source"))  # fmt: skip
COMPARED = (("WHAT", "accelerator"), ("GIB", "memory_gib"), ("GB/S", "bandwidth_gb_s"),
            ("BF16 TFLOP/S", "bf16_tflops"), ("W", "tdp_w"), ("ON DEMAND", "on_demand"), ("SPOT", "spot"),
            ("1 YEAR", "reserved_1y"), ("$/PFLOP/S H", "usd_per_bf16_pflops_hour"))  # fmt: skip
CHANGES = (
    ("OFFER", "offer_id"),
    ("BEFORE $/H", "before_usd"),
    ("AFTER $/H", "after_usd"),
    ("CHANGE", "change"),
)


def _compare(
    names: list[str], provider: str | None, region: str | None, settings: Settings, *, as_json: bool
) -> None:
    """Accelerators side by side."""
    catalog, notes = prices_in_use(settings)
    found = compare(catalog, names, today=datetime.now(UTC).date(), provider=provider, region=region)
    if as_json:
        print(json.dumps({"accelerators": found, "notes": notes}, indent=2))
        return
    rows = [row | {market: _cheapest(row[market]) for market in MARKETS} for row in found]
    _print(rows, False, COMPARED, limit=1000)
    for note in ("$ of one device at the lowest sound price, with who sells it and the price's age", *notes):
        print(f"note: {note}")


def _cheapest(price: dict[str, Any] | None) -> str | None:
    if price is None:
        return None
    return f"{price['usd_per_device_hour']:.4g} {price['offer_id'].split('/')[0]} {price['age_days']}d"


def _diff(words: list[str], *, as_json: bool) -> None:
    """One sheet against the embedded catalog, or two against each other; ``now``: what plans use now."""
    if words[0] != "diff" or len(words) not in (2, 3):
        raise BadInput(
            f"{' '.join(words)!r}: not understood",
            next_step="refresh, compare H100 A100, diff [SHEET] SHEET, or history TYPE REGION",
        )
    sides = [_side(word) for word in words[1:]]
    before = sides[0] if len(sides) == 2 else embedded()
    _print(difference(before, sides[-1]), as_json, CHANGES, limit=1000)


def _side(word: str) -> Catalog:
    if word == "now" and not Path(word).exists():
        return prices_in_use(load_settings())[0]
    return catalog_in_use(Path(word))


def _print(
    rows: list[dict[str, Any]], as_json: bool, columns: tuple[tuple[str, str], ...], *, limit: int
) -> None:
    if as_json:
        print(json.dumps(rows, indent=2))
        return
    from rich.table import Table

    from shoestring.app.cli._show import console

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title, _ in columns:
        table.add_column(title, overflow="fold")
    for row in rows[:limit]:
        table.add_row(*(_cell(row[key]) for _, key in columns))
    console().print(table)
    if len(rows) > limit:
        console().print(f"... and {len(rows) - limit} more: --limit, or --json")


def _cell(value: Any) -> str:
    if value is None:
        return "?"
    if isinstance(value, list):
        return " ".join(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
