"""Gangs: what is left of the devices' speed once they must talk."""

from dataclasses import replace

import pytest

from shoestring.catalog.load import embedded
from shoestring.domain.model import Method, ModelKind, ModelSpec, Recompute, Sharding
from shoestring.domain.workload import Flops, HoursOf, Tokens
from shoestring.planner.scaling import Shape, spread
from shoestring.planner.work import flops_per_token, hours_on, known_work, tflops

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


def test_each_type_has_its_own_speed_and_bf16_may_run_as_fp16() -> None:
    h100 = replace(HARDWARE["H100-SXM"], fp8_tflops=4.0, fp32_tflops=1.0, bf16_tflops=3.0, fp16_tflops=2.0)
    assert [tflops(h100, dtype) for dtype in ("fp8", "float8", "fp32", "float32", "bf16")] == [4, 4, 1, 1, 3]
    older = replace(h100, fp8_tflops=None, bf16_tflops=None)
    assert tflops(older, "bf16") == 2.0
    assert tflops(older, "fp8") is None, "never at lower precision, nor as if it were"


def test_hardware_without_figures_has_no_hours() -> None:
    hours = HoursOf(hours=10.0, accelerator="H100-SXM")
    known = known_work(hours, ONE, {})
    blind = replace(HARDWARE["H100-SXM"], bf16_tflops=None, fp16_tflops=None, bandwidth_gb_s=None)
    hardware = {**HARDWARE, "blind": blind}
    for name in ("unheard-of", "blind"):
        assert hours_on(Shape(accelerator=name, count=1), hours, known, hardware) is None
    same = hours_on(ONE, hours, known, hardware)
    assert same is not None and (same.mid_h, same.basis) == (10.0, "declared")
    backwards = known_work(replace(hours, accelerator="blind"), ONE, {})
    assert hours_on(ONE, hours, backwards, hardware) is None
    assert hours_on(Shape(accelerator="blind", count=1), Flops(flops=1e18), (), hardware) is None


def test_what_is_sharded_to_the_last_moves_weights_as_well_as_gradients() -> None:
    """FSDP fetches the weights twice for each gradient that it reduces once: it waits longer on the same link."""
    plain = replace(MODEL, sharding=Sharding.NONE)
    fsdp, ddp = (spread(FOUR, ONE, HARDWARE, model, 0.5) for model in (MODEL, plain))
    assert fsdp is not None and ddp is not None and fsdp[1] < ddp[1]
