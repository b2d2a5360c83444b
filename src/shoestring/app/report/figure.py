"""One picture as a page of its own, under the report's policy: its own two scripts run, and nothing leaves it."""

import json
from html import escape
from pathlib import Path
from typing import Any

from shoestring.app.report.page import STYLE_ID, asset, inline, json_block, policy, printable_values
from shoestring.app.whole_file import write_whole
from shoestring.domain.errors import BadInput

OWN_STYLE = """:root { color-scheme: light dark; --ink: #1c2024; --paper: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e8ea; --paper: #15181b; } }
html, body { margin: 0; height: 100vh; overflow: hidden; background: var(--paper); color: var(--ink);
  font-family: system-ui, sans-serif; }
#figure { width: 100%; height: 100%; min-height: 34rem; }
noscript p { padding: 1rem; }
@media print { #figure { height: 18cm; } }
"""
STYLE = asset("plotly.css") + OWN_STYLE
SCRIPT = """(() => {
'use strict';
const figure = JSON.parse(document.getElementById('data').textContent);
const dark = window.matchMedia('(prefers-color-scheme: dark)');
const place = document.getElementById('figure');
const bare = JSON.stringify(figure.layout);
const axis = (ink, line) => ({gridcolor: line, zerolinecolor: line, linecolor: line, color: ink});
const draw = (isDark) => {
  const layout = JSON.parse(bare);
  const [ink, paper, line] = isDark ? ['#e6e8ea', '#15181b', '#3a4046'] : ['#1c2024', '#ffffff', '#dfe3e6'];
  Object.assign(layout, {paper_bgcolor: paper, plot_bgcolor: paper, font: {...layout.font, color: ink}});
  for (const name of Object.keys(layout)) {
    if (/^[xy]axis\\d*$/.test(name)) Object.assign(layout[name], axis(ink, line));
  }
  Plotly.react(place, figure.data, layout, {responsive: true, displayModeBar: false});
};
dark.addEventListener('change', (event) => draw(event.matches));
window.addEventListener('beforeprint', () => draw(false));
window.addEventListener('afterprint', () => draw(dark.matches));
draw(dark.matches);
document.documentElement.dataset.ready = 'true';
})();
"""


def write_figure(figure: Any, path: Path, title: str) -> None:
    """Write a plotly figure as a page that needs nothing else.

    Raises:
        BadInput: the file can't be written; what was there before stays.
    """
    write_whole(path, figure_page(figure.to_plotly_json(), title), "--html")


def write_image(figure: Any, path: Path) -> None:
    """Write a plotly figure as a PNG image.

    Raises:
        BadInput: kaleido or a browser for it is missing, or the file can't be written; what was there stays.
    """
    try:
        image: bytes = figure.to_image(format="png", width=1300, height=800, scale=2)
    except (
        ValueError,
        RuntimeError,
        OSError,
    ) as error:  # plotly's without kaleido, kaleido's without a browser
        first = next(iter(str(error).strip().splitlines()), type(error).__name__)
        step = "pip install 'shoestring[png]' and have a Chrome, or --html"
        raise BadInput(f"--png: {first}", next_step=step) from None
    write_whole(path, image, "--png")


def figure_page(figure: dict[str, Any], title: str) -> str:
    """The page. Texts of others are data of the picture: plotly shows them as text, the page as nothing."""
    from plotly.io import to_json
    from plotly.offline import get_plotlyjs

    plotly = get_plotlyjs()
    stands_in = "".join(f'<template id="{name}"></template>' for name in STYLE_ID.findall(plotly))
    data = json_block(printable_values(json.loads(to_json(figure, validate=False))))
    allowed = policy(scripts=(plotly, SCRIPT), style=STYLE, drawn_images=True)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{escape(allowed)}">
<meta name="referrer" content="no-referrer">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)} · shoestring</title>
<style id="plotly.js-style-global" class="no-inline-styles">{STYLE}</style>
</head>
<body>
<main id="figure" aria-label="{escape(title)}"></main>
<noscript><p>This picture needs JavaScript; --json has the same figures.</p></noscript>
{stands_in}
<script type="application/json" id="data">{data}</script>
<script>{inline(plotly)}</script>
<script>{SCRIPT}</script>
</body>
</html>
"""
