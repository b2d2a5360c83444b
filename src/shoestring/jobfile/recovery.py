"""Recovery: how often a job that fails by itself is started again (`resources.job_recovery`)."""

from dataclasses import dataclass

from shoestring.jobfile import read
from shoestring.jobfile.node import Kind, Node
from shoestring.jobfile.report import Report, did_you_mean

STRATEGIES = ("FAILOVER", "EAGER_NEXT_REGION", "NONE")
_KEYS = ("strategy", "max_restarts_on_errors", "recover_on_exit_codes")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Restarts after errors. Preemptions always recover, so SkyPilot's strategy has no say here."""

    max_restarts_on_errors: int = 0
    recover_on_exit_codes: tuple[int, ...] = ()


def read_recovery(node: Node, report: Report) -> Recovery:
    """A strategy's name, or a mapping."""
    if node.kind is Kind.SCALAR:
        _check_strategy(node, report)
        return Recovery()
    if node.kind is Kind.LIST:
        read.error(node, report, "expected a strategy or a mapping, found a list", allowed=", ".join(_KEYS))
        return Recovery()
    read.check_keys(node, report, _KEYS, unknown_is_error=False)
    if strategy := node.get("strategy"):
        _check_strategy(strategy, report)
    restarts, codes = node.get("max_restarts_on_errors"), node.get("recover_on_exit_codes")
    return Recovery(
        max_restarts_on_errors=(
            read.integer(restarts, report, minimum=0, maximum=1_000_000) or 0 if restarts else 0
        ),
        recover_on_exit_codes=_exit_codes(codes, report) if codes else (),
    )


def _exit_codes(node: Node, report: Report) -> tuple[int, ...]:
    items = node.items if node.kind is Kind.LIST else (node,)
    found = (read.integer(item, report, minimum=0, maximum=255) for item in items)
    return tuple(dict.fromkeys(code for code in found if code is not None))


def _check_strategy(node: Node, report: Report) -> None:
    """SkyPilot's plug-ins may register strategies, so a strange one is only pointed at."""
    written = read.text(node, report, allowed=", ".join(STRATEGIES))
    if written is not None and written.upper() not in STRATEGIES:
        hint = did_you_mean(written, STRATEGIES)
        read.warn(node, report, f"strategy {node.shown} is not one of SkyPilot's own.{hint}")
