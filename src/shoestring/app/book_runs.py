"""Keeps the ledger up with the runs of this machine: whatever a journal says and the ledger does not yet."""

from datetime import UTC, datetime
from pathlib import Path

from shoestring.app.site import Site, sites, user_name
from shoestring.app.wiring import open_doors
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_runs import book_run, booked_state
from shoestring.workflows.receipt import receipt_of


def book_all_runs(store: ChargeStore) -> int:
    """Book every run whose journal has changed since it was booked; how many that were."""
    booked = 0
    for site in sites():
        state = _journal_state(site)
        if state is not None and booked_state(store, site.run_id) == state:
            continue
        doors = open_doors(site)
        paid = receipt_of(doors.journal, site.run_id, now=doors.clock.now(), prices=doors.data_prices)
        now = datetime.now(UTC)
        book_run(store, paid, state=state or now.isoformat(), now=now, user=user_name())
        booked += 1
    return booked


def _journal_state(site: Site) -> str | None:
    """What changes when the journal does; None for journals that are not files, which are always read."""
    path = Path(site.journal_url.removeprefix("sqlite:///"))
    times = [p.stat().st_mtime_ns for p in (path, path.with_name(f"{path.name}-wal")) if p.is_file()]
    return f"journal at {max(times)}" if times else None
