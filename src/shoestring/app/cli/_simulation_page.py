"""The picture of a simulated run: zones and decisions, prices, money and work over time. Needs plotly."""

from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from shoestring.app.report.figure import write_figure, write_image
from shoestring.domain.errors import BadInput
from shoestring.sim.known import KnownWindow, Played, Turn
from shoestring.workflows.simulate import Simulation

ON_DEMAND = "on-demand"
COLORS = {"spot": "#2a9d3a", "on_demand": "#1f77b4"}
MARKS = {
    "launch": "triangle-up",
    "wait": "circle-open",
    "release": "triangle-down",
    "lost": "x",
    "late": "diamond",
    "done": "star",
}
UP, DOWN = "#dff0e0", "#f3dedb"


def write_html(found: Simulation, path: Path) -> None:
    """Write a page that needs nothing else. Raises BadInput without plotly, or if the file can't be written."""
    write_figure(_figure(found, "--html"), path, "Simulated run")


def write_png(found: Simulation, path: Path) -> None:
    """Write an image. Raises BadInput without plotly, kaleido and a browser for it, or a writable file."""
    write_image(_figure(found, "--png"), path)


def _figure(found: Simulation, option: str) -> Any:
    try:
        from plotly.subplots import make_subplots
    except ImportError:
        raise BadInput(f"{option} needs plotly", next_step="pip install 'shoestring[report]'") from None
    window, shown = found.shown_window, found.shown
    figure = make_subplots(
        rows=3,
        cols=1,
        shared_xaxes=True,
        row_heights=[0.5, 0.25, 0.25],
        vertical_spacing=0.05,
        subplot_titles=("zones and decisions", "spot price, $/h", "spent, $, and work left, h (right)"),
        specs=[[{}], [{}], [{"secondary_y": True}]],
    )
    rows = _shown_rows(window, shown)
    _zones(figure, window, rows)
    _path(figure, shown)
    _prices(figure, window, rows)
    _money(figure, found)
    scene = found.scenes[0]
    figure.update_layout(
        title=f"{escape(shown.policy)} in {escape(shown.window)}: {shown.cost_usd:.2f} $, "
        f"the optimum is {scene.optimum_usd:.2f} $",
        template="plotly_white",
        legend={"orientation": "h", "y": -0.08},
    )
    deadline_h = found.job.deadline_steps * window.step_s / 3600
    figure.add_vline(x=deadline_h, line_dash="dash", line_color="#c0392b", annotation_text="deadline")
    figure.update_xaxes(title_text="hours from submission", row=3, col=1)
    figure.update_yaxes(rangemode="tozero", row=2, col=1)
    figure.update_yaxes(rangemode="tozero", row=3, col=1)
    figure.update_yaxes(title_text="hours", showgrid=False, tickmode="auto", row=3, col=1, secondary_y=True)
    return figure


def _shown_rows(window: KnownWindow, shown: Played) -> slice:
    """The rows from submission to the end of the run, or of the window if that comes first."""
    steps = max(1, round(shown.finish_h * 3600 / window.step_s))
    return slice(window.past, min(window.past + steps, len(window.available)))


def _hours(window: KnownWindow, rows: slice) -> Any:
    return np.arange(rows.stop - rows.start) * window.step_s / 3600


def _zones(figure: Any, window: KnownWindow, rows: slice) -> None:
    """A band for each zone, pale where spot was there."""
    import plotly.graph_objects as go

    up = window.available[rows].T.astype(int)
    figure.add_trace(
        go.Heatmap(
            x=_hours(window, rows) + window.step_s / 7200,
            y=[escape(zone) for zone in window.zones],
            z=up.tolist(),
            zmin=0,
            zmax=1,
            colorscale=[[0, DOWN], [1, UP]],
            showscale=False,
            ygap=3,
            hovertemplate="%{y}, %{x:.1f} h: spot %{customdata}<extra></extra>",
            customdata=np.where(up > 0, "up", "down").tolist(),
        ),
        row=1,
        col=1,
    )


def _path(figure: Any, shown: Played) -> None:
    """Where the run was, thick by market, and a mark with its reason for each turn."""
    import plotly.graph_objects as go

    for market, color in COLORS.items():
        xs: list[float | None] = []
        ys: list[str | None] = []
        for turn, until_h in _stays(shown):
            if turn.market == market:
                xs += [turn.at_h, until_h, None]
                ys += [_band(turn), _band(turn), None]
        if xs:
            name = ON_DEMAND if market == "on_demand" else market
            line = {"color": color, "width": 9}
            figure.add_trace(go.Scatter(x=xs, y=ys, mode="lines", name=name, line=line), row=1, col=1)
    band = _bands(shown)
    figure.add_trace(
        go.Scatter(
            x=[t.at_h for t in shown.turns],
            y=band,
            mode="markers",
            name="decisions",
            marker={"size": 9, "color": "#222222", "symbol": [MARKS[t.event] for t in shown.turns]},
            text=[_told(t) for t in shown.turns],
            hovertemplate="%{text}<extra></extra>",
        ),
        row=1,
        col=1,
    )


def _stays(shown: Played) -> list[tuple[Turn, float]]:
    """Each turn with the time at which the next one came."""
    ends = [*(t.at_h for t in shown.turns[1:]), shown.finish_h]
    return list(zip(shown.turns, ends, strict=True))


def _bands(shown: Played) -> list[str | None]:
    """The band that each mark stands on: where the run is, or was before it lost its place."""
    found: list[str | None] = []
    last: str | None = None
    for turn in shown.turns:
        last = _band(turn) if turn.place is not None else last
        found.append(last)
    return found


def _end_h(window: KnownWindow, rows: slice) -> float:
    """Hours from submission to the end of the last row."""
    return float((rows.stop - window.past) * window.step_s / 3600)


def _band(turn: Turn) -> str:
    return ON_DEMAND if turn.market == "on_demand" else escape(turn.place or "")


def _told(turn: Turn) -> str:
    why = "" if turn.reason is None else f"<br>{escape(turn.reason.code)}: {escape(turn.reason.text)}"
    return f"{turn.at_h:.1f} h, {turn.usd:.2f} $: {turn.event}{why}"


def _prices(figure: Any, window: KnownWindow, rows: slice) -> None:
    import plotly.graph_objects as go

    for column, zone in enumerate(window.zones):
        usd = window.spot_usd_per_hour[rows, column].tolist()
        figure.add_trace(
            go.Scatter(
                x=[*_hours(window, rows), _end_h(window, rows)],  # a price holds to the end of its step
                y=[*usd, usd[-1]],
                mode="lines",
                line={"shape": "hv", "width": 1},
                name=f"{escape(zone)} $/h",
            ),
            row=2,
            col=1,
        )


def _money(figure: Any, found: Simulation) -> None:
    """Dollars spent and work left, at each turn."""
    import plotly.graph_objects as go

    turns = found.shown.turns
    at = [t.at_h for t in turns]
    figure.add_trace(
        go.Scatter(x=at, y=[t.usd for t in turns], mode="lines+markers", name="spent, $"), row=3, col=1
    )
    figure.add_trace(
        go.Scatter(x=at, y=[t.work_left_h for t in turns], mode="lines", name="work left, h",
                   line={"dash": "dot"}),
        row=3, col=1, secondary_y=True,
    )  # fmt: skip
