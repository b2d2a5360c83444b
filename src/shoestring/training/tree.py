"""Split nested state into tensors (for torch's format) and plain JSON; put it together again.

Nothing but tensors and JSON is stored, so nothing needs to be unpickled. JSON's own gaps (tuples, keys that
are no strings, bytes, infinities) are written as objects with a single key that starts with ``$``.
"""

import base64
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from shoestring.domain.errors import BadInput, CheckpointCorrupt

Tensors = dict[str, torch.Tensor]


def split(value: Any, path: str, tensors: Tensors) -> Any:
    """JSON for ``value``; its tensors are added to ``tensors`` under names that start with ``path``.

    Raises:
        BadInput: something is neither a tensor nor plain; the message names its place.
    """
    if value is None or isinstance(value, bool | int | str) or type(value) is float:
        if isinstance(value, float) and not math.isfinite(value):
            return {"$float": repr(value)}
        return value
    if isinstance(value, torch.Tensor):
        return {"$tensor": _add(tensors, path, value)}
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biuf":
        kind = "$ndarray" if isinstance(value, np.ndarray) else "$scalar"
        return {kind: _add(tensors, path, torch.from_numpy(np.array(value)))}
    if isinstance(value, bytes | bytearray):
        return {"$bytes": base64.b64encode(value).decode()}
    if isinstance(value, list):
        return [split(item, f"{path}/{i}", tensors) for i, item in enumerate(value)]
    if isinstance(value, tuple):
        return {"$tuple": [split(item, f"{path}/{i}", tensors) for i, item in enumerate(value)]}
    if isinstance(value, Mapping):
        pairs = [(key, split(item, f"{path}/{key}", tensors)) for key, item in value.items()]
        if all(isinstance(key, str) and not key.startswith("$") for key, _ in pairs):
            return dict(pairs)
        return {"$items": [[split(key, f"{path}/key", tensors), item] for key, item in pairs]}
    raise BadInput(
        f"{path} is a {type(value).__module__}.{type(value).__qualname__}; a checkpoint holds tensors, arrays"
        " and plain values only, so that loading one can't run code",
        next_step="give the object a state_dict() of such values, or leave it out",
    )


def join(data: Any, tensors: Mapping[str, torch.Tensor]) -> Any:
    """The value that :func:`split` took apart. Raises CheckpointCorrupt for JSON that it never writes."""
    if isinstance(data, list):
        return [join(item, tensors) for item in data]
    if not isinstance(data, dict):
        return data
    kind = next(iter(data), "")
    if not kind.startswith("$"):
        return {key: join(item, tensors) for key, item in data.items()}
    content = data[kind]
    try:
        if kind == "$tensor":
            return tensors[content]
        if kind == "$ndarray":
            return tensors[content].numpy()
        if kind == "$scalar":
            return tensors[content].numpy()[()]
        if kind == "$bytes":
            return base64.b64decode(content, validate=True)
        if kind == "$float":
            return float(content)
        if kind == "$tuple":
            return tuple(join(item, tensors) for item in content)
        if kind == "$items":
            return {join(key, tensors): join(item, tensors) for key, item in content}
    except (KeyError, TypeError, ValueError) as error:
        raise CheckpointCorrupt(f"the checkpoint's state has a broken {kind}: {error!r}") from error
    raise CheckpointCorrupt(f"the checkpoint's state has an unknown {kind!r}")


def tensor_names(data: Any) -> set[str]:
    """Names of all tensors that :func:`join` will ask for."""
    if isinstance(data, list):
        return set().union(*map(tensor_names, data))
    if not isinstance(data, dict):
        return set()
    names = {str(name) for kind, name in data.items() if kind in ("$tensor", "$ndarray", "$scalar")}
    return names.union(*map(tensor_names, data.values()))


def _add(tensors: Tensors, path: str, tensor: torch.Tensor) -> str:
    name, other = path, 2
    while name in tensors:  # keys 1 and "1" share a path
        name, other = f"{path}~{other}", other + 1
    tensors[name] = tensor
    return name
