"""The picture of a plan: cost against finish, one page that needs nothing else. Needs plotly."""

from html import escape
from pathlib import Path

from shoestring.app.report.figure import write_figure
from shoestring.domain.errors import BadInput
from shoestring.domain.plan import Option, Plan


def write_page(found: Plan, path: Path) -> None:
    """Write the page.

    Raises:
        BadInput: plotly is not installed, the work is unknown, or the file can't be written.
    """
    try:
        import plotly.graph_objects as go
    except ImportError:
        raise BadInput("--html needs plotly", next_step="pip install 'shoestring[report]'") from None
    shown = [o for o in found.options if o.expected_cost_usd is not None and o.expected_finish_h is not None]
    if not shown:
        raise BadInput(
            "--html: without `work` there is no cost to draw", next_step="give `work:`, or shoestring probe"
        )
    figure = go.Figure()
    for name, color, options in _groups(found, shown):
        cost = [o.expected_cost_usd or 0 for o in options]
        ends = [o.expected_finish_h or 0 for o in options]
        figure.add_trace(
            go.Scatter(
                x=ends,
                y=cost,
                mode="markers",
                name=name,
                marker={"size": 11, "color": color},
                text=[f"{escape(o.offer_id)}<br>{escape(o.reason)}" for o in options],
                error_x=_up_to([o.p90_finish_h for o in options], ends),
                error_y=_up_to([o.p90_cost_usd for o in options], cost),
            )
        )
    figure.update_layout(
        title="Cost of the finished job; bars reach to P90",
        xaxis_title="hours from submission",
        yaxis_title="US dollars",
        template="plotly_white",
    )
    write_figure(figure, path, "Plan")


def _groups(found: Plan, shown: list[Option]) -> list[tuple[str, str, list[Option]]]:
    """Baseline, choice, runner-up, and the rest by market; each option stands once, in its first group."""
    special = ((found.chosen, "chosen", "#2a9d3a"), (found.baseline, "the file as it stands", "#444444"),
               (found.runner_up, "runner-up", "#1f77b4"))  # fmt: skip
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
