"""Wiring behind ``shoestring plan`` and ``shoestring catalog``: catalog, accounts, profile of this machine."""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from shoestring.app.config import Settings, home
from shoestring.app.feeds import prices_folder
from shoestring.catalog.candidates import Account
from shoestring.catalog.layer import Known, Layer, laid
from shoestring.catalog.load import Catalog, embedded
from shoestring.catalog.overlay import overlaid
from shoestring.catalog.owned import OwnedRow, with_owned
from shoestring.catalog.sheet import read_sheet
from shoestring.domain.errors import BadInput
from shoestring.domain.price import PricePoint
from shoestring.domain.run import Profile
from shoestring.domain.workload import Workload
from shoestring.workflows.check import CLOUD_CREDENTIALS
from shoestring.workflows.refresh import cached


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
    folder = prices_folder()
    if folder.is_dir():
        layer, refused = cached(folder, Known(catalog), now=now)
        catalog = laid(catalog, layer, now=now)
        notes += refused
    catalog = laid(catalog, Layer(name="live", points=tuple(live)), now=now)
    below = frozenset(catalog.origin)
    catalog = _under_sheet(catalog, settings.prices)
    if settings.bill_rates and (home() / "ledger").is_dir():
        from shoestring.workflows.bill_rates import rates_for_plans

        rates, unused = rates_for_plans(home() / "ledger")
        catalog = laid(catalog, rates, now=now, keep=frozenset(catalog.origin) - below)
        notes += unused
    return catalog, tuple(notes)


def _under_sheet(catalog: Catalog, sheet: Path | None) -> Catalog:
    if sheet is None:
        return catalog
    return overlaid(catalog, read_sheet(sheet, today=datetime.now(UTC).date()))


class View(StrEnum):
    """Which of an owned machine's two prices a plan compares: of one more hour, or with all that it costs."""

    LOADED = "loaded"
    MARGINAL = "marginal"


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
    row = OwnedRow(
        name=machine.name,
        region=machine.region,
        accelerator=machine.accelerator,
        count=machine.accelerator_count,
        usd_per_hour=marginal if view is View.MARGINAL else loaded,
        source=f"{file.name}: {view}",
        as_of=datetime.now(UTC).date(),
    )
    note = (
        f"{machine.name}: {marginal:.2f} $/h marginal, {loaded:.2f} $/h fully loaded; this plan takes {view}."
    )
    return with_owned(catalog, row), note


def account_for(
    workload: Workload, settings: Settings, catalog: Catalog, *, all_clouds: bool
) -> tuple[Account, str | None]:
    """Clouds with credentials, in the settings, or named by the job; all, with a note, where there are none.

    Raises:
        BadInput: the settings name a cloud or an accelerator that the catalog does not know.
    """
    quotas = _quotas(settings, catalog)
    providers = set(catalog.columns["provider"])
    if unknown := [cloud for cloud in settings.clouds if cloud not in providers]:
        raise BadInput(
            f"clouds: {unknown[0]!r} is not in the catalog",
            next_step=f"one of {', '.join(sorted(providers))}",
        )
    if all_clouds:
        return Account(quotas=quotas), None
    named = {r.provider for r in workload.resources if r.provider} & providers
    enabled = frozenset({*named, *settings.clouds, *with_credentials()})
    if enabled and "owned" in providers:
        enabled |= {"owned"}
    if not enabled:
        return Account(quotas=quotas), "No cloud account was found here, so all clouds are shown."
    return Account(enabled=enabled, quotas=quotas), None


def _quotas(settings: Settings, catalog: Catalog) -> dict[str, float]:
    """Quotas with the catalog's names of accelerators."""
    found: dict[str, float] = {}
    for name, most in settings.quotas.items():
        parts = name.split("/")
        keys = catalog.names.keys_of(parts[2]) if len(parts) in (3, 4) else ()
        if not keys:
            raise BadInput(
                f"quotas: {name!r} names no accelerator of the catalog",
                next_step="write provider/region/accelerator, e.g. aws/us-east-1/H100, or .../H100/spot",
            )
        for key, _ in keys:
            found["/".join([*parts[:2], key, *parts[3:]])] = most
    return found


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
