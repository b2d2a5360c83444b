"""`shoestring logs`."""

import sys
import time
from typing import Annotated

import typer

from shoestring.app.logs import LogReader
from shoestring.app.lookup import supervised
from shoestring.app.site import find_site
from shoestring.domain.text import printable

POLL_S = 0.3


def command(
    run: Annotated[
        str | None, typer.Argument(help="Run id or its beginning; default: the newest run.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on until the run is at its end.")
    ] = False,
    raw: Annotated[bool, typer.Option("--raw", help="Bytes as the job wrote them, escapes and all.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line of log.")] = False,
) -> None:
    """Show what a run printed, over all its attempts in order."""
    site = find_site(run)
    reader = LogReader(site)
    while True:
        at_end = reader.at_end() or not supervised(site)
        for attempt, chunk in reader.read():
            _write(attempt, chunk, raw=raw, as_json=as_json)
        sys.stdout.flush()
        if not follow or at_end:
            return
        time.sleep(POLL_S)


def _write(attempt: str, chunk: bytes, *, raw: bool, as_json: bool) -> None:
    if raw:
        sys.stdout.buffer.write(chunk)
        return
    text = chunk.decode("utf-8", errors="replace")
    if as_json:
        import json

        for line in text.splitlines():
            sys.stdout.write(json.dumps({"attempt": attempt, "line": line}) + "\n")
        return
    sys.stdout.write(printable(text.replace("\r\n", "\n").replace("\r", "\n"), multiline=True))
