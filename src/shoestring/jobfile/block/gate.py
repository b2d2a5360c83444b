"""Gate: the quality that the result must keep."""

import re

from shoestring.domain.workload import GateSpec
from shoestring.jobfile import read
from shoestring.jobfile.node import Kind, Node
from shoestring.jobfile.report import Report

KEYS = ("metric", "at_least", "at_most", "margin")
_METRIC = re.compile(r"[A-Za-z][A-Za-z0-9_./@-]{0,99}")
_ALLOWED = "{metric: accuracy, at_least: 0.9} or {metric: loss, margin: 0.01}"


def read_gate(node: Node, report: Report) -> GateSpec | None:
    """``gate:``, a metric with a bound or a margin against the baseline."""
    if node.kind is not Kind.MAPPING:
        read.error(node, report, f"expected a mapping, found {node.shown}", allowed=_ALLOWED)
        return None
    read.check_keys(node, report, KEYS, unknown_is_error=True)
    metric_node = node.get("metric")
    if metric_node is None:
        read.error(node, report, "a gate without `metric`", allowed=_ALLOWED)
        return None
    metric = read.text(metric_node, report)
    if metric is not None and not _METRIC.fullmatch(metric):
        read.error(
            metric_node,
            report,
            f"{metric_node.shown} is no metric's name",
            allowed="e.g. accuracy, eval/loss",
        )
    least, most, margin = (node.get(key) for key in ("at_least", "at_most", "margin"))
    if not (least or most or margin):
        read.error(node, report, "a gate without a bound passes everything", allowed=_ALLOWED)
    gate = GateSpec(
        metric=metric or "?",
        at_least=read.number(least, report) if least else None,
        at_most=read.number(most, report) if most else None,
        margin=read.number(margin, report, minimum=0) if margin else None,
    )
    if gate.at_least is not None and gate.at_most is not None and gate.at_least > gate.at_most:
        read.error(
            node, report, f"at_least {gate.at_least:g} is above at_most {gate.at_most:g}", allowed=_ALLOWED
        )
    return gate if metric else None
