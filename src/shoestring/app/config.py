"""Settings, read once at the edge: command line > environment > project file > user file > default."""

import os
from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ConfigDict, Field, NonNegativeFloat, ValidationError

from shoestring.app.place import home
from shoestring.domain.errors import BadInput

if TYPE_CHECKING:
    from shoestring.catalog.reserved import Reserved

PROJECT_FILE = ".shoestring.yaml"
ENV_PREFIX = "SHOESTRING_"


class ReservedCapacity(BaseModel):
    """Reserved instances, as the settings give them; see :class:`catalog.reserved.Reserved`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    provider: str
    instance_type: str
    region: str
    zone: str = ""
    count: int = Field(default=1, ge=1, le=100_000)
    hours_left: float | None = Field(default=None, ge=0)
    until: date | None = None
    paid_usd_per_hour: float | None = Field(default=None, gt=0, le=5000)
    others_wait: float = Field(default=0.0, ge=0, le=1)
    opportunity_usd_per_hour: float | None = Field(default=None, ge=0, le=5000)

    def value(self) -> "Reserved":
        """The domain's word for it; the last day counts whole."""
        from shoestring.catalog.reserved import Reserved

        end = None if self.until is None else datetime.combine(self.until + timedelta(days=1), time(), UTC)
        return Reserved(**(self.model_dump() | {"until": end}))


class Settings(BaseModel):
    """Everything that can be configured. Times are the fleet's seconds unless the name says real.

    Attributes:
        executor: where runs go unless told otherwise: ``local`` | ``rehearsal``.
        policy: who decides: ``uniform_progress`` | ``uniform_progress_eager`` | ``deadline``.
        journal: SQLAlchemy URL; None means an SQLite file in each run's folder.
        market, machine: YAML of the rehearsal market, of the owned machine; None means the built-in ones.
        tick_real_s: real seconds between two looks of the supervisor.
        prices: price sheet laid over the catalog. clouds: providers to plan for, beside those with
            credentials here. bill_rates: whether plans use rates learnt from bills. price_urls: other addresses of
            providers' price services, by provider.
            quotas: most accelerators (or ``192 vcpus``) at a time, by ``aws/us-east-1/H100``; see
            :mod:`catalog.quotas`. reserved: capacity that is paid already.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    executor: str = "local"
    policy: str = "uniform_progress"
    journal: str | None = None
    market: Path | None = None
    machine: Path | None = None
    tick_real_s: float = Field(default=1.0, gt=0, le=3600)
    lease_real_s: float = Field(default=10.0, gt=0, le=3600)
    hang_s: float | None = Field(default=1800.0, gt=0)
    grace_s: float = Field(default=120.0, ge=0, le=86400)
    linger_s: float = Field(default=600.0, gt=0)
    failures_max: int = Field(default=3, ge=0, le=1000)
    prices: Path | None = None
    clouds: tuple[str, ...] = ()
    reserved: tuple[ReservedCapacity, ...] = ()
    quotas: dict[str, NonNegativeFloat | str] = Field(default_factory=dict)
    bill_rates: bool = True
    price_urls: dict[str, str] = Field(default_factory=dict)


def load_settings(overrides: Mapping[str, Any] | None = None, *, folder: Path | None = None) -> Settings:
    """All layers merged and checked.

    Args:
        overrides: from the command line; None values count as not given.
        folder: where to look for the project file; None means the current folder.

    Raises:
        BadInput: a file or variable holds an unknown key or a bad value; says which and what is allowed.
    """
    merged: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for path in (home() / "config.yaml", (folder or Path.cwd()) / PROJECT_FILE):
        for key, value in _read(path).items():
            merged[key], sources[key] = value, str(path)
    for key in Settings.model_fields:
        variable = f"{ENV_PREFIX}{key.upper()}"
        if variable in os.environ:
            merged[key], sources[key] = os.environ[variable], f"${variable}"
    for key, value in (overrides or {}).items():
        if value is not None:
            merged[key], sources[key] = value, f"--{key.replace('_', '-')}"
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        key = str(first["loc"][0]) if first["loc"] else "?"
        raise BadInput(
            f"{sources.get(key, 'settings')}: {key}: {first['msg']} (found {first.get('input')!r})",
            next_step=f"allowed keys: {', '.join(Settings.model_fields)}",
        ) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: {error}", next_step=f"mend or remove {path}") from None
    try:
        data = yaml.safe_load(text) or {}
    except yaml.YAMLError as error:
        raise BadInput(f"{path}: not YAML: {error}", next_step=f"mend or remove {path}") from None
    if not isinstance(data, dict):
        raise BadInput(f"{path}: expected keys and values", next_step=f"mend or remove {path}")
    return data
