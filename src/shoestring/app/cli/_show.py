"""How the verbs show things: one look for all of them. Text from outside is made printable first."""

import json
import os
import sys
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from shoestring.domain import codec
from shoestring.domain.text import printable
from shoestring.domain.units import describe_duration

STATE_STYLE = {
    "succeeded": "green",
    "running": "cyan",
    "waiting": "yellow",
    "suspended": "magenta",
    "failed": "red",
    "cancelled": "dim",
}


PIPE_COLUMNS = 200


def console() -> Console:
    """Where people read; markup is off, so that no label or log line can style itself.

    Into a pipe or a file lines are long, so that a row stays a row for `grep` and `awk`; `COLUMNS` overrides.
    """
    width = None if sys.stdout.isatty() or "COLUMNS" in os.environ else PIPE_COLUMNS
    return Console(markup=False, highlight=False, soft_wrap=False, width=width)


def print_json(value: Any) -> None:
    """One JSON document on standard output: domain values, or plain data."""
    sys.stdout.write(json.dumps(codec.to_json(value), indent=2, sort_keys=False) + "\n")


def usd(amount: float | None) -> str:
    """Dollars for people; unknown is not zero.

    >>> usd(1_234.5), usd(0.004), usd(None)
    ('1,234.50 $', '0.0040 $', 'unknown')
    """
    if amount is None:
        return "unknown"
    return f"{amount:.4f} $" if 0 < abs(amount) < 0.1 else f"{amount:,.2f} $"


def state_text(row: dict[str, Any]) -> Text:
    """A state with its cause, e.g. ``SUSPENDED (budget)``."""
    state = str(row["state"])
    cause = (
        f" ({printable(str(row['cause']))})" if state in ("suspended", "failed") and row.get("cause") else ""
    )
    return Text(f"{state.upper()}{cause}", style=STATE_STYLE.get(state, ""))


def status_table(rows: list[dict[str, Any]]) -> Table:
    """All runs, a line each."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("RUN", "STATE", "STEP", "WHERE", "COST", "AT FINISH", "SLACK", "SAVED", "PREEMPTED"):
        table.add_column(name, justify="right" if name in ("STEP", "COST", "AT FINISH", "SLACK") else "left")
    for row in rows:
        where = f"{row.get('place') or '-'} {row.get('market') or ''}".strip()
        table.add_row(
            printable(row["run_id"]),
            state_text(row),
            steps_text(row),
            printable(where),
            usd(row.get("spent_usd")),
            usd(row.get("finish_usd")) if row.get("finish_usd") is not None else "-",
            describe_duration(row["slack_s"]) if row.get("slack_s") is not None else "-",
            "-"
            if row.get("checkpoint_age_s") is None
            else f"{describe_duration(row['checkpoint_age_s'])} ago",
            str(row.get("preemptions", 0)),
        )
    return table


def steps_text(row: dict[str, Any]) -> str:
    """``1200/4000``, or what is known of it."""
    step, total = row.get("step"), row.get("total_steps")
    if step is None:
        return "-"
    return f"{step}/{total}" if total else str(step)


def progress_line(row: dict[str, Any]) -> str:
    """One run in one line, for a terminal that is followed live."""
    parts = [f"step {steps_text(row)}"]
    if row.get("loss") is not None:
        parts.append(f"loss {row['loss']:.4f}")
    parts.append(f"{usd(row.get('spent_usd'))} so far")
    if row.get("finish_usd") is not None:
        parts.append(f"{usd(row['finish_usd'])} at finish")
    if row.get("slack_s") is not None:
        parts.append(f"slack {describe_duration(row['slack_s'])}")
    if row.get("checkpoint_age_s") is not None:
        parts.append(f"saved {describe_duration(row['checkpoint_age_s'])} ago")
    where = f"{row['place']} {row['market']} {row['phase']}" if row.get("offer") else str(row["state"])
    return printable(f"{where} | {' | '.join(parts)} | {row.get('decision') or 'no decision yet'}")
