"""The picture of a plan: cost against finish, one page that needs nothing else. Needs plotly."""

from collections.abc import Mapping
from html import escape
from pathlib import Path
from typing import Any

from shoestring.app.report.figure import write_figure, write_image
from shoestring.domain.errors import BadInput
from shoestring.domain.plan import Option, Plan

SPECIAL: Mapping[str, str] = {"chosen": "#2a9d3a", "the file as it stands": "#b3589a", "runner-up": "#1f77b4"}


def write_page(found: Plan, path: Path) -> None:
    """Write the page.

    Raises:
        BadInput: plotly is not installed, the work is unknown, or the file can't be written.
    """
    write_figure(_figure(found, "--html"), path, "Plan")


def write_png(found: Plan, path: Path) -> None:
    """Write the same picture as an image.

    Raises:
        BadInput: as for :func:`write_page`, or kaleido or a browser for it is missing.
    """
    write_image(_figure(found, "--png"), path)


def _figure(found: Plan, option: str) -> Any:
    try:
        import plotly.graph_objects as go
    except ImportError:
        raise BadInput(f"{option} needs plotly", next_step="pip install 'shoestring[report]'") from None
    shown = [o for o in found.options if o.expected_cost_usd is not None and o.expected_finish_h is not None]
    if not shown:
        text, step = (
            "nothing can be run, so there is nothing to draw",
            "shoestring plan JOB says what to loosen",
        )
        if found.options:
            text, step = "without `work` there is no cost to draw", "give `work:`, or shoestring probe"
        raise BadInput(f"{option}: {text}", next_step=step)
    figure = go.Figure()
    for name, color, options in _groups(found, shown):
        cost = [o.expected_cost_usd or 0 for o in options]
        ends = [o.expected_finish_h or 0 for o in options]
        figure.add_trace(
            go.Scatter(
                x=ends,
                y=cost,
                mode="markers",
                name=_label(name, options),
                marker={"size": 11, "color": color},
                hovertext=[_hover(o) for o in options],
                hoverinfo="text",
                error_x=_up_to([o.p90_finish_h for o in options], ends),
                error_y=_up_to([o.p90_cost_usd for o in options], cost),
            )
        )
    figure.update_layout(
        title="Cost of the finished job against its end; bars reach to P90",
        xaxis={"title": "hours from submission", "rangemode": "tozero"},
        yaxis={"title": "US dollars", "rangemode": "tozero", "tickprefix": "$"},
        legend={"orientation": "h", "y": -0.14},
        margin={"b": 120},
        template="plotly_white",
    )
    return figure


def _label(name: str, options: list[Option]) -> str:
    """A special option is named in full, a market with how many of it are shown."""
    only = options[0]
    if name in SPECIAL:
        return escape(f"{name}: {only.accelerator}:{only.count:g} {only.market} at {only.provider}")
    return f"{name} ({len(options)})"


def _hover(o: Option) -> str:
    numbers = (
        f"{o.expected_cost_usd or 0:.2f} $ (P90 {o.p90_cost_usd or 0:.2f}), {o.expected_finish_h or 0:.1f} h"
    )
    return f"{escape(o.offer_id)}<br>{numbers}<br>{escape(o.reason)}"


def _groups(found: Plan, shown: list[Option]) -> list[tuple[str, str, list[Option]]]:
    """Baseline, choice, runner-up, and the rest by market; each option stands once, in its first group."""
    special = zip((found.chosen, found.baseline, found.runner_up), SPECIAL, SPECIAL.values(), strict=True)
    groups: list[tuple[str, str, list[Option]]] = []
    drawable, placed = {o.offer_id for o in shown}, set[str]()
    for option, name, color in special:
        if option is not None and option.offer_id in drawable - placed:
            groups.append((name, color, [option]))
            placed.add(option.offer_id)
    rest = [o for o in shown if o.offer_id not in placed]
    colors = {"spot": "#d98c1f"}
    return groups + [
        (market, colors.get(market, "#9aa5b1"), [o for o in rest if o.market == market])
        for market in sorted({o.market for o in rest})
    ]


def _up_to(p90: list[float | None], expected: list[float]) -> dict[str, object]:
    high = [max((p or e) - e, 0.0) for p, e in zip(p90, expected, strict=True)]
    return {
        "type": "data",
        "symmetric": False,
        "array": high,
        "arrayminus": [0.0] * len(high),
        "thickness": 1,
    }
