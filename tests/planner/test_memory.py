"""What training a model takes on each device: the papers' own examples, and what must grow or shrink."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoestring.domain.model import Method, ModelSpec, Optimizer, Precision, Recompute, Sharding
from shoestring.planner.memory import (
    activations,
    checkpoint_size,
    demanded,
    misfit,
    per_parameter,
    shape_of,
    trained_params,
)

GB = 1e9
SEVEN = ModelSpec(params=7.5e9)
specs = st.builds(
    ModelSpec,
    params=st.floats(1e6, 1e12),
    precision=st.sampled_from(Precision),
    optimizer=st.sampled_from(Optimizer),
    method=st.sampled_from(Method),
    sharding=st.sampled_from(Sharding),
    recompute=st.sampled_from(Recompute),
    tensor_parallel=st.sampled_from([1, 2, 8]),
    batch=st.one_of(st.none(), st.integers(1, 64)),
    sequence=st.integers(1, 32768),
)


@pytest.mark.parametrize(
    ("sharding", "gb"),
    [(Sharding.NONE, 120.0), (Sharding.ZERO1, 31.4), (Sharding.ZERO2, 16.6), (Sharding.ZERO3, 1.9)],
)
def test_the_example_of_the_zero_paper(sharding: Sharding, gb: float) -> None:
    """Figure 1: 7.5 billion parameters, mixed-precision Adam, 64 ranks."""
    found = demanded(replace(SEVEN, sharding=sharding), 64)

    assert (found.weights + found.gradients + found.states) / GB == pytest.approx(gb, abs=0.05)


def test_activations_of_gpt3_with_and_without_recomputation() -> None:
    """Korthikanti et al., table 2 and figure 1: GPT-3 175B (96 layers, 12288 wide, 96 heads, 2048 tokens)."""
    spec = ModelSpec(params=175e9, layers=96, hidden=12288, heads=96, sequence=2048, batch=1, vocab=1)
    each = 2048 * 12288 * 96

    kept = {r: activations(replace(spec, recompute=r)) for r in Recompute}
    assert kept[Recompute.NONE] == pytest.approx(each * (34 + 5 * 96 * 2048 / 12288), rel=1e-4)
    assert kept[Recompute.SELECTIVE] == pytest.approx(each * 34, rel=1e-4)
    assert 2 * each < (kept[Recompute.FULL] or 0) < 0.1 * each * 34
    assert activations(replace(spec, tensor_parallel=8)) == pytest.approx(each * (10 + 24 / 8), rel=1e-4)
    assert activations(replace(spec, batch=None)) is None


def test_a_checkpoint_of_70b_with_adam_is_about_a_terabyte_and_an_adapter_is_not() -> None:
    large = ModelSpec(params=70e9)

    assert checkpoint_size(large) == pytest.approx(0.98e12)
    assert checkpoint_size(replace(large, precision=Precision.FP32)) == pytest.approx(0.84e12)
    assert checkpoint_size(replace(large, method=Method.LORA)) < 5e9


def test_adapters_and_4_bit_weights_take_what_their_papers_say() -> None:
    """Rank 16 on every linear map of Llama 7B is about 40 million weights; QLoRA put 65B on one 48 GB device."""
    llama = ModelSpec(params=6.7e9, layers=32, hidden=4096, method=Method.LORA, lora_rank=16)

    assert trained_params(llama) == pytest.approx(40e6, rel=0.02)
    assert demanded(llama, 1).weights == pytest.approx(2 * 6.7e9, rel=0.01)
    assert demanded(ModelSpec(params=65e9, method=Method.QLORA), 1).total < 48e9
    assert demanded(ModelSpec(params=65e9, precision=Precision.FP16), 1).total > 780e9


@pytest.mark.parametrize(
    ("size", "layers", "hidden"), [(6.7e9, 32, 4096), (70e9, 80, 8192), (175e9, 96, 12288)]
)
def test_the_usual_shape_of_a_transformer_is_near_the_real_ones(
    size: float, layers: int, hidden: int
) -> None:
    found = shape_of(ModelSpec(params=size))

    assert found == pytest.approx((layers, hidden), rel=0.25)
    assert shape_of(ModelSpec(params=size, layers=layers))[0] == layers
    assert shape_of(ModelSpec(params=size, hidden=hidden))[1] == hidden


@settings(max_examples=200, deadline=None)
@given(specs, st.sampled_from([8, 16, 64, 512]))
def test_more_sharding_more_devices_and_more_recomputation_never_take_more(
    spec: ModelSpec, devices: int
) -> None:
    stages = [
        demanded(replace(spec, sharding=s), devices) for s in (Sharding.NONE, Sharding.ZERO1, Sharding.ZERO2)
    ]
    totals = [d.total for d in stages]

    assert totals == sorted(totals, reverse=True)
    assert demanded(spec, 2 * devices).total <= demanded(spec, devices).total * (1 + 1e-9)
    if spec.batch is not None:
        by = {r: activations(replace(spec, recompute=r)) or 0.0 for r in Recompute}
        assert by[Recompute.SELECTIVE] <= by[Recompute.NONE]
    assert min(per_parameter(spec)) >= 0


@settings(max_examples=200, deadline=None)
@given(specs, st.sampled_from([1, 8, 64]), st.sampled_from([16.0, 80.0, 192.0]))
def test_what_is_refused_would_not_fit_and_a_device_as_large_as_asked_for_would(
    spec: ModelSpec, devices: int, memory_gib: float
) -> None:
    found = misfit(spec, devices, memory_gib)
    if found is None:
        assert demanded(spec, devices).total / 2**30 < memory_gib
        return
    enough = found.needed_gib + 1e-6
    assert spec.tensor_parallel > devices or misfit(spec, devices, enough) is None
    assert found.short_gib == pytest.approx(max(found.needed_gib - memory_gib, 0.0))


def test_the_fixes_fit_mildest_first() -> None:
    found = misfit(ModelSpec(params=7e9, batch=1, sequence=2048), 8, 80.0)

    assert found is not None and found.fixes[0] == "`sharding: fsdp`"
    assert misfit(ModelSpec(params=7e9, batch=1, sequence=2048, sharding=Sharding.FSDP), 8, 80.0) is None
    alone = misfit(ModelSpec(params=7e9), 1, 24.0)
    assert alone is not None and any("devices with `sharding: fsdp`" in fix for fix in alone.fixes)
    assert any("(another training)" in fix for fix in alone.fixes)
