"""Model: how large it is and how it is trained, so that what does not fit is known before it is paid for."""

import re
from enum import StrEnum
from typing import TypeVar

from shoestring.domain.model import ModelSpec, Recompute
from shoestring.jobfile import read
from shoestring.jobfile.node import Kind, Node
from shoestring.jobfile.report import Report

KEYS = ("params", "active_params", "kind", "precision", "optimizer", "method", "lora_rank", "sharding",
        "tensor_parallel", "activation_checkpointing", "batch", "sequence", "layers", "hidden", "heads",
        "vocab")  # fmt: skip
WHOLE = {"lora_rank": 65_536, "tensor_parallel": 1024, "batch": 10**6, "sequence": 10**9, "layers": 100_000,
         "hidden": 10**7, "heads": 10**6, "vocab": 10**8}  # fmt: skip
ALLOWED = "7B or {params: 7B, precision: bf16, optimizer: adamw, sharding: fsdp, batch: 4, sequence: 4096}"
_COUNT = re.compile(r"(?P<number>\d{1,15}(?:\.\d{1,12})?(?:e\+?\d{1,2})?)\s*(?P<unit>[kmbt]?)", re.IGNORECASE)
_UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "b": 1e9, "t": 1e12}
_LARGEST = 1e16
Word = TypeVar("Word", bound=StrEnum)


def parse_count(written: str) -> float:
    """A large count as people write it.

    >>> parse_count("7B"), parse_count("350M"), parse_count("1.5e9")
    (7000000000.0, 350000000.0, 1500000000.0)
    """
    match = _COUNT.fullmatch(written.strip())
    if match is None:
        raise ValueError(f"{written!r} is no count; write e.g. 7B, 350M, 1.5e9")
    found = float(match["number"]) * _UNITS[match["unit"].lower()]
    if not 0 < found <= _LARGEST:
        raise ValueError(f"{written!r} is out of range: above 0, at most {_LARGEST:g}")
    return found


def read_model(node: Node, report: Report) -> ModelSpec | None:
    """``model:``, its size or a mapping."""
    if node.kind is Kind.LIST:
        read.error(node, report, "expected one model, found a list", allowed=ALLOWED)
        return None
    if node.kind is Kind.SCALAR:
        size = read.convert(node, report, parse_count, allowed=ALLOWED)
        return None if size is None else ModelSpec(params=size)
    read.check_keys(node, report, KEYS, unknown_is_error=True)
    params_node, active_node = node.get("params"), node.get("active_params")
    if params_node is None:
        read.error(node, report, "a model without `params`: how large is it?", allowed=ALLOWED)
        return None
    params = read.convert(params_node, report, parse_count, allowed="a count, e.g. 7B")
    active = (
        read.convert(active_node, report, parse_count, allowed="a count, e.g. 3B") if active_node else None
    )
    if active_node and active and params and active > params:
        read.error(active_node, report, f"{active_node.shown} is more than the {params:g} that it is part of",
                   allowed="at most `params`")  # fmt: skip
    whole = {
        name: found
        for name, most in WHOLE.items()
        if (child := node.get(name))
        and (found := read.integer(child, report, minimum=1, maximum=most)) is not None
    }
    if params is None:
        return None
    usual = ModelSpec(params=params)
    return ModelSpec(
        params=params,
        active_params=active,
        kind=_word(node, "kind", report, usual.kind),
        precision=_word(node, "precision", report, usual.precision),
        optimizer=_word(node, "optimizer", report, usual.optimizer),
        method=_word(node, "method", report, usual.method),
        sharding=_word(node, "sharding", report, usual.sharding),
        recompute=_recompute(node.get("activation_checkpointing"), report, usual.recompute),
        **whole,
    )


def _word(node: Node, key: str, report: Report, usual: Word) -> Word:
    child, known = node.get(key), type(usual)
    written = read.choice(child, report, known) if child else None
    return known(written) if written else usual


def _recompute(node: Node | None, report: Report, usual: Recompute) -> Recompute:
    """none, selective or full; true is full, false is selective, as scripts switch it on and off."""
    if node is None:
        return usual
    if isinstance(node.value, bool):
        return Recompute.FULL if node.value else Recompute.SELECTIVE
    written = read.choice(node, report, Recompute)
    return Recompute(written) if written else usual
