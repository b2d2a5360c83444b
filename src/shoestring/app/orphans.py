"""Orphans over all sites: instances that carry our tag and that no journal accounts for."""

from shoestring.app.lookup import book_of, supervised
from shoestring.app.site import Site, sites
from shoestring.app.wiring import open_doors
from shoestring.ports import LiveInstance


def find_orphans() -> list[LiveInstance]:
    """Instances alive now that no live attempt accounts for; sites that are supervised sweep themselves."""
    return [instance for site in sites() if not supervised(site) for instance in _orphans_of(site)]


def end_orphans() -> list[LiveInstance]:
    """End them, with a leader's epoch of their own site, so that no living supervisor is overruled."""
    ended = []
    for site in sites():
        found = [] if supervised(site) else _orphans_of(site)
        if not found:
            continue
        doors = open_doors(site)
        lease = doors.journal.acquire("check --orphans", 30.0)
        if lease is None:
            continue
        for instance in found:
            doors.executor.cancel(instance.token, lease.epoch, grace_s=0.0)
            ended.append(instance)
        doors.journal.release(lease)
    return ended


def _orphans_of(site: Site) -> list[LiveInstance]:
    doors = open_doors(site)
    tokens = book_of(doors.journal).tokens
    return [i for i in doors.executor.alive() if i.token not in tokens or tokens[i.token][1].ended]
