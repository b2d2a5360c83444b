from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shoestring.domain.errors import BadInput
from shoestring.training.sampler import ElasticSampler


def reference_order(length: int, seed: int, samples: int) -> list[int]:
    """The endless global order, as one process with batches of one sees it."""
    alone = ElasticSampler(length, batch_size=1, seed=seed, rank=0, world_size=1)
    return [index for batch in islice(alone, samples) for index in batch]


@settings(max_examples=200, deadline=None)
@given(
    length=st.integers(1, 60),
    seed=st.integers(0, 2**32 - 1),
    lives=st.lists(
        st.tuples(st.integers(1, 5), st.integers(0, 6), st.integers(0, 20)), min_size=1, max_size=5
    ),
)
def test_any_sequence_of_world_sizes_sees_the_same_samples_in_the_same_order(length, seed, lives):
    state = None
    seen: list[int] = []
    for world_size, steps, extra in lives:
        ranks = [
            ElasticSampler(length, batch_size=world_size + extra, seed=seed, rank=rank, world_size=world_size)
            for rank in range(world_size)
        ]
        for rank in ranks:
            if state is not None:
                rank.load_state_dict(state)
        for batches in islice(zip(*ranks, strict=True), steps):
            seen += [index for batch in batches for index in batch]
            for rank in ranks:
                rank.advance()
        assert len({rank.consumed for rank in ranks}) == 1
        state = ranks[0].state_dict()
    assert seen == reference_order(length, seed, len(seen))


@given(length=st.integers(1, 50), seed=st.integers(0, 9))
def test_each_epoch_is_every_sample_once(length, seed):
    order = reference_order(length, seed, 3 * length)
    for epoch in range(3):
        assert sorted(order[epoch * length : (epoch + 1) * length]) == list(range(length))


def test_epochs_differ_and_so_do_seeds():
    order = reference_order(50, 1, 100)
    assert order[:50] != order[50:] != reference_order(50, 2, 50)


def test_the_order_is_the_same_for_ever():
    # Were this to change, runs that span an upgrade would see samples twice.
    assert reference_order(10, 7, 12) == [4, 5, 9, 8, 1, 7, 6, 0, 2, 3, 8, 6]


def test_reading_ahead_does_not_move_the_position():
    sampler = ElasticSampler(20, batch_size=4, seed=0, rank=0, world_size=1)
    ahead = list(islice(sampler, 3))
    sampler.advance()
    assert next(iter(sampler)) == ahead[1]


def test_epochs_end_the_stream_with_a_short_batch():
    sampler = ElasticSampler(10, batch_size=4, epochs=1, rank=0, world_size=1)
    assert [len(batch) for batch in sampler] == [4, 4, 2]
    for _ in range(4):
        sampler.advance()
    assert (sampler.consumed, sampler.epoch) == (10, 1)
    assert list(sampler) == []


def test_another_data_set_is_refused():
    state = ElasticSampler(10, batch_size=2, seed=1).state_dict()
    with pytest.raises(BadInput, match="length 10, this script's has 11"):
        ElasticSampler(11, batch_size=2, seed=1).load_state_dict(state)
    with pytest.raises(BadInput, match="seed 1"):
        ElasticSampler(10, batch_size=2, seed=2).load_state_dict(state)


@pytest.mark.parametrize(
    "wrong",
    [
        {"length": 0},
        {"batch_size": 1, "world_size": 2},
        {"rank": 2, "world_size": 2},
        {"rank": -1},
    ],
)
def test_what_makes_no_sense_is_refused(wrong):
    with pytest.raises(BadInput):
        ElasticSampler(**{"length": 10, "batch_size": 4, "rank": 0, "world_size": 1, **wrong})


def test_the_world_is_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    second = ElasticSampler(10, batch_size=4, seed=7)
    assert next(iter(second)) == reference_order(10, 7, 4)[2:]
