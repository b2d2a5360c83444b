"""Gangs: what is left of the devices' speed once they must talk."""

from dataclasses import replace

import pytest

from shoestring.catalog.load import embedded
from shoestring.domain.model import Method, ModelKind, ModelSpec, Recompute, Sharding
from shoestring.domain.workload import Flops, Tokens
from shoestring.planner.scaling import Shape, spread
from shoestring.planner.work import flops_per_token, hours_on

HARDWARE = embedded().accelerators
MODEL = ModelSpec(params=7e9, sharding=Sharding.FSDP, batch=4, sequence=4096)
ONE, NODE, FOUR = (Shape(accelerator="H100-SXM", count=c, nodes=n) for c, n in ((1, 1), (8, 1), (8, 4)))


def test_a_large_batch_hides_what_a_small_one_must_wait_for() -> None:
    small, large = (spread(FOUR, ONE, HARDWARE, MODEL, step_s) for step_s in (0.05, 20.0))

    assert small is not None and large is not None
    assert small[0] < small[1] < small[2] <= 32.0
    assert large[0] > 0.7 * 32 and large[1] == 32.0 and small[1] < 0.5 * 32


def test_nodes_cost_more_than_devices_and_slow_links_more_than_fast_ones() -> None:
    node, four = (spread(shape, ONE, HARDWARE, MODEL, 0.5) for shape in (NODE, FOUR))
    slow = spread(Shape(accelerator="L4", count=8), Shape(accelerator="L4", count=1), HARDWARE, MODEL, 0.5)

    assert node is not None and four is not None and slow is not None
    assert node[1] / 8 > four[1] / 32 and slow[1] < node[1]


def test_without_a_link_figure_there_is_no_speed_of_several_nodes() -> None:
    assert HARDWARE["P100-16GB"].interconnect_gb_s is None
    base = Shape(accelerator="P100-16GB", count=8)
    assert spread(replace(base, nodes=2), base, HARDWARE, MODEL, 0.5) is None
    assert spread(replace(base, nodes=2), base, HARDWARE, None, None) is None


def test_tokens_are_six_flops_per_weight_and_four_where_it_is_frozen() -> None:
    assert flops_per_token(MODEL) == pytest.approx(42e9)
    assert flops_per_token(replace(MODEL, active_params=1e9)) == pytest.approx(6e9)
    assert flops_per_token(replace(MODEL, method=Method.LORA)) == pytest.approx(28e9, rel=0.01)

    plain = ModelSpec(params=7e9)
    by_tokens = hours_on(ONE, Tokens(tokens=1e9), (), HARDWARE, plain)
    assert by_tokens == hours_on(ONE, Flops(flops=42e18), (), HARDWARE, plain)


def test_kinds_and_recomputation_have_priors_of_their_own() -> None:
    def middle(model: ModelSpec) -> float:
        found = hours_on(ONE, Tokens(tokens=1e9), (), HARDWARE, model)
        assert found is not None
        return found.mid_h

    base = middle(ModelSpec(params=7e9))
    assert middle(ModelSpec(params=7e9, kind=ModelKind.MOE)) > base
    assert middle(ModelSpec(params=7e9, recompute=Recompute.FULL)) == pytest.approx(base * 8 / 6)
