"""Keeps the ledger up with the runs of this machine: whatever a journal says and the ledger does not yet."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shoestring.app.place import user_name
from shoestring.app.site import Site, sites
from shoestring.catalog.grid import grid
from shoestring.domain.errors import ShoestringError
from shoestring.ledger.receipt import Receipt
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_runs import Booking, book_runs, booked_states
from shoestring.workflows.receipt import receipt_of
from shoestring.workflows.shared_cost import refresh


@dataclass(frozen=True, slots=True, kw_only=True)
class Booked:
    """Runs that were booked now, and those that could not be, each with the reason."""

    runs: tuple[str, ...]
    failed: tuple[str, ...]


def book_all_runs(store: ChargeStore, *, share: bool = True) -> Booked:
    """Book every run whose journal has changed since it was booked; one that can't be stops no other.

    Args:
        share: apply allocation rules to what is new; a supervisor, which looks often, leaves that to people.
    """
    bookings: list[Booking] = []
    failed: list[str] = []
    booked = booked_states(store)
    for site in sites():
        state = _journal_state(site)
        if state is not None and booked.get(site.run_id) == state:
            continue
        from shoestring.app.wiring import open_doors  # late: it brings every engine along

        try:
            doors = open_doors(site)
            paid = receipt_of(doors.journal, site.run_id, now=doors.clock.now(), prices=doors.data_prices)
        except ShoestringError as error:
            failed.append(f"{site.run_id}: {error}")
        else:
            bookings.append(Booking(paid=paid, state=state or datetime.now(UTC).isoformat()))
    if bookings:
        book_runs(store, bookings, now=datetime.now(UTC), user=user_name(), grid=grid())
    if share:
        refresh(store)
    return Booked(runs=tuple(b.paid.run_id for b in bookings), failed=tuple(failed))


def all_receipts() -> list[Receipt]:
    """The receipts of this machine's runs; those that can't be read are passed over (booking tells them)."""
    receipts = []
    for site in sites():
        from shoestring.app.wiring import open_doors  # late: it brings every engine along

        try:
            doors = open_doors(site)
            now = doors.clock.now()
            receipts.append(receipt_of(doors.journal, site.run_id, now=now, prices=doors.data_prices))
        except ShoestringError:
            continue
    return receipts


def _journal_state(site: Site) -> str | None:
    """What changes when the journal does; None for journals that are not files, which are always read."""
    path = site.journal_place
    if not isinstance(path, Path):
        return None
    times = [p.stat().st_mtime_ns for p in (path, path.with_name(f"{path.name}-wal")) if p.is_file()]
    return f"journal at {max(times)}" if times else None
