"""`shoestring savings record|undo`: what is said of a data or model lever, and what became of it."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from rich.console import Console
from rich.text import Text

from shoestring.app.cli._ledger import booked_ledger
from shoestring.app.cli._show import console, print_json
from shoestring.app.place import user_name
from shoestring.domain.errors import BadInput
from shoestring.domain.lever import LeverVerdict
from shoestring.domain.text import printable
from shoestring.domain.units import parse_usd
from shoestring.ledger.levers import lever_sum
from shoestring.workflows.levers import Claim, record_lever, undo_lever, verdict_json


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """The options of ``record`` as they were given; None where they were not."""

    run: str | None
    lever: str | None
    what: str | None
    against: str | None
    metric: str | None
    tolerance: float
    reference_quality: float | None
    source: str
    dollars: str | None
    spent: str
    why: str


def tell_record(ledger: Path | None, said: Said, *, as_json: bool) -> None:
    """Record a verdict and show it."""
    from shoestring.app.book_runs import all_receipts

    needed = {
        "--run": said.run, "--lever": said.lever, "--what": said.what,
        "--against": said.against, "--quality-metric": said.metric,
    }  # fmt: skip
    lacking = [option for option, value in needed.items() if value is None]
    if (
        said.run is None
        or said.lever is None
        or said.what is None
        or said.against is None
        or said.metric is None
    ):
        raise BadInput(
            f"a verdict needs {', '.join(lacking)}",
            next_step="shoestring savings record --run RUN --lever data --what '60 % of the examples' "
            "--against RUN --quality-metric accuracy --why 'pruning trial'",
        )
    claim = Claim(
        run_id=said.run,
        kind=said.lever,
        what=said.what,
        against=said.against,
        metric=said.metric,
        tolerance=said.tolerance,
        reference_quality=said.reference_quality,
        source=said.source,
        range_usd=None if said.dollars is None else _range(said.dollars),
        spent_usd=_usd(said.spent, "--spent"),
        why=said.why,
    )
    store = booked_ledger(ledger)
    verdict = record_lever(store, all_receipts(), claim, now=datetime.now(UTC), user=user_name())
    if as_json:
        print_json(verdict_json(verdict) | {"authenticated": False})
        return
    show_verdict(verdict, console())
    console().print(Text(f"  recorded: {user_name()}, not authenticated; savings undo takes it back", "dim"))


def tell_undo(ledger: Path | None, run_id: str | None, *, why: str, as_json: bool) -> None:
    """Withdraw a run's verdict."""
    if run_id is None:
        raise BadInput("undo whose verdict?", next_step="shoestring savings undo RUN")
    store = booked_ledger(ledger)
    verdict = undo_lever(store, run_id, why=why, now=datetime.now(UTC), user=user_name())
    told = f"{verdict.run_id}: its verdict ({verdict.usd:,.2f} $) is in force no more"
    if as_json:
        print_json({"done": told, "by": user_name(), "authenticated": False})
    else:
        console().print(Text(printable(told)))


def show_levers(levers: tuple[LeverVerdict, ...], out: Console) -> None:
    """Their sum and each of them."""
    if not levers:
        return
    total = lever_sum(levers)
    out.print(
        Text(
            f"  data and model levers: {total.usd:,.2f} $, between {total.low_usd:,.2f} and "
            f"{total.high_usd:,.2f} $, by {total.verdicts} verdict{'s' * (total.verdicts != 1)}; "
            "not added to the baselines', which may hold the same hours"
        )
    )
    for verdict in levers:
        show_verdict(verdict, out)


def show_verdict(verdict: LeverVerdict, out: Console) -> None:
    """Two lines: what was saved against what, and what it did to quality."""
    q = verdict.quality
    out.print(
        Text(
            f"  {printable(verdict.run_id)}  {verdict.usd:,.2f} $ ({verdict.low_usd:,.2f} to "
            f"{verdict.high_usd:,.2f})  {verdict.kind.value}: {printable(verdict.what)}"
        )
    )
    hours = ""
    if verdict.hours_saved is not None and verdict.usd_per_hour is not None:
        hours = f", {verdict.hours_saved:.4g} machine-hours at {verdict.usd_per_hour:,.4f} $ ({verdict.basis.lower()})"
    spent = f", after {verdict.spent_usd:,.2f} $ that it cost" if verdict.spent_usd else ""
    told = (
        f"    against {verdict.counterfactual}{hours}{spent}; {q.metric} {q.value:.6g}, without it {q.reference:.6g} "
        f"({q.source}), tolerated {q.tolerance:g}; {verdict.user} {verdict.at:%Y-%m-%d}: {verdict.why}"
    )
    out.print(Text(printable(told), "dim"))


def _range(text: str) -> tuple[Decimal, Decimal]:
    low, dots, high = text.partition("..")
    if not dots:
        raise BadInput(f"--range {text!r} is no range", next_step="write e.g. 80..150")
    return _usd(low, "--range"), _usd(high, "--range")


def _usd(text: str, option: str) -> Decimal:
    try:
        return parse_usd(text)
    except ValueError as error:
        raise BadInput(f"{option}: {error}") from None
