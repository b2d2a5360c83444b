import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from shoestring.domain.errors import BadInput, CheckpointCorrupt
from shoestring.training import tree

plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
keys = st.text() | st.integers() | st.tuples(st.integers(), st.text())
nested = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
    ),
    max_leaves=20,
)


def there_and_back(value):
    tensors: tree.Tensors = {}
    data = tree.split(value, "x", tensors)
    assert tree.tensor_names(data) == set(tensors)
    return tree.join(data, tensors)


@given(nested)
def test_plain_values_come_back_as_they_were(value):
    again = there_and_back(value)
    assert again == value
    assert repr(again) == repr(value)  # 1 is not True, 0.0 is not -0.0, a tuple is no list


def test_not_a_number_comes_back():
    assert math.isnan(there_and_back(float("nan")))


def test_tensors_and_arrays_come_back():
    state = {
        "state": {0: {"step": torch.tensor(3.0), "m": torch.ones(2, 3, dtype=torch.bfloat16)}},
        "best": np.float64(0.25),
        "history": np.arange(6, dtype=np.int16).reshape(2, 3),
    }
    again = there_and_back(state)
    assert torch.equal(again["state"][0]["m"], state["state"][0]["m"])
    assert again["best"] == 0.25
    assert isinstance(again["best"], np.float64)
    assert again["history"].dtype == np.int16
    assert (again["history"] == state["history"]).all()


def test_keys_that_look_alike_keep_their_tensors_apart():
    again = there_and_back({1: torch.tensor(1), "1": torch.tensor(2), "$tensor": torch.tensor(3)})
    assert {key: value.item() for key, value in again.items()} == {1: 1, "1": 2, "$tensor": 3}


@pytest.mark.parametrize("value", [object(), {1, 2}, print, np.array(["a"]), np.array([object()]), 1j])
def test_what_would_need_a_pickle_is_refused_with_its_place(value):
    with pytest.raises(BadInput, match=r"scheduler/a/1 is a .*can't run code"):
        tree.split({"a": [0, value]}, "scheduler", {})


@pytest.mark.parametrize(
    "data",
    [
        {"$tensor": "gone"},
        {"$tensor": ["x"]},
        {"$bytes": "!"},
        {"$float": "x"},
        {"$tuple": 3},
        {"$items": [1]},
        {"$items": [[{"$tuple": []}, 1], [[], 2]]},
        {"$eval": "print(1)"},
    ],
)
def test_state_that_was_never_written_is_corrupt(data):
    with pytest.raises(CheckpointCorrupt):
        tree.join(data, {})
