"""Why an offer may not be used, one reason at a time, with what to do about it."""

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from shoestring.domain.model import ModelSpec
from shoestring.domain.offer import Market, OwnedCost
from shoestring.domain.plan import Accelerator
from shoestring.domain.workload import AcceleratorRequest, Backend, DataSpec, Residency, ResourceRequest
from shoestring.planner.feasible import feasible, memory
from shoestring.testing import a_workload, an_offer
from tests.supervisor.test_view import profile

GPU = an_offer(
    market=Market.ON_DEMAND,
    accelerator="A100",
    accelerator_count=4,
    backend=Backend.CUDA,
    vcpus=32.0,
    memory_gib=200.0,
)


def against(offer: Any = GPU, proven: bool = True, **request: Any) -> list[tuple[str, str | None, float]]:
    """(code, fix, short) of every reason against an offer, for a CUDA job with one request."""
    job = a_workload(backend=Backend.CUDA, resources=(ResourceRequest(**request),))
    return [(r.code, r.fix, r.short) for r in feasible(job, offer, resume_proven=proven)]


def wanted(low: float, high: float | None = None, name: str = "a100") -> dict[str, Any]:
    return {"accelerators": (AcceleratorRequest(name=name, count_min=low, count_max=high),)}


@pytest.mark.parametrize(
    "request_", [{}, wanted(4), wanted(2), wanted(1, 4), {"cpus_min": 32.0}, {"memory_gib_min": 200.0}]
)
def test_what_is_enough_is_enough(request_: dict[str, Any]) -> None:
    assert against(**request_) == []


@pytest.mark.parametrize(
    ("request_", "reason"),
    [
        (wanted(8), ("accelerator_count", "loosen `accelerators` to A100:4, with `num_nodes` times 2", 4.0)),
        (wanted(6, 6), ("accelerator_count", "loosen `accelerators` to A100:4", 2.0)),
        (wanted(1, 2), ("accelerator_count", "loosen `accelerators` to A100:4", 3.0)),
        (wanted(1, name="H100"), ("accelerator", "loosen `accelerators`", 0.0)),
        ({"cpus_min": 40.0}, ("cpus", "loosen `cpus` by 8", 8.0)),
        ({"memory_gib_min": 256.0}, ("memory", "loosen `memory` by 56", 56.0)),
        ({"provider": "aws"}, ("provider", "loosen `provider`", 0.0)),
        ({"zone": "us-east-1b"}, ("zone", "loosen `zone`", 0.0)),
        ({"use_spot": True}, ("spot_only", "drop `use_spot: true`", 0.0)),
        ({"max_hourly_usd": Decimal("0.5")}, ("max_hourly_cost", "raise `max_hourly_cost` to 1.00", 0.5)),
    ],
)  # fmt: skip
def test_what_is_missing_is_named(request_: dict[str, Any], reason: tuple[str, str, float]) -> None:
    ((code, fix, short),) = against(**request_)
    assert (code, fix, short) == reason


def test_spot_needs_leave_and_a_proof() -> None:
    spot = replace(GPU, market=Market.SPOT)
    assert [code for code, _, _ in against(spot, proven=False)] == ["resume_unproven"]
    assert [code for code, _, _ in against(spot, use_spot=False)] == ["no_spot"]
    assert against(spot, use_spot=True) == []


def test_a_job_for_one_backend_does_not_run_on_another() -> None:
    tpu = replace(GPU, accelerator="v5e", backend=Backend.CPU)
    assert [code for code, _, _ in against(tpu)] == ["backend"]
    assert against(an_offer(market=Market.ON_DEMAND)) == [], (
        "without an accelerator there is no backend to miss"
    )


def test_an_unknown_price_is_in_the_way_only_where_others_are_paid() -> None:
    unpriced = replace(GPU, price=replace(GPU.price, usd_per_hour=None))
    assert [code for code, _, _ in against(unpriced)] == ["price_unknown"]
    cost = OwnedCost(marginal_usd_per_hour=Decimal(0), loaded_usd_per_hour=Decimal(0))
    owned = replace(unpriced, market=Market.OWNED, owned=cost)
    assert against(owned) == []
    assert against(owned, region="elsewhere", provider="aws") == [], "one's own machine is where it is"
    assert [code for code, _, _ in against(owned, **wanted(8))] == ["accelerator_count"]


def test_data_that_must_stay_keep_the_job_where_they_are() -> None:
    data = (DataSpec(uri="s3://x", residency=Residency(regions=("eu-",))),)
    (reason,) = feasible(a_workload(data=data), an_offer(market=Market.ON_DEMAND), resume_proven=True)
    assert reason.code == "residency" and "sim in us-east-1" in reason.text


def test_of_several_requests_the_nearest_speaks() -> None:
    far = ResourceRequest(cpus_min=99.0, memory_gib_min=999.0)
    near = ResourceRequest(cpus_min=33.0)
    job = a_workload(backend=Backend.CUDA, resources=(far, near))
    assert [(r.code, r.short) for r in feasible(job, GPU, resume_proven=True)] == [("cpus", 1.0)]


DEVICE = Accelerator(name="A100", vendor="nvidia", family="ampere", backend=Backend.CUDA, memory_gib=40.0)


def test_what_was_measured_on_an_accelerator_decides_over_memory() -> None:
    job = a_workload()
    fits = profile(accelerator="A100", memory_peak_bytes=40 * 2**30)
    assert memory(job, DEVICE, 1, fits) == (None, ())
    refusal, flags = memory(job, DEVICE, 1, profile(accelerator="A100", memory_peak_bytes=50 * 2**30))
    assert refusal is not None and (refusal.code, refusal.short, flags) == ("memory_device", 10.0, ())
    assert refusal.text == "the job used 50.0 GiB, A100 has 40"
    on_the_host = profile(accelerator="cpu", memory_peak_bytes=50 * 2**30)
    assert memory(job, DEVICE, 1, on_the_host) == (None, ())


def test_a_device_without_a_figure_is_flagged_where_the_model_is_known() -> None:
    unknown, model = replace(DEVICE, memory_gib=None), ModelSpec(params=7e9)
    assert memory(a_workload(), unknown, 1, None) == (None, ())
    assert memory(a_workload(model=model), unknown, 1, None) == (None, ("memory_unknown",))


def test_a_split_over_more_devices_than_there_are_is_refused() -> None:
    refusal, _ = memory(a_workload(model=ModelSpec(params=1e8, tensor_parallel=8)), DEVICE, 4, None)
    assert refusal is not None and refusal.fix == "ask for more devices"
    assert refusal.text == "`tensor_parallel: 8` needs as many devices, the gang has 4"


def test_a_model_that_does_not_fit_says_what_it_lacks() -> None:
    refusal, _ = memory(a_workload(model=ModelSpec(params=7e9)), DEVICE, 1, None)
    assert refusal is not None and refusal.text.startswith("7B parameters take ") and refusal.short > 0
