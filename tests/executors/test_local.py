"""An owned machine's two prices, and that what is unknown stays unknown."""

import socket
from decimal import Decimal
from pathlib import Path

import pytest

from shoestring.domain.errors import BadInput
from shoestring.domain.offer import Market
from shoestring.executors.book import InstanceBook
from shoestring.executors.local import MachineFile, OwnedMachine, load_machine, owned_cost, this_machine

KNOWN = MachineFile(capex_usd=20_000, power_w=500, electricity_usd_per_kwh=0.2)


def test_the_marginal_price_is_energy_and_the_loaded_one_adds_capital_and_upkeep() -> None:
    machine = MachineFile(
        capex_usd=35_040, life_years=4, salvage=0.5, interest=0, upkeep_usd_per_year=876,
        utilization=0.5, power_w=1000, load=0.8, pue=1.25, electricity_usd_per_kwh=0.10,
    )  # fmt: skip
    cost = owned_cost(machine)

    assert cost is not None
    assert cost.marginal_usd_per_hour == Decimal("0.100000")  # 1 kW x 0.8 x 1.25 x 0.10
    assert cost.loaded_usd_per_hour == Decimal("1.300000")  # (4380 + 876) / 4380 + 0.10


def test_interest_makes_capital_dearer_by_the_recovery_factor() -> None:
    cost = owned_cost(KNOWN.model_copy(update={"interest": 0.05, "utilization": 1.0}))

    assert cost is not None
    capital = cost.loaded_usd_per_hour - cost.marginal_usd_per_hour
    assert capital == pytest.approx(Decimal(str(20_000 * 0.2820118326 / 8760)), abs=Decimal("0.000002"))


def test_a_busier_machine_has_a_lower_loaded_price_and_the_same_marginal_one() -> None:
    idle, busy = (owned_cost(KNOWN.model_copy(update={"utilization": u})) for u in (0.2, 0.9))

    assert idle is not None and busy is not None
    assert busy.loaded_usd_per_hour < idle.loaded_usd_per_hour
    assert busy.marginal_usd_per_hour == idle.marginal_usd_per_hour


@pytest.mark.parametrize("unknown", ["capex_usd", "power_w", "electricity_usd_per_kwh"])
def test_a_price_with_an_unknown_part_is_unknown_and_never_zero(unknown: str) -> None:
    machine = OwnedMachine(machine=KNOWN.model_copy(update={unknown: None}))
    (offer,) = machine.offers(0.0)
    book = InstanceBook(launched=0.0, terminated=3600.0, why="ended")

    assert offer.owned is None and offer.price.usd_per_hour is None
    assert machine.bill("t", {"nodes": 1}, book, real=3600.0, fetched_gib=Decimal(0)) == []


def test_without_a_file_this_machine_is_offered_at_an_unknown_price() -> None:
    (offer,) = OwnedMachine(machine=load_machine(None)).offers(0.0)

    assert offer.market is Market.OWNED and offer.provider == "owned" and not offer.market.preemptible
    assert offer.price.usd_per_hour is None and offer.vcpus is not None and offer.memory_gib is not None


def test_its_books_charge_the_loaded_price_by_the_second_and_for_each_node() -> None:
    book = InstanceBook(launched=100.0, terminated=1899.5, why="ended")
    (line,) = OwnedMachine(machine=KNOWN).bill("t", {"nodes": 2}, book, real=0.0, fetched_gib=Decimal(0))
    cost = owned_cost(KNOWN)

    assert cost is not None and line.amount_usd == cost.loaded_usd_per_hour * 1800 * 2 / 3600


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("pue: 0.9", "pue"),
        ("utilization: 0", "utilization"),
        ("life_years: -1", "life_years"),
        ("salvage: 1", "salvage"),
        ("capex_usd: .nan", "capex_usd"),
        ("power_w: .inf", "power_w"),
        ("capex: 5", "capex"),
        ("backend: abacus", "backend"),
        ("[1, 2", "machine.yaml"),
        ("- 1", "machine.yaml"),
    ],
)
def test_a_wrong_machine_file_is_refused_with_its_key(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "machine.yaml"
    path.write_text(text)

    with pytest.raises(BadInput, match=says):
        load_machine(path)


def test_a_machine_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"nowhere\.yaml"):
        load_machine(tmp_path / "nowhere.yaml")


def test_everybody_here_agrees_on_the_machines_name_and_its_secret_is_not_in_it(tmp_path: Path) -> None:
    file = tmp_path / "machine-id"
    file.write_text("0123456789abcdef\n")
    name = this_machine(file)

    assert name == this_machine(file) and "0123456789abcdef" not in name
    file.write_text("another\n")
    assert this_machine(file) != name
    assert this_machine(tmp_path / "nowhere").startswith(socket.gethostname())
    assert OwnedMachine(machine=KNOWN).machine_id == this_machine()
