"""Wiring of live prices: which providers can be asked with what this user has, and how."""

import os
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

from shoestring.app.config import Settings
from shoestring.app.place import home
from shoestring.catalog.feeds.http import LOCAL, EtagStore, Host, origin_of
from shoestring.domain.errors import BadInput
from shoestring.ports import PriceFeed, Secret

# Provider -> variables of which one holds its key; none where it takes everyone.
KEYS: Mapping[str, tuple[str, ...]] = {
    "aws": (),
    "azure": (),
    "gcp": ("GOOGLE_API_KEY", "GCP_API_KEY"),
    "lambda": ("LAMBDA_API_KEY",),
    "runpod": ("RUNPOD_API_KEY",),
}

HOSTS: Mapping[str, str] = {
    "aws": "amazonaws.com",
    "azure": "prices.azure.com",
    "gcp": "googleapis.com",
    "lambda": "lambdalabs.com",
    "runpod": "runpod.io",
}


def prices_folder() -> Path:
    """Where prices of providers are cached."""
    return home() / "prices"


def feeds_for(settings: Settings, providers: Iterable[str] | None, *, seconds: float) -> list[PriceFeed]:
    """A feed for each provider named; None: for each that can be asked with what is here.

    Raises:
        BadInput: no such provider, or its key is missing; says which variable.
    """
    found: list[PriceFeed] = []
    for name in KEYS if providers is None else providers:
        if name not in KEYS:
            raise BadInput(f"{name}: no live prices of it are known", next_step=f"one of {', '.join(KEYS)}")
        key = next((Secret(os.environ[v]) for v in KEYS[name] if os.environ.get(v)), None)
        if KEYS[name] and key is None:
            if providers is not None:
                raise BadInput(
                    f"{name} shows its prices to account holders only",
                    next_step=f"export {KEYS[name][0]}=...",
                )
            continue
        if name == "aws" and providers is None and not _has_aws():
            continue
        found.append(_feed(name, settings, key, seconds))
    return found


def _feed(name: str, settings: Settings, key: Secret | None, seconds: float) -> PriceFeed:
    from shoestring.catalog.feeds import aws, azure, gcp, lambda_cloud, runpod

    given = settings.price_urls.get(name)
    if given is not None:
        _only_theirs(name, given)
    if name == "aws":
        return aws.AwsSpotPrices(client=lambda region: aws.ec2_client(region, given), now=_now)
    base = {"azure": azure.BASE_URL, "gcp": gcp.BASE_URL, "lambda": lambda_cloud.BASE_URL,
            "runpod": runpod.BASE_URL}  # fmt: skip
    headers: dict[str, str] = {}
    if key is not None:
        headers = (
            {"X-Goog-Api-Key": key.reveal()} if name == "gcp" else {"Authorization": f"Bearer {key.reveal()}"}
        )
    host = Host(
        base_url=given or base[name],
        headers=headers,
        seconds=seconds,
        etags=EtagStore(prices_folder() / "etags" / name),
    )
    match name:
        case "azure":
            return azure.AzurePrices(server=host, now=_now)
        case "gcp":
            return gcp.GcpPrices(server=host, now=_now)
        case "lambda":
            return lambda_cloud.LambdaPrices(server=host, now=_now)
    return runpod.RunpodPrices(server=host, now=_now)


def _only_theirs(name: str, url: str) -> None:
    """A key goes to its provider or to this machine: settings may come with somebody's project folder."""
    host = origin_of(url)[1]
    known = HOSTS[name]
    if host not in LOCAL and host != known and not host.endswith(f".{known}"):
        raise BadInput(
            f"price_urls: {name}: {host or url!r} is neither {known} nor this machine",
            next_step="remove it from the settings",
        )


def _has_aws() -> bool:
    from importlib.util import find_spec

    from shoestring.app.planning import with_credentials

    return find_spec("boto3") is not None and "aws" in with_credentials()


def _now() -> datetime:
    return datetime.now(UTC)
