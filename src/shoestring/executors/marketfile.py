"""The YAML of a rehearsal market, and the market that comes with shoestring."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from shoestring.domain.errors import BadInput
from shoestring.market.generate import ZoneShape

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$", max_length=100)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class ZoneFile(_Strict):
    """One zone: where it lies, what an hour costs, and its life: a recorded trace, or a generated one.

    Attributes:
        provider: whose billing rule holds (see MarketFile.providers).
        spot, on_demand: $/h; None: not sold here. A trace with prices goes before ``spot``.
        trace: file of the zone's availability (JSON) or dated prices (CSV), beside the market's file.
        starts_up: first state of a generated zone; None leaves it to the seed.
        long_up_share, long_up_h, short_up_h, long_down_h, short_down_h: shape of a generated zone.
    """

    provider: Name = "rehearsal"
    region: Name
    spot: float | None = Field(default=None, gt=0)
    on_demand: float | None = Field(default=None, gt=0)
    trace: Path | None = None
    starts_up: bool | None = None
    long_up_share: float = Field(default=0.5, ge=0, le=1)
    long_up_h: float = Field(default=8.0, gt=0)
    short_up_h: float = Field(default=0.5, gt=0)
    long_down_share: float = Field(default=0.3, ge=0, le=1)
    long_down_h: float = Field(default=4.0, gt=0)
    short_down_h: float = Field(default=0.4, gt=0)
    price_drift: float = Field(default=0.02, ge=0, le=1)
    capacity: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _sells_something(self) -> "ZoneFile":
        if self.spot is None and self.on_demand is None and self.trace is None:
            raise ValueError("give the zone a price: spot, on_demand, or a trace of dated prices")
        return self

    @property
    def shape(self) -> ZoneShape:
        """How a generated life of this zone behaves."""
        return ZoneShape(
            short_up_h=self.short_up_h,
            long_up_h=self.long_up_h,
            long_up_share=self.long_up_share,
            short_down_h=self.short_down_h,
            long_down_h=self.long_down_h,
            long_down_share=self.long_down_share,
            drift=self.price_drift,
        )


class BillingFile(_Strict):
    """How the market bills. The defaults are EC2's: by the second, one minute at least, spot free when
    interrupted within the first hour."""

    granularity_s: int = Field(default=1, ge=1)
    minimum_s: int = Field(default=60, ge=0)
    free_if_interrupted_within_s: int | None = Field(default=3600, ge=0)


class MarketFile(_Strict):
    """A whole market.

    Attributes:
        scale: seconds of the market in one real second; 360 makes an hour pass in ten seconds.
        hours: length of generated lives; they repeat.
        boot_s: mean boot time in market seconds; slow_boot_share of launches take three times as long.
        start_real_s: real seconds that starting a process costs here, added to what offers promise.
        launch_failure_share, no_notice_share: shares of launches refused, of losses without a warning.
        notice_s: warning in market seconds, but never under notice_real_s real ones.
        billing: how seconds become money; providers: the same for one provider, by its name.
        egress_usd_per_gib, storage_usd_per_gib_month: between regions; for checkpoints kept.
    """

    seed: int = 7
    scale: float = Field(default=360.0, gt=0, le=1e6)
    hours: float = Field(default=24.0 * 14, gt=0, le=24 * 366)
    zones: dict[Name, ZoneFile] = Field(min_length=1, max_length=100)
    instance_type: Name = "c.1x"
    accelerator: str | None = None
    accelerator_count: float = Field(default=0, ge=0)
    backend: Literal["cuda", "rocm", "tpu", "neuron", "gaudi", "cpu"] = "cpu"
    vcpus: float = Field(default=2, gt=0)
    memory_gib: float = Field(default=8, gt=0)
    billing: BillingFile = BillingFile()
    providers: dict[Name, BillingFile] = {}
    boot_s: float = Field(default=180.0, ge=0)
    slow_boot_share: float = Field(default=0.05, ge=0, le=1)
    start_real_s: float = Field(default=3.0, ge=0)
    launch_failure_share: float = Field(default=0.0, ge=0, le=1)
    no_notice_share: float = Field(default=0.1, ge=0, le=1)
    notice_s: float = Field(default=120.0, ge=0)
    notice_real_s: float = Field(default=2.0, ge=0)
    egress_usd_per_gib: float = Field(default=0.02, ge=0)
    storage_usd_per_gib_month: float = Field(default=0.023, ge=0)

    def billing_of(self, zone: ZoneFile) -> BillingFile:
        """The rule by which a zone bills."""
        return self.providers.get(zone.provider, self.billing)


BUILT_IN = MarketFile(
    zones={
        "us-east-1a": ZoneFile(region="us-east-1", spot=0.42, on_demand=1.20, starts_up=True),
        "us-east-1b": ZoneFile(region="us-east-1", spot=0.38, on_demand=1.20),
        "us-west-2a": ZoneFile(region="us-west-2", spot=0.45, on_demand=1.20, long_up_share=0.7),
    }
)


def load_market(path: Path | None) -> MarketFile:
    """A market from its YAML; None gives the built-in one.

    Raises:
        BadInput: not such a file; says which key, which value, what is allowed.
    """
    if path is None:
        return BUILT_IN
    try:
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        market = MarketFile.model_validate(data)
    except FileNotFoundError:
        raise BadInput(f"{path}: no such market file") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"{path}: {error}") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"{path}: {where}: {first['msg']} (found {first.get('input')!r})",
            next_step="see docs/rehearsal.md",
        ) from None
    return traces_in(market, path.parent)


def traces_in(market: MarketFile, folder: Path) -> MarketFile:
    """The market with its traces' names read from ``folder``."""
    zones = {
        name: zone if zone.trace is None else zone.model_copy(update={"trace": folder / zone.trace})
        for name, zone in market.zones.items()
    }
    return market.model_copy(update={"zones": zones})
