"""Asking something of a run from any shell, and making sure somebody listens."""

import time
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from shoestring.app.environment import env_again
from shoestring.app.lookup import book_of, status_rows, supervised
from shoestring.app.place import user_name
from shoestring.app.site import Site
from shoestring.app.supervise import spawn
from shoestring.app.wiring import open_doors
from shoestring.domain.errors import BadInput, ShoestringError
from shoestring.domain.facts import Asked
from shoestring.domain.units import parse_duration_s, require_utc

POLL_S = 0.1


def ask(
    site: Site, what: str, *, budget_usd: Decimal | None = None, deadline_text: str | None = None
) -> None:
    """Leave a request in the run's journal; it is durable when this returns.

    Raises:
        BadInput: the run is at its end, or the new deadline lies in the past.
    """
    doors = open_doors(site)
    run = book_of(doors.journal).runs.get(site.run_id)
    if run is not None and run.state.terminal:
        raise BadInput(
            f"{site.run_id} has {run.state}; that never changes",
            next_step=f"shoestring receipt {site.run_id}",
        )
    now = doors.clock.now()
    deadline = None if deadline_text is None else parse_deadline(deadline_text, now)
    doors.journal.ask(
        Asked(
            run_id=site.run_id, at=now, what=what, user=user_name(), budget_usd=budget_usd, deadline=deadline
        )
    )


def parse_deadline(text: str, now: datetime) -> datetime:
    """A moment in UTC from ``36h`` (from now) or ``2026-01-31T12:00:00Z``."""
    try:
        return now + timedelta(seconds=parse_duration_s(text))
    except ValueError as error:
        try:
            moment = require_utc(datetime.fromisoformat(text), "deadline")
        except ValueError:
            raise BadInput(f"deadline: {error}, or a moment like 2026-01-31T12:00:00Z") from None
    if moment <= now:
        raise BadInput(f"deadline {moment.isoformat()} lies in the past", next_step="give a later one")
    return moment


def ensure_supervisor(site: Site, env: Mapping[str, str]) -> bool:
    """Start a supervisor unless one lives; whether one was started."""
    if supervised(site):
        return False
    spawn(site, env)
    return True


def wait_for_states(site: Site, states: set[str], *, timeout_s: float) -> dict[str, Any]:
    """The run's status once it is in one of ``states``. Starts a supervisor if nobody listens.

    Raises:
        ShoestringError: it did not get there in time; the request stays and will be obeyed.
    """
    until = time.monotonic() + timeout_s
    row: dict[str, Any] = {"run_id": site.run_id, "state": "unknown"}
    while time.monotonic() < until:
        ensure_supervisor(site, env_again(site, [], strict=False))
        rows = status_rows(site.run_id, 1)
        row = rows[0] if rows else row
        if row["state"] in states and (row.get("offer") is None):
            return row
        time.sleep(POLL_S)
    raise ShoestringError(
        f"{site.run_id} is still {row['state']} after {timeout_s:.0f} s; the request stands",
        next_step=f"shoestring status {site.run_id}",
    )
