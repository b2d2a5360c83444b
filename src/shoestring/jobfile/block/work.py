"""Work: how much there is to compute, in the terms the user knows it."""

import re

from shoestring.domain.workload import Flops, HoursOf, Probe, Steps, Tokens, Work
from shoestring.jobfile import read
from shoestring.jobfile.accelerators import NAMES, canonical
from shoestring.jobfile.block.model import parse_count
from shoestring.jobfile.node import Kind, Node
from shoestring.jobfile.report import Report, did_you_mean

DTYPES = ("fp32", "tf32", "bf16", "fp16", "fp8", "int8")
_FORMS = {
    "hours": ("hours", "accelerator"),
    "steps": ("steps", "steps_per_s"),
    "flops": ("flops", "mfu", "dtype"),
    "tokens": ("tokens", "mfu"),
}
_ALLOWED = (
    "probe, 12h on A100, {hours: 12, accelerator: A100}, {steps: 90000, steps_per_s: {A100: 2.5}}, "
    "{flops: 1e21, mfu: 0.4, dtype: bf16} or {tokens: 20B}"
)
_SHORT = re.compile(
    r"(?P<hours>\d{1,7}(?:\.\d{1,6})?)\s*(?:h|hours?)\s+on\s+(?P<accelerator>[A-Za-z0-9._-]{1,60})"
)


def read_work(node: Node, report: Report) -> Work | None:
    """``work:`` in any of its forms."""
    if node.kind is Kind.SCALAR:
        return _short(node, report)
    if node.kind is Kind.LIST:
        read.error(node, report, "expected one form of work, found a list", allowed=_ALLOWED)
        return None
    forms = [form for form in _FORMS if form in node.entries]
    if len(forms) != 1:
        found = " and ".join(forms) or "none"
        read.error(
            node, report, f"exactly one of hours, steps, flops and tokens; found {found}", allowed=_ALLOWED
        )
        return None
    read.check_keys(node, report, _FORMS[forms[0]], unknown_is_error=True)
    return {"hours": _hours, "steps": _steps, "flops": _flops, "tokens": _tokens}[forms[0]](node, report)


def _short(node: Node, report: Report) -> Work | None:
    written = read.text(node, report, allowed=_ALLOWED)
    if written is None:
        return None
    if written.casefold() == "probe":
        return Probe()
    match = _SHORT.fullmatch(written.strip())
    if match is None or float(match["hours"]) == 0:
        read.error(node, report, f"{node.shown} is no amount of work", allowed=_ALLOWED)
        return None
    accelerator = _known(node, report, match["accelerator"])
    return HoursOf(hours=float(match["hours"]), accelerator=accelerator) if accelerator else None


def _hours(node: Node, report: Report) -> Work | None:
    hours = read.number(node.entries["hours"], report, above=0, maximum=1e7)
    accelerator = node.get("accelerator")
    if accelerator is None:
        read.error(node, report, "hours without `accelerator`: hours on what?", allowed=_ALLOWED)
        return None
    written = read.text(accelerator, report)
    name = _known(accelerator, report, written) if written is not None else None
    return HoursOf(hours=hours, accelerator=name) if hours is not None and name else None


def _steps(node: Node, report: Report) -> Work | None:
    steps = read.integer(node.entries["steps"], report, minimum=1, maximum=10**15)
    speeds: dict[str, float] = {}
    if measured := node.get("steps_per_s"):
        for name, child in read.entries(measured, report, "{A100: 2.5}"):
            known, speed = _known(child, report, name), read.number(child, report, above=0, maximum=1e9)
            if known and speed is not None:
                speeds[known] = speed
    return Steps(steps=steps, steps_per_s=speeds) if steps is not None else None


def _flops(node: Node, report: Report) -> Work | None:
    flops = read.number(node.entries["flops"], report, above=0, maximum=1e30)
    mfu, dtype = node.get("mfu"), node.get("dtype")
    utilization = read.number(mfu, report, above=0, maximum=1) if mfu else None
    chosen = read.choice(dtype, report, DTYPES) if dtype else None
    return Flops(flops=flops, mfu=utilization, dtype=chosen or "bf16") if flops is not None else None


def _tokens(node: Node, report: Report) -> Work | None:
    tokens = read.convert(node.entries["tokens"], report, parse_count, allowed="a count, e.g. 20B")
    mfu = node.get("mfu")
    utilization = read.number(mfu, report, above=0, maximum=1) if mfu else None
    return Tokens(tokens=tokens, mfu=utilization) if tokens is not None else None


def _known(node: Node, report: Report, name: str) -> str | None:
    """An accelerator's name as catalogs write it, or ``cpu``."""
    if name.casefold() == "cpu":
        return "cpu"
    if found := canonical(name):
        return found
    hint = did_you_mean(name, NAMES)
    read.error(node, report, f"unknown accelerator.{hint}", allowed="e.g. A100, H100, L4, or cpu")
    return None
