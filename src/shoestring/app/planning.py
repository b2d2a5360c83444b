"""Wiring behind ``shoestring plan`` and ``shoestring catalog``: catalog, accounts, profile of this machine."""

import os
from pathlib import Path

from shoestring.app.config import home
from shoestring.catalog.candidates import Account
from shoestring.catalog.load import Catalog, embedded
from shoestring.domain.run import Profile
from shoestring.domain.workload import Workload
from shoestring.workflows.check import CLOUD_CREDENTIALS


def catalog_in_use(prices: Path | None) -> Catalog:
    """The embedded catalog."""
    return embedded()


def account_for(workload: Workload, *, all_clouds: bool) -> tuple[Account, str | None]:
    """Clouds with credentials and those the job names; all of them, with a note, where there are none."""
    if all_clouds:
        return Account(), None
    named = {r.provider for r in workload.resources if r.provider}
    enabled = frozenset(named | set(_with_credentials()))
    if not enabled:
        return Account(), "No cloud account was found here, so all clouds are shown."
    return Account(enabled=enabled), None


def _with_credentials() -> list[str]:
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
