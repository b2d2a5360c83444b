"""Asking providers for their prices on behalf of a verb: who is asked, and what it says to the user."""

import sys
from collections.abc import Iterable
from datetime import UTC, datetime

from shoestring.app.config import Settings
from shoestring.app.feeds import KEYS, feeds_for, prices_folder
from shoestring.catalog.candidates import Account
from shoestring.catalog.load import embedded
from shoestring.domain.price import PricePoint
from shoestring.domain.workload import Workload
from shoestring.workflows.refresh import Refreshed, refresh

FOR_A_PLAN_S = 20.0  # what asking a provider may take while somebody waits for a plan
AT_LEISURE_S = 180.0


def asked(
    settings: Settings,
    providers: Iterable[str] | None,
    *,
    regions: Iterable[str] | None = None,
    accelerators: Iterable[str] | None = None,
    seconds: float = AT_LEISURE_S,
    quiet: bool = False,
) -> tuple[Refreshed, ...]:
    """Ask providers (None: all that can be asked from here), and keep what they say in the cache."""
    feeds = feeds_for(settings, providers, seconds=seconds)
    return refresh(
        feeds,
        embedded(),
        prices_folder(),
        now=datetime.now(UTC),
        regions=None if regions is None else frozenset(regions),
        accelerators=accelerators,
        progress=None if quiet else lambda host: print(f"asking {host} ...", file=sys.stderr),
    )


def for_plan(
    workload: Workload, settings: Settings, account: Account, *, quiet: bool
) -> tuple[tuple[PricePoint, ...], tuple[str, ...]]:
    """Live prices of the accelerators that a job names, at providers that may be used; and who did not answer."""
    catalog = embedded()
    keys = {
        key
        for request in workload.resources
        for wanted in request.accelerators
        for key, _ in catalog.names.keys_of(wanted.name)
    }
    askable = {feed.provider for feed in feeds_for(settings, None, seconds=FOR_A_PLAN_S)}
    providers = [p for p in KEYS if p in askable and (account.enabled is None or p in account.enabled)]
    found = asked(settings, providers, accelerators=keys, seconds=FOR_A_PLAN_S, quiet=quiet) if keys else ()
    notes = [f"No live prices of {r.provider}: {r.problem}" for r in found if r.problem]
    if not found:
        notes.append("No provider could be asked for live prices; shoestring catalog refresh says why.")
    return tuple(p for r in found for p in r.points), tuple(notes)
