"""Renders the report's document as one page that needs nothing else and runs nothing but its own two scripts.

Whatever people wrote (names, labels, reasons) reaches the page in two ways only: as text that Jinja escapes, and as
JSON in a block that browsers do not run, with every ``<``, ``>`` and ``&`` spelled out. The page's own scripts are
named by their hashes in its Content-Security-Policy, so that markup that slipped in anyway would not run either, and
nothing could be sent anywhere.
"""

import base64
import hashlib
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

from shoestring.app.report.words import FILTERS
from shoestring.domain.errors import BadInput
from shoestring.domain.text import printable

ASSETS = files("shoestring.app.report") / "assets"
SCRIPTS = ("core.js", "charts.js", "timeline.js", "drill.js", "tables.js", "page.js")
RUNS_SHOWN = 500
# Plotly brings the style of maps, which the page has none of, unless something with this id is there already.
STYLE_ID = re.compile(r'getElementById\("([0-9a-f]{64})"\)')


def render(document: Mapping[str, Any]) -> str:
    """The page of a document made by `workflows.report`. Raises BadInput without plotly and jinja2."""
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise BadInput(
            "--html needs plotly and jinja2", next_step="pip install 'shoestring[report]'"
        ) from None
    environment = Environment(
        loader=PackageLoader("shoestring.app.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(FILTERS)
    safe = printable_values(document)
    plotly, own, style = get_plotlyjs(), own_script(), asset("plotly.css") + asset("report.css")
    return environment.get_template("page.html").render(
        d=safe,
        runs=safe["runs"][:RUNS_SHOWN],
        more_runs=max(0, len(safe["runs"]) - RUNS_SHOWN),
        by_team=_by_first(safe["costs"]),
        data=json_block(safe),
        policy=policy(scripts=(plotly, own), style=style),
        plotly=inline(plotly),
        own=inline(own),
        style=style,
        stands_in=STYLE_ID.findall(plotly),
    )


def policy(*, scripts: tuple[str, ...], style: str, drawn_images: bool = False) -> str:
    """A Content-Security-Policy that lets exactly these scripts and this style in, and nothing out.

    ``style-src-attr`` stays closed too: the page has no style attributes.

    Args:
        drawn_images: let images in that the page holds itself, as plotly draws heat maps; none is ever loaded.
    """
    images = "img-src data:; " if drawn_images else ""
    names = " ".join(f"'{digest(script)}'" for script in scripts)
    return (
        f"default-src 'none'; script-src {names}; style-src '{digest(style)}'; "
        f"{images}base-uri 'none'; form-action 'none'"
    )


def digest(text: str) -> str:
    """A script's or style's name in a policy (CSP Level 3, hash-source).

    >>> digest("")
    'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='
    """
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def json_block(value: Any) -> str:
    r"""JSON that may stand inside a ``<script type="application/json">``: no character of markup is in it.

    >>> print(json_block({"name": "</script><!--"}))
    {"name": "\u003c/script\u003e\u003c!--"}
    """
    text = json.dumps(value, ensure_ascii=True, allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def printable_values(value: Any) -> Any:
    """The same plain data with every text made printable: nothing in it reverses or hides its neighbors."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, Mapping):
        return {printable(str(key)): printable_values(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [printable_values(item) for item in value]
    return value


def own_script() -> str:
    """Our own script: the assets in order, in one function, so that no name of theirs leaks."""
    return "(() => {\n'use strict';\n" + "\n".join(asset(name) for name in SCRIPTS) + "\n})();\n"


def asset(name: str) -> str:
    return (ASSETS / name).read_text(encoding="utf-8")


def inline(script: str) -> str:
    """A script as the body of an element; ours and plotly's hold nothing that would end it."""
    assert "</script" not in script.lower() and "<!--" not in script, "would end the script element"
    return script


def _by_first(costs: Mapping[str, Any]) -> list[tuple[str | None, float]]:
    """Cost by the first dimension: the table as it stands before anybody drills, and without JavaScript."""
    first = costs["dimensions"][0]
    sums: dict[str | None, float] = {}
    for cell in costs["cells"]:
        sums[cell[first]] = sums.get(cell[first], 0.0) + cell["usd"]
    return sorted(sums.items(), key=lambda pair: (-pair[1], pair[0] or ""))
