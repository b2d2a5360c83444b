"""A job that fits nowhere: given what was asked for, when nothing has it, then the nearest miss says what to loosen."""

from datetime import UTC, datetime

from shoestring.catalog.candidates import Account
from shoestring.catalog.load import embedded
from shoestring.domain.plan import Plan
from shoestring.domain.workload import AcceleratorRequest, Backend, HoursOf, ResourceRequest, Workload
from shoestring.workflows.plan import plan

NOW = datetime(2026, 11, 24, tzinfo=UTC)


def planned(name: str, count: float, backend: Backend = Backend.CUDA, **asked: float) -> Plan:
    wanted = ResourceRequest(
        accelerators=(AcceleratorRequest(name=name, count_min=count, count_max=count),), **asked
    )
    job = Workload(
        name="s", run="x", resources=(wanted,), backend=backend, work=HoursOf(hours=20, accelerator=name)
    )
    return plan(job, embedded(), Account(), now=NOW)


def test_too_many_devices_a_node_name_the_largest_that_is_sold_and_the_nodes_that_make_up_for_it() -> None:
    found = planned("MI300X", 16, backend=Backend.ROCM)
    group = next(r for r in found.rejected if r.group == "accelerator_count")

    assert found.chosen is None
    assert "16 MI300X a node are asked for, the offer has 8" in group.reason
    assert group.fix == "loosen `accelerators` to MI300X:8, with `num_nodes` times 2"


def test_a_machine_whose_size_nobody_knows_says_so_where_a_size_was_asked_for() -> None:
    found = planned("H100", 8, cpus_min=900.0)

    assert all("size_unknown" in o.flags for o in found.options if o.market == "on_demand")
