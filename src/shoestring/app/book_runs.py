"""Keeps the ledger up with the runs of this machine: whatever a journal says and the ledger does not yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from shoestring.app.place import user_name
from shoestring.app.site import Site, sites
from shoestring.catalog.grid import grid
from shoestring.domain.errors import ShoestringError
from shoestring.ledger.receipt import Receipt
from shoestring.ledger.side_by_side import Stay, stays_of
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_runs import Booking, book_runs, booked_states
from shoestring.store.charges_stays import booked_stays
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
    booked = booked_states(store)
    states = {site.run_id: _journal_state(site) for site in sites()}
    changed = [s for s in sites() if states[s.run_id] is None or booked.get(s.run_id) != states[s.run_id]]
    reader = _Reader()
    for site in changed:
        reader.read(site)
    _read_neighbors(store, reader)
    if reader.paid:
        moment = datetime.now(UTC)
        bookings = [
            Booking(paid=paid, state=states[run] or moment.isoformat()) for run, paid in reader.paid.items()
        ]
        book_runs(store, bookings, now=moment, user=user_name(), grid=grid())
    if share:
        refresh(store)
    return Booked(runs=tuple(reader.paid), failed=tuple(reader.failed))


def all_receipts() -> list[Receipt]:
    """The receipts of this machine's runs; those that can't be read are passed over (booking tells them)."""
    reader = _Reader()
    for site in sites():
        reader.read(site)
    reader.share(())
    return list(reader.paid.values())


class _Reader:
    """Receipts from journals, by run, and why some could not be had."""

    def __init__(self) -> None:
        self.paid: dict[str, Receipt] = {}
        self.failed: list[str] = []
        self._sites: dict[str, Site] = {}

    def read(self, site: Site, neighbors: Sequence[Stay] = ()) -> None:
        from shoestring.app.wiring import open_doors  # late: it brings every engine along

        try:
            doors = open_doors(site)
            self.paid[site.run_id] = receipt_of(
                doors.journal,
                site.run_id,
                now=doors.clock.now(),
                prices=doors.data_prices,
                neighbors=neighbors,
            )
            self._sites[site.run_id] = site
        except ShoestringError as error:
            self.failed.append(f"{site.run_id}: {error}")

    def stays(self) -> list[Stay]:
        """When the runs read so far held which machines."""
        return [stay for paid in self.paid.values() for stay in stays_of(paid.usage)]

    def share(self, others: Sequence[Stay]) -> None:
        """Charge each run its part of machines that it shared with another, or with one of ``others``."""
        everybody = [*self.stays(), *others]
        for run, paid in list(self.paid.items()):
            own = stays_of(paid.usage)
            beside = [s for s in everybody if s.run_id != run and any(s.meets(mine) for mine in own)]
            if beside:
                self.read(self._sites[run], beside)


def _read_neighbors(store: ChargeStore, reader: _Reader) -> None:
    """Read the runs, too, that held a machine beside those that have changed: their parts of it change with them."""
    now = reader.stays()
    if not now:
        return
    booked = booked_stays(store, {stay.machine for stay in now})
    before = [stay for stay in booked if stay.run_id in reader.paid]
    beside = {s.run_id for s in booked if any(s.meets(changed) for changed in (*now, *before))}
    for site in sites():
        if site.run_id in beside and site.run_id not in reader.paid:
            reader.read(site)
    reader.share([stay for stay in booked if stay.run_id not in reader.paid])


def _journal_state(site: Site) -> str | None:
    """What changes when the journal does; None for journals that are not files, which are always read."""
    path = site.journal_place
    if not isinstance(path, Path):
        return None
    times = [p.stat().st_mtime_ns for p in (path, path.with_name(f"{path.name}-wal")) if p.is_file()]
    return f"journal at {max(times)}" if times else None
