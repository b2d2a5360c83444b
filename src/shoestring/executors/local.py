"""This machine as owned capacity: no market, no preemption, an honest price.

marginal = watts x load x PUE x $/kWh
loaded   = [capex x (1 - salvage) x CRF(rate, years) + upkeep] / (8760 x utilization) + marginal
CRF      = r / (1 - (1 + r)^-n)          the capital recovery factor; 1/n at a rate of 0
"""

import hashlib
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import psutil
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shoestring.domain.errors import BadInput
from shoestring.domain.offer import BillingRule, Market, Offer, OwnedCost, Price, PriceKind
from shoestring.domain.run import PriceSpan
from shoestring.domain.workload import Backend
from shoestring.executors.book import InstanceBook
from shoestring.executors.clock import REAL_TIME, MarketClock
from shoestring.executors.neighbor import Terms
from shoestring.executors.processes import ProcessExecutor
from shoestring.ports import BillLine, Capabilities, JobSpec

HOURS_PER_YEAR = 8760


class MachineFile(BaseModel):
    """An owned machine. All money in dollars; what is not given stays unknown, never 0.

    Attributes:
        capex_usd: price paid; life_years: until it is replaced; salvage: share left then; interest: per year.
        upkeep_usd_per_year: space, staff, support. utilization: share of hours in use, 0 < u <= 1.
        power_w: drawn under load; load: share of it a job draws on average. pue: 1 or more.
        electricity_usd_per_kwh: what a kWh costs here.
        others_wait: share of its hours in which somebody else waits for it; for plans.
        max_duration_s: a job on it may not run longer; None means it may.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    name: str = "this machine"
    region: str = "local"
    accelerator: str | None = None
    accelerator_count: float = Field(default=0, ge=0)
    backend: Literal["cuda", "rocm", "tpu", "neuron", "gaudi", "cpu"] | None = None
    capex_usd: float | None = Field(default=None, gt=0)
    life_years: float = Field(default=4, gt=0, le=50)
    salvage: float = Field(default=0, ge=0, lt=1)
    interest: float = Field(default=0.05, ge=0, lt=1)
    upkeep_usd_per_year: float = Field(default=0, ge=0)
    utilization: float = Field(default=0.5, gt=0, le=1)
    power_w: float | None = Field(default=None, gt=0)
    load: float = Field(default=0.8, gt=0, le=1)
    pue: float = Field(default=1.0, ge=1, le=3)
    electricity_usd_per_kwh: float | None = Field(default=None, ge=0)
    others_wait: float = Field(default=0, ge=0, le=1)
    max_duration_s: float | None = Field(default=None, gt=0)


def load_machine(path: Path | None) -> MachineFile:
    """A machine from its YAML; None gives this one, with unknown prices. Raises BadInput."""
    if path is None:
        return MachineFile()
    try:
        return MachineFile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInput(f"{path}: {error}", next_step="see docs/executors.md") from None
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadInput(
            f"{path}: {where}: {first['msg']} (found {first.get('input')!r})",
            next_step="see docs/executors.md",
        ) from None


def this_machine(machine_id: Path = Path("/etc/machine-id")) -> str:
    """A name that all processes of this machine agree on, and hardly another machine has.

    The host's name for people, and a digest of what systemd keeps for programs (its own text is not to be shown
    around). In containers both are the container's: two on one machine are told apart, and charged apart.
    """
    try:
        installed = machine_id.read_bytes()
    except OSError:
        installed = b""
    return f"{socket.gethostname()}/{hashlib.sha256(b'shoestring' + installed).hexdigest()[:12]}"


def owned_cost(machine: MachineFile) -> OwnedCost | None:
    """Marginal and loaded $/h; None unless power, electricity price and capital cost are all known.

    >>> cost = owned_cost(MachineFile(capex_usd=35040, life_years=4, interest=0, utilization=1.0,
    ...                               power_w=1000, load=1.0, electricity_usd_per_kwh=0.10))
    >>> cost.marginal_usd_per_hour, cost.loaded_usd_per_hour
    (Decimal('0.100000'), Decimal('1.100000'))
    """
    if machine.power_w is None or machine.electricity_usd_per_kwh is None or machine.capex_usd is None:
        return None
    marginal = machine.power_w / 1000 * machine.load * machine.pue * machine.electricity_usd_per_kwh
    rate, years = machine.interest, machine.life_years
    recovery = 1 / years if rate == 0 else rate / (1 - (1 + rate) ** -years)
    yearly = machine.capex_usd * (1 - machine.salvage) * recovery + machine.upkeep_usd_per_year
    loaded = yearly / (HOURS_PER_YEAR * machine.utilization) + marginal
    return OwnedCost(marginal_usd_per_hour=_usd(marginal), loaded_usd_per_hour=_usd(loaded))


def open_local(folder: Path, machine: MachineFile) -> ProcessExecutor:
    """The executor over a folder that :func:`create_local` has made."""
    return ProcessExecutor(folder, OwnedMachine(machine=machine))


def create_local(folder: Path) -> None:
    """Make the folder of instances."""
    (folder / "instances").mkdir(parents=True, exist_ok=True, mode=0o700)


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedMachine:
    """Neighbor of ProcessExecutor: launches at once, never takes back, charges the loaded price."""

    machine: MachineFile
    clock: MarketClock = REAL_TIME
    name: str = "local"

    @property
    def machine_id(self) -> str:
        """Every instance is on this machine, beside the others."""
        return this_machine()

    def capabilities(self) -> Capabilities:
        return Capabilities(tokens=True, gang=True, accounting=True)

    def offers(self, real: float) -> tuple[Offer, ...]:
        machine = self.machine
        backend = machine.backend or ("cuda" if machine.accelerator else "cpu")
        return (
            Offer(
                id="local/owned",
                executor=self.name,
                provider="owned",
                region=machine.region,
                zone=None,
                market=Market.OWNED,
                instance_type=machine.name,
                price=self._price(real),
                accelerator=machine.accelerator,
                accelerator_count=machine.accelerator_count,
                vcpus=psutil.cpu_count(),
                memory_gib=psutil.virtual_memory().total / 2**30,
                backend=Backend(backend),
                billing=BillingRule(granularity_s=1, minimum_s=0),
                boot_s=5.0,
                available=True,
                owned=owned_cost(machine),
            ),
        )

    def admit(self, spec: JobSpec, real: float, alive: int) -> Terms:
        return Terms(boot_s=0.0, max_duration_s=self.machine.max_duration_s)

    def price_spans(self, offer_id: str, start: float, end: float | None) -> tuple[PriceSpan, ...]:
        until = None if end is None else self.clock.at(end)
        return (PriceSpan(start=self.clock.at(start), end=until, price=self._price(start)),)

    def bill(
        self, token: str, order: Mapping[str, Any], book: InstanceBook, *, real: float, fetched_gib: Decimal
    ) -> list[BillLine]:
        usd = self._price(real).usd_per_hour
        if usd is None or book.launched is None:
            return []
        end = real if book.terminated is None else book.terminated
        micros = -(-round((end - book.launched) * 1_000_000) // 1_000_000) * 1_000_000
        amount = usd * micros * int(order["nodes"]) / 3_600_000_000
        start, until = self.clock.at(book.launched), self.clock.at(end)
        return [BillLine(token=token, kind="compute", start=start, end=until, amount_usd=amount)]

    def _price(self, real: float) -> Price:
        cost = owned_cost(self.machine)
        return Price(
            usd_per_hour=None if cost is None else cost.loaded_usd_per_hour,
            source=f"machine file of {self.machine.name}" if cost else "no machine file: price unknown",
            as_of=self.clock.at(real),
            kind=PriceKind.ESTIMATE,
        )


def _usd(amount: float) -> Decimal:
    return Decimal(str(round(amount, 6))).quantize(Decimal("0.000001"))
