"""`shoestring receipt`."""

from decimal import Decimal
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from shoestring.app.cli._ledger import open_ledger
from shoestring.app.cli._levers import show_verdict
from shoestring.app.cli._show import STATE_STYLE, console, print_json, usd
from shoestring.app.site import find_site
from shoestring.app.wiring import open_doors
from shoestring.domain.text import printable
from shoestring.domain.units import describe_duration
from shoestring.domain.usage import CostPart
from shoestring.ledger.receipt import AttemptLine, Cost, Receipt
from shoestring.ledger.side_by_side import stays_of
from shoestring.store.charges_stays import booked_stays
from shoestring.workflows.levers import verdict_json, verdict_of
from shoestring.workflows.receipt import receipt_json, receipt_of, shared_machine, with_bill

BAR_WIDTH = 48
PARTS = {
    CostPart.COMPUTE: ("compute", "green", "steps that count"),
    CostPart.CHECKPOINT: ("checkpoint", "cyan", "saves and restores while training stood still"),
    CostPart.IDLE: ("idle", "yellow", "boot, gaps, tail, rounding"),
    CostPart.LOST_WORK: ("lost work", "red", "steps done again"),
    CostPart.STORAGE: ("storage", "blue", "checkpoints kept"),
    CostPart.EGRESS: ("egress", "magenta", "checkpoints fetched from another region"),
}


def command(
    run: Annotated[
        str | None, typer.Argument(help="Run id or its beginning; default: the newest run.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """What a run cost, why, and what it saved against a named baseline."""
    site = find_site(run)
    doors = open_doors(site)
    paid = receipt_of(doors.journal, site.run_id, now=doors.clock.now(), prices=doors.data_prices)
    ledger = open_ledger(None)
    machines = {stay.machine for stay in stays_of(paid.usage)}
    if neighbors := [s for s in booked_stays(ledger, machines) if s.run_id != site.run_id]:
        paid = receipt_of(
            doors.journal, site.run_id, now=doors.clock.now(), prices=doors.data_prices, neighbors=neighbors
        )
    paid = with_bill(paid, ledger.manifest())
    lever = verdict_of(ledger, site.run_id)
    if as_json:
        print_json(receipt_json(paid) | {"lever": None if lever is None else verdict_json(lever)})
        return
    show(paid, console())
    if lever is not None:
        console().print(Text("  by a data or model lever, on no bill and beside the saving above:", "bold"))
        show_verdict(lever, console())


def show(paid: Receipt, out: Console) -> None:
    """The receipt for people: the total, where it went, every attempt and move, what it is compared with."""
    _head(paid, out)
    _cost(paid.cost, out)
    if paid.billed_usd is not None:
        out.print(Text(f"  the provider's bill for the compute says {usd(_float(paid.billed_usd))}", "bold"))
    if (shared := shared_machine(paid)) is not None:
        told = (
            f"  {shared.fraction:.0%} of {shared.machine} is its own: others ran beside it ({shared.basis})"
        )
        out.print(Text(printable(told), "dim"))
    if paid.unrated:
        kinds = ", ".join(sorted({u.kind.value for u in paid.unrated}))
        out.print(
            Text(f"  {len(paid.unrated)} uses without a known price ({kinds}) are in no sum", style="red")
        )
    out.print(_attempts(paid))
    for move in paid.moves:
        out.print(
            Text(f"  move {move.at:%m-%d %H:%M}  {move.from_place} -> {move.to_place}: "),
            Text(printable(move.reason.text), "dim"),
            sep="",
        )
    _saving(paid, out)
    _foot(paid, out)


def _head(paid: Receipt, out: Console) -> None:
    state = f"{paid.state.value.upper()}{f' ({printable(paid.cause)})' if paid.cause else ''}"
    out.print(
        Text(f"{paid.basis} ", "bold"),
        Text(f"receipt of {printable(paid.run_id)} ({printable(paid.name)})  "),
        Text(state, STATE_STYLE.get(paid.state.value, "")),
        sep="",
    )
    labels = "  ".join(f"{printable(k)}={printable(v)}" for k, v in sorted(paid.labels.items()))
    if labels:
        out.print(Text(f"  {labels}", "dim"))
    if paid.deadline is not None:
        left = describe_duration((paid.deadline - paid.until).total_seconds())
        told = {True: f"in time, {left} before the deadline", False: "late", None: f"{left} to the deadline"}
        out.print(Text(f"  {told[paid.in_time]}", "red" if paid.in_time is False else "green"))
    if paid.lateness is not None:
        over = describe_duration(paid.lateness.late_s)
        out.print(Text(f"  by {over}, owed to: {paid.lateness.cause} ({paid.lateness.text})", "red"))


def _cost(cost: Cost, out: Console) -> None:
    out.print()
    total = (
        usd(_float(cost.total_usd))
        if cost.total_usd is not None
        else f"at least {usd(_float(cost.rated_usd))}"
    )
    out.print(Text(f"  {total}", "bold"))
    out.print(Text("  ") + bar(cost))
    for part, (name, style, meaning) in PARTS.items():
        amount = cost.parts[part]
        share = f"{amount / cost.rated_usd:7.1%}" if amount is not None and cost.rated_usd else " " * 7
        out.print(
            Text("  █ ", style),
            Text(f"{name:<11}{usd(_float(amount)):>12}{share}  "),
            Text(meaning, "dim"),
            sep="",
        )
    out.print()


def bar(cost: Cost, width: int = BAR_WIDTH) -> Text:
    """The parts of a cost as one bar; widths by largest remainder, so that they always fill it."""
    known = {p: cost.parts[p] or Decimal(0) for p in PARTS}
    total = sum(known.values(), Decimal(0))
    if total == 0:
        return Text("·" * width, "dim")
    exact = {p: amount / total * width for p, amount in known.items()}
    cells = {p: int(x) for p, x in exact.items()}
    rest = sorted(PARTS, key=lambda p: exact[p] - cells[p], reverse=True)[: width - sum(cells.values())]
    text = Text()
    for part in PARTS:
        text.append("█" * (cells[part] + (part in rest)), PARTS[part][1])
    return text


def _attempts(paid: Receipt) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("")
    for name in ("#", "WHERE", "MARKET"):
        table.add_column(name)
    for name in ("HELD", "STEPS", "LOST", "$/h", "COST"):
        table.add_column(name, justify="right")
    table.add_column("END")
    for line in paid.attempts:
        table.add_row("", *_attempt(line, paid))
    return table


def _attempt(line: AttemptLine, paid: Receipt) -> tuple[str, ...]:
    attempt, end = line.attempt, line.attempt.observation.exit
    held = None
    if line.launched_at is not None:
        held = ((line.ended_at or paid.until) - line.launched_at).total_seconds()
    low, high = line.price_low_usd_per_hour, line.price_high_usd_per_hour
    price = "?" if low is None or high is None else f"{low:.3f}" if low == high else f"{low:.3f}-{high:.3f}"
    steps = "" if line.step_from is None else f"{line.step_from}-{line.step_to}"
    lost = 0
    if line.kept_step is not None and line.step_to is not None and line.step_from is not None:
        lost = max(0, line.step_to - max(line.kept_step, line.step_from))
    return (
        str(attempt.number),
        printable(attempt.offer.place),
        attempt.offer.market.value.replace("_", "-"),
        "never billed" if held is None else describe_duration(held),
        steps,
        str(lost) if lost else "",
        price,
        usd(_float(line.cost.total_usd)),
        "running" if end is None else end.kind.value.replace("_", " "),
    )


def _saving(paid: Receipt, out: Console) -> None:
    out.print()
    for baseline in paid.baselines:
        name = baseline.name.replace("_", " ")
        cost = usd(_float(baseline.cost_usd))
        out.print(Text(f"  {name:<12}{cost:>12}  "), Text(printable(baseline.method), "dim"), sep="")
    saving, chosen = paid.saving, paid.baseline
    if chosen is None:
        out.print(Text("  no baseline was frozen before this run, so no saving is claimed", "dim"))
    elif saving.usd is None:
        out.print(Text("  saving      unknown", "bold"), Text(_why_unknown(paid), "dim"), sep="")
    else:
        share = "" if saving.fraction is None else f" ({saving.fraction:.0%})"
        bounds = f"  between {usd(_float(saving.low_usd))} and {usd(_float(saving.high_usd))}"
        out.print(
            Text(
                f"  saved {usd(_float(saving.usd))}{share}", "bold green" if saving.usd >= 0 else "bold red"
            ),
            Text(f" against {chosen.name.replace('_', ' ')};{bounds}", "dim"),
            sep="",
        )


def _why_unknown(paid: Receipt) -> str:
    if paid.state.value != "succeeded":
        return f"  the run is {paid.state.value}; only a finished job can be compared"
    if paid.cost.total_usd is None:
        return "  some use has no known price"
    return "  no baseline has a known cost"


def _foot(paid: Receipt, out: Console) -> None:
    energy = paid.energy
    notes = [
        "goodput unknown" if paid.goodput is None else f"goodput {paid.goodput:.1%}",
        f"{paid.preemptions} preemption{'s' * (paid.preemptions != 1)}",
        f"{len(paid.moves)} move{'s' * (len(paid.moves) != 1)}",
    ]
    if paid.refused_launches:
        notes.append(f"{paid.refused_launches} refused launches (free)")
    if energy.kwh is None:
        notes.append("energy not metered")
    else:
        reach = "" if energy.covered is None else f" over {energy.covered:.0%} of the time"
        notes.append(f"{energy.kwh:.4g} kWh ({energy.kind}{reach})")
    out.print(Text("  " + ", ".join(notes)))
    if paid.state.value == "suspended":
        out.print(
            Text(f"  its checkpoints go on costing {usd(_float(paid.storage_usd_per_day))} a day", "yellow")
        )
    for source in paid.price_sources:
        age = describe_duration(source.age_max.total_seconds())
        line = (
            f"  prices: {printable(source.source)} ({source.kind}), as of {source.as_of_last:%Y-%m-%d %H:%M}"
        )
        out.print(Text(f"{line}, at most {age} old when used", "dim"))


def _float(amount: Decimal | None) -> float | None:
    return None if amount is None else float(amount)
