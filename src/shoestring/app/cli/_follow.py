"""Following a run live: one line that keeps changing on a terminal, plain lines elsewhere."""

import sys
import time
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from shoestring.app.cli._show import console, print_json, progress_line, state_text, steps_text, usd
from shoestring.app.control import ask, ensure_supervisor
from shoestring.app.environment import env_again
from shoestring.app.lookup import supervised
from shoestring.app.site import Site
from shoestring.domain.errors import DONE, FAILED, SUSPENDED
from shoestring.domain.text import printable
from shoestring.domain.units import describe_duration

POLL_S = 0.25
SILENCE_S = 10.0  # a supervisor that was just started may take so long to publish

EXIT_CODE = {"succeeded": DONE, "failed": FAILED, "cancelled": FAILED, "suspended": SUSPENDED}


def follow(site: Site, *, as_json: bool = False) -> int:
    """Show a run until it is at its end or parked; the exit code that says which.

    Ctrl-C saves and suspends the run: nothing is lost, and `shoestring resume` goes on with it.
    """
    out = console()
    try:
        row = _watch(site, out, quiet=as_json)
    except KeyboardInterrupt:
        ask(site, "suspend")
        out.print(f"\nsaving and suspending {site.run_id} ... (Ctrl-C again leaves it to its supervisor)")
        row = _watch(site, out, quiet=True)
    if as_json:
        print_json(row)
    else:
        _farewell(out, row)
    return EXIT_CODE.get(str(row["state"]), FAILED)


def _watch(site: Site, out: Console, *, quiet: bool) -> dict[str, Any]:
    since, silent_until = time.time(), time.monotonic() + SILENCE_S
    shown = ""
    live = Live(console=out, refresh_per_second=4, transient=True) if out.is_terminal and not quiet else None
    if live is not None:
        live.start()
    try:
        while True:
            row = _row(site, since)
            if row is not None:
                if row["state"] in EXIT_CODE and row.get("offer") is None:
                    return row
                if live is not None:
                    live.update(panel(row))
                elif not quiet and (line := _milestone(row)) != shown:
                    shown = line
                    print(progress_line(row), flush=True)
            if supervised(site):
                silent_until = time.monotonic() + SILENCE_S
            elif time.monotonic() > silent_until:
                ensure_supervisor(
                    site, env_again(site, [], strict=False)
                )  # it died: another takes over, nothing is launched twice
                silent_until = time.monotonic() + SILENCE_S
            time.sleep(POLL_S)
    finally:
        if live is not None:
            live.stop()


def _row(site: Site, since: float) -> dict[str, Any] | None:
    """The newest status, if it was published since we watch: an older one tells of an earlier life."""
    published = site.live()
    if published is None or published["real"] < since:
        return None
    return next((r for r in published["runs"] if r["run_id"] == site.run_id), None)


def _milestone(row: dict[str, Any]) -> str:
    """What must change for another plain line: state, place, phase, decision, or a tenth of the steps."""
    step, total = row.get("step") or 0, row.get("total_steps")
    tenth = int(10 * step / total) if total else 0
    keys = ("state", "attempt", "place", "phase", "decision_code")
    return "|".join(str(row.get(key)) for key in keys) + f"|{tenth}"


def panel(row: dict[str, Any]) -> Table:
    """The live picture: progress, money, time, safety, and the last decision with its reason."""
    table = Table.grid(padding=(0, 2))
    where = f"{row.get('place') or '-'} {row.get('market') or ''} {row.get('phase') or ''}"
    table.add_row(Text(printable(row["run_id"]), "bold"), state_text(row), Text(printable(where)))
    step, total = row.get("step"), row.get("total_steps")
    bar = ProgressBar(total=total or 100, completed=step or 0, width=30)
    loss = "" if row.get("loss") is None else f"loss {row['loss']:.4f}"
    table.add_row(Text(f"step {steps_text(row)}"), bar, Text(loss))
    finish = "unknown" if row.get("finish_usd") is None else usd(row["finish_usd"])
    budget = "" if row.get("budget_usd") is None else f"of {usd(row['budget_usd'])}"
    table.add_row(Text(f"{usd(row.get('spent_usd'))} so far"), Text(f"{finish} at finish"), Text(budget))
    slack = "no deadline" if row.get("slack_s") is None else f"slack {describe_duration(row['slack_s'])}"
    age = row.get("checkpoint_age_s")
    saved = "nothing saved yet" if age is None else f"saved {describe_duration(age)} ago"
    table.add_row(
        Text(slack), Text(saved), Text(f"attempt {row.get('attempt')}, {row.get('preemptions')} preemptions")
    )
    table.add_row(Text("last decision", "dim"), Text(printable(row.get("decision") or "-", limit=100)))
    return table


def _farewell(out: Console, row: dict[str, Any]) -> None:
    run_id = row["run_id"]
    out.print(
        state_text(row), Text(f" {run_id}  {usd(row.get('spent_usd'))}  step {steps_text(row)}"), sep=""
    )
    if row["state"] == "suspended":
        more = " --budget MORE" if row.get("cause") == "budget" else ""
        out.print(f"go on with: shoestring resume {run_id}{more}")
        if row.get("storage_usd_per_day") is not None:
            out.print(f"keeping its checkpoints goes on costing {row['storage_usd_per_day']:.4f} $ a day")
    elif row["state"] == "failed":
        out.print(f"look at: shoestring logs {run_id}, shoestring explain {run_id}")
    if row["state"] != "suspended":
        out.print(f"receipt: shoestring receipt {run_id}")
    sys.stdout.flush()
