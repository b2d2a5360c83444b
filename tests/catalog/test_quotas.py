"""Quotas: given limits by accelerator, family, instance or market, when planned, then none is passed."""

from datetime import UTC, datetime

import pytest

from shoestring.catalog.candidates import Account
from shoestring.catalog.load import embedded
from shoestring.catalog.quotas import read_quotas
from shoestring.domain.errors import BadInput
from shoestring.domain.plan import Plan
from shoestring.domain.workload import AcceleratorRequest, HoursOf, ResourceRequest, Workload
from shoestring.workflows.plan import plan

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def planned(quotas: dict[str, float | str], nodes: int = 2) -> Plan:
    wanted = ResourceRequest(accelerators=(AcceleratorRequest(name="H100", count_min=8, count_max=8),))
    job = Workload(name="s", run="x", resources=(wanted,), num_nodes=nodes,
                   work=HoursOf(hours=20, accelerator="H100"))  # fmt: skip
    account = Account(enabled=frozenset({"aws"}), quotas=read_quotas(quotas, embedded()))
    return plan(job, embedded(), account, now=NOW)


@pytest.mark.parametrize(
    ("name", "most", "says"),
    [
        ("aws/us-east-1/H100", 8.0, "8 H100-SXM, 16 are needed"),
        ("aws/*/H100/on_demand", 8.0, "16 are needed"),
        ("aws/*/Hopper", 15.0, "16 are needed"),
        ("aws/*/p5", 0.0, "16 are needed"),
        ("aws/us-east-1/p5.48xlarge/on_demand", 8.0, "16 are needed"),
        ("aws/us-east-1/p5", "192 vcpus", "192 vCPUs, 384 are needed"),
    ],
)
def test_a_limit_refuses_and_says_how_much_is_missing(name: str, most: float | str, says: str) -> None:
    refusal = next(r for r in planned({name: most}).rejected if r.group == "quota")

    assert says in refusal.reason and refusal.fix and "more" in refusal.fix


@pytest.mark.parametrize(
    "quotas",
    [{}, {"aws/*/H100": 16.0}, {"aws/*/p5": "384 vcpus"}, {"aws/*/H100/spot": 0.0}, {"gcp/*/H100": 0.0},
     {"aws/us-west-1/H100": 0.0}],
)  # fmt: skip
def test_a_limit_elsewhere_or_large_enough_refuses_nothing(quotas: dict[str, float | str]) -> None:
    assert all(r.group != "quota" or "us-west-1" in (r.example or "") for r in planned(quotas).rejected)


@pytest.mark.parametrize(
    ("name", "most"),
    [("aws/us-east-1", 8.0), ("aws/us-east-1/H1000", 8.0), ("awss/*/H100", 8.0), ("aws/*/H100/preemptible", 8.0),
     ("aws//H100", 8.0), ("", 8.0), ("aws/*/H100/spot/x", 8.0), ("aws/*/H100", "eight"), ("aws/*/H100", "-8 vcpus"),
     ("aws/*/H100", "8 gpus"), ("aws/*/p", 8.0)],
)  # fmt: skip
def test_a_limit_that_fits_nothing_is_refused(name: str, most: float | str) -> None:
    with pytest.raises(BadInput, match="quotas"):
        read_quotas({name: most}, embedded())
