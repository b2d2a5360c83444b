"""``shoestring bills rates``: what bills taught about prices, and what they did not."""

from rich.table import Table
from rich.text import Text

from shoestring.app.cli._show import console, print_json
from shoestring.domain.text import printable
from shoestring.workflows.bill_rates import BillRates, rates_json


def show_rates(found: BillRates, as_json: bool) -> None:
    """A line for each rate with its evidence, then the hours that taught nothing, with their reason."""
    data = rates_json(found)
    if as_json:
        print_json(data)
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("INSTANCE", overflow="fold")
    table.add_column("WHERE", overflow="fold")
    table.add_column("MARKET")
    for name in ("$/H", "LIST", "OF LIST", "HOURS", "LAST PAID"):
        table.add_column(name, justify="right", no_wrap=True)
    for r in data["rates"]:
        paid, listed = float(r["usd_per_hour"]), r["list_usd"]
        table.add_row(
            printable(r["instance_type"]), printable(r["zone"] or r["region"]), r["market"], f"{paid:.4f}",
            "?" if listed is None else f"{listed:.4f}", "?" if listed is None else f"{paid / listed:.0%}",
            f"{r['hours']:,.0f}", r["last"],
        )  # fmt: skip
    out = console()
    out.print(table)
    if not data["rates"]:
        out.print("No rate was learnt; plans use list prices.")
    for n in data["not_learnt"]:
        out.print(
            Text(f"- {n['hours']:,.1f} h {printable(n['what'])}: {printable(n['why'])}"), soft_wrap=True
        )
