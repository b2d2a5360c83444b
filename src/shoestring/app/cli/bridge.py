"""`shoestring bridge`."""

import sys
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from shoestring.app.cli._ledger import booked_ledger
from shoestring.app.cli._show import console, print_json
from shoestring.app.site import find_site
from shoestring.domain.errors import BadInput
from shoestring.domain.text import printable
from shoestring.workflows.trackers import Bridged, Tracker, bridge, bridged_json


def command(
    tracker: Annotated[str, typer.Argument(help="mlflow | wandb")],
    run: Annotated[str | None, typer.Argument(help="A run; default: all of this machine's.")] = None,
    uri: Annotated[
        str | None, typer.Option(help="MLflow's tracking address; default: MLFLOW_TRACKING_URI.")
    ] = None,
    project: Annotated[
        str | None, typer.Option(help="MLflow experiment, or W&B project (entity/project).")
    ] = None,
    tracked: Annotated[
        str | None, typer.Option(help="The tracker's id of RUN, where it does not carry ours.")
    ] = None,
    create: Annotated[bool, typer.Option("--create", help="Make runs that the tracker lacks.")] = False,
    dry: Annotated[bool, typer.Option("--dry-run", help="Show what would be told; write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Cost, energy and saving onto the runs of an experiment tracker; their params and metrics back."""
    from shoestring.app.book_runs import all_receipts
    from shoestring.store.answers import Question, ask
    from shoestring.store.tracked_book import keep
    from shoestring.workflows.receipt import with_bill

    if tracked is not None and run is None:
        raise BadInput("--tracked names one run's", next_step=f"shoestring bridge {tracker} RUN --tracked ID")
    there = _tracker(tracker, uri, project)
    store = booked_ledger(None)
    manifest = store.manifest()
    chosen = None if run is None else find_site(run).run_id
    receipts = [with_bill(r, manifest) for r in all_receipts() if chosen in (None, r.run_id)]
    with Progress(transient=True, disable=as_json or not sys.stderr.isatty()) as bar:
        task = bar.add_task(f"telling {tracker}", total=len(receipts))
        done = bridge(
            there,
            receipts,
            carbon_kg={row.keys[0] or "": row.carbon_kg for row in ask(store, Question(by=("run",))).rows},
            create=create,
            tracked_id=tracked,
            dry=dry,
            progress=lambda count, _: bar.update(task, completed=count),
        )
    if not dry:
        keep(store.folder, there.name, [b.read for b in done if b.read is not None], now=datetime.now(UTC))
    if as_json:
        print_json(bridged_json(tracker, done, dry=dry))
    else:
        _show(tracker, done, dry=dry)


def _tracker(name: str, uri: str | None, project: str | None) -> Tracker:
    if name == "mlflow":
        from shoestring.app.trackers.mlflow import MLflow

        return MLflow(uri, project)
    if name == "wandb":
        from shoestring.app.trackers.wandb import tracker_of

        return tracker_of(project)
    raise BadInput(f"no tracker {name!r}", next_step="one of: mlflow, wandb")


def _show(tracker: str, done: tuple[Bridged, ...], *, dry: bool) -> None:
    out = console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("RUN", tracker.upper(), "WOULD TELL" if dry else "TOLD", "UNKNOWN", "READ BACK"):
        table.add_column(name)
    for b in done:
        read = "" if b.read is None else f"{len(b.read.params)} params, {len(b.read.metrics)} metrics"
        told = ", ".join(f"{name} {value:.6g}" for name, value in b.told.items())
        if b.tracked_id is None:
            table.add_row(b.run_id, Text("none", "yellow"), "", "", "")
        else:
            table.add_row(
                b.run_id, printable(b.tracked_id), told or "nothing new", ", ".join(b.unknown), read
            )
    out.print(table)
    if missing := sum(b.tracked_id is None for b in done):
        out.print(Text(f"  {missing} runs are not in {tracker}; --create makes them there", "dim"))
