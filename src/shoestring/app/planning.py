"""Wiring behind ``shoestring plan`` and ``shoestring catalog``: catalog, accounts, profile of this machine."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from shoestring.app.config import Settings
from shoestring.app.place import home
from shoestring.catalog.candidates import Account
from shoestring.catalog.layer import Known, Layer, laid
from shoestring.catalog.load import Catalog, embedded
from shoestring.catalog.overlay import overlaid
from shoestring.catalog.owned import OwnedRow, with_owned
from shoestring.catalog.quotas import read_quotas
from shoestring.catalog.reserved import View, market_usd, opportunity_usd, with_reserved
from shoestring.catalog.sheet import read_sheet
from shoestring.domain.errors import BadInput
from shoestring.domain.price import PricePoint
from shoestring.domain.run import Profile
from shoestring.domain.workload import Workload
from shoestring.workflows.check import CLOUD_CREDENTIALS


def catalog_in_use(sheet: Path | None) -> Catalog:
    """The embedded catalog, under the user's price sheet if there is one."""
    return _under_sheet(embedded(), sheet)


def prices_in_use(settings: Settings, live: Iterable[PricePoint] = ()) -> tuple[Catalog, tuple[str, ...]]:
    """The catalog under all that is known better, and what to say about layers that were not used.

    From below: embedded, cached, ``live`` (asked for just now), rates learnt from bills, the price sheet. A
    cached or live price that is older than the one it would replace does not.

    Raises:
        BadInput: the price sheet; see :mod:`catalog.sheet`.
    """
    catalog, notes, now = embedded(), list[str](), datetime.now(UTC)
    folder = home() / "prices"
    if folder.is_dir():
        from shoestring.workflows.refresh import cached

        layer, refused = cached(folder, Known(catalog), now=now)
        catalog = laid(catalog, layer, now=now)
        notes += refused
    catalog = laid(catalog, Layer(name="live", points=tuple(live)), now=now)
    below = frozenset(catalog.origin)
    catalog = _under_sheet(catalog, settings.prices)
    if settings.bill_rates and (home() / "ledger").is_dir():
        from shoestring.workflows.bill_rates import rates_for_plans

        rates, unused = rates_for_plans(home() / "ledger", embedded(), today=now.date())
        catalog = laid(catalog, rates, now=now, keep=frozenset(catalog.origin) - below)
        notes += unused
    return catalog, tuple(notes)


def _under_sheet(catalog: Catalog, sheet: Path | None) -> Catalog:
    if sheet is None:
        return catalog
    return overlaid(catalog, read_sheet(sheet, today=datetime.now(UTC).date()))


def with_machine(catalog: Catalog, file: Path | None, view: View) -> tuple[Catalog, str | None]:
    """The catalog with the machine of a file as an offer, and what to say about it; unchanged without one."""
    if file is None:
        return catalog, None
    from shoestring.executors.local import load_machine, owned_cost

    machine = load_machine(file)
    cost = owned_cost(machine)
    if machine.accelerator is None or machine.accelerator_count <= 0 or cost is None:
        return catalog, (
            f"{machine.name} is left out: give accelerator, accelerator_count, capex_usd, power_w and "
            f"electricity_usd_per_kwh in {file.name}."
        )
    marginal, loaded = float(cost.marginal_usd_per_hour), float(cost.loaded_usd_per_hour)
    keys = catalog.names.keys_of(machine.accelerator)
    market = None
    if keys and machine.others_wait > 0:
        key, devices = keys[0]
        market = market_usd(catalog, key, machine.accelerator_count * devices, datetime.now(UTC).date())
    instead = opportunity_usd(marginal, market, machine.others_wait)
    usd = {View.MARGINAL: marginal, View.LOADED: loaded, View.OPPORTUNITY: instead}[view]
    shown = "unknown" if instead is None else f"{instead:.2f} $/h"
    note = (
        f"{machine.name}: {marginal:.2f} $/h marginal, {loaded:.2f} $/h fully loaded, {shown} by what it could do "
        f"instead; this plan takes {view}."
    )
    if usd is None:
        return catalog, note.replace(f"this plan takes {view}", "left out: nobody sells the same on demand")
    row = OwnedRow(
        name=machine.name,
        region=machine.region,
        accelerator=machine.accelerator,
        count=machine.accelerator_count,
        usd_per_hour=usd,
        source=f"{file.name}: {view}",
        as_of=datetime.now(UTC).date(),
    )
    return with_owned(catalog, row), note


def with_own(catalog: Catalog, settings: Settings, view: View | None) -> tuple[Catalog, tuple[str, ...]]:
    """The catalog with the user's machine and reservations, and what to say about their prices.

    Args:
        view: None takes what each is for: the machine fully loaded, reserved hours by what they could do instead.
    """
    today = datetime.now(UTC).date()
    catalog, owned = with_machine(catalog, settings.machine, view or View.LOADED)
    mine = [one.value() for one in settings.reserved]
    catalog, notes = with_reserved(catalog, mine, view or View.OPPORTUNITY, today)
    return catalog, tuple(filter(None, (owned, *notes)))


def account_for(
    workload: Workload, settings: Settings, catalog: Catalog, *, all_clouds: bool
) -> tuple[Account, str | None]:
    """Clouds with credentials, in the settings, or named by the job; all, with a note, where there are none.

    Raises:
        BadInput: the settings name a cloud or an accelerator that the catalog does not know.
    """
    quotas = read_quotas(settings.quotas, catalog)
    mine = {one.offer_id: one for one in (r.value() for r in settings.reserved)}
    providers = set(catalog.columns["provider"])
    if unknown := [cloud for cloud in settings.clouds if cloud not in providers]:
        raise BadInput(
            f"clouds: {unknown[0]!r} is not in the catalog",
            next_step=f"one of {', '.join(sorted(providers))}",
        )
    if all_clouds:
        return Account(quotas=quotas, reserved=mine), None
    named = {r.provider for r in workload.resources if r.provider} & providers
    enabled = frozenset(
        {*named, *settings.clouds, *with_credentials(), *(r.provider for r in settings.reserved)}
    )
    if enabled and "owned" in providers:
        enabled |= {"owned"}
    if not enabled:
        return Account(
            quotas=quotas, reserved=mine
        ), "No cloud account was found here, so all clouds are shown."
    return Account(enabled=enabled, quotas=quotas, reserved=mine), None


def with_credentials() -> list[str]:
    return [
        cloud
        for cloud, (variables, files, _) in CLOUD_CREDENTIALS.items()
        if any(os.environ.get(v) for v in variables) or any((Path.home() / f).exists() for f in files)
    ]


def profile_of(workload: Workload) -> Profile | None:
    """What was measured about this code; nothing is created on disk for it."""
    if not (home() / "records.db").exists():
        return None
    from shoestring.app.launch import best_profile
    from shoestring.app.wiring import records
    from shoestring.jobfile.code import code_sha256

    return best_profile(records().profiles(code_sha256(workload)))
