"""What the verbs ask about runs from any shell: status rows, journals, living supervisors."""

from datetime import datetime
from typing import Any

import psutil

from shoestring.app.site import Site, find_site, sites
from shoestring.app.wiring import open_doors
from shoestring.domain import codec
from shoestring.domain.facts import MarketSeen, RunSubmitted
from shoestring.policies.lateness import lateness
from shoestring.ports import Journal
from shoestring.supervisor.book import Book
from shoestring.workflows.receipt import lateness_json
from shoestring.workflows.status import describe_decision, status_of


def supervised(site: Site) -> bool:
    """Whether the process that last published this site's status is still a supervisor of it."""
    live = site.live()
    if live is None:
        return False
    try:
        arguments = psutil.Process(int(live.get("pid", -1))).cmdline()
    except (psutil.NoSuchProcess, psutil.AccessDenied, ValueError):
        return False
    return "shoestring.app.supervise" in arguments and str(site.folder) in arguments


def book_of(journal: Journal) -> Book:
    """The fold of all facts that matter to people."""
    return Book(entry.fact for entry in journal.read() if not isinstance(entry.fact, MarketSeen))


def status_rows(run: str | None, last: int) -> list[dict[str, Any]]:
    """A row for each run: the published status while it is supervised, else the book's."""
    chosen = [find_site(run)] if run is not None else sites()[:last]
    return [_with_lateness(row, site) for site in chosen for row in _rows(site)]


def _with_lateness(row: dict[str, Any], site: Site) -> dict[str, Any]:
    """A row that says why, where its run is late; the journal is read for those alone."""
    row["lateness"] = None
    if row["deadline"] is None or datetime.fromisoformat(row["at"]) <= datetime.fromisoformat(
        row["deadline"]
    ):
        return row
    facts = (entry.fact for entry in open_doors(site).journal.read())
    row["lateness"] = lateness_json(lateness(facts, row["run_id"], datetime.fromisoformat(row["at"])))
    return row


def _rows(site: Site) -> list[dict[str, Any]]:
    live = site.live()
    attended = supervised(site)
    if live is not None and attended:
        rows = [dict(row) for row in live["runs"] if row["run_id"] == site.run_id]
        if rows:
            return rows
    doors = open_doors(site)
    book = _book_with_requests(doors.journal, site.run_id)
    rows = []
    for known in book.runs.values():
        if known.run_id != site.run_id:
            continue
        now = doors.clock.now()
        status = status_of(
            known,
            now=now,
            spent_usd=doors.spent_usd(known, now),
            storage_usd_per_day=doors.storage_usd_per_day(known),
        )
        row = codec.to_json(status)
        row["decision"] = describe_decision(known)
        row["unsupervised"] = not attended and not known.done and row["state"] != "suspended"
        rows.append(row)
    return rows


def _book_with_requests(journal: Journal, run_id: str) -> Book:
    """The book, with a run that was submitted and that no supervisor has taken yet."""
    requests = journal.asked()  # before the facts: what is taken in between is found among those
    book = book_of(journal)
    for _, fact in requests:
        if isinstance(fact, RunSubmitted) and fact.run_id == run_id and run_id not in book.runs:
            book.apply(fact)
    return book
