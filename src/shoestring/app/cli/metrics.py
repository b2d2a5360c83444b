"""`shoestring metrics`."""

import sys
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated

import typer

from shoestring.app.cli._show import console, print_json
from shoestring.app.lookup import status_rows
from shoestring.app.place import home
from shoestring.app.whole_file import write_whole
from shoestring.domain.errors import BadInput
from shoestring.ledger.budgets import BudgetStatus
from shoestring.workflows.metrics import exposition

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def command(
    file: Annotated[
        Path | None, typer.Option(help="Write it here, whole or not at all, for a textfile collector.")
    ] = None,
    port: Annotated[int | None, typer.Option(help="Serve it on this port instead.", min=1, max=65535)] = None,
    address: Annotated[str, typer.Option(help="Where to listen.")] = "127.0.0.1",
    last: Annotated[int, typer.Option("--last", help="How many runs, newest first.", min=1)] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Runs and budgets for Prometheus: printed, written to a file, or served on /metrics until Ctrl-C."""
    if as_json:
        print_json({"runs": status_rows(None, last), "budgets": [b.budget.name for b in _budgets()]})
    elif port is not None:
        if file is not None:
            raise BadInput("both --file and --port were given", next_step="leave one of them out")
        _serve(address, port, last)
    elif file is not None:
        write_whole(file, exposition(status_rows(None, last), _budgets()), "--file")
    else:
        sys.stdout.write(exposition(status_rows(None, last), _budgets()))


def _budgets() -> tuple[BudgetStatus, ...]:
    """Where budgets stand; none where the ledger has none, which is told without a database."""
    from shoestring.store.budget_book import NAME

    ledger = home() / "ledger"
    if not (ledger / NAME).exists():
        return ()
    from shoestring.app.commitments import commitments
    from shoestring.store.charges import ChargeStore
    from shoestring.workflows.budgets import standing

    return standing(ChargeStore(ledger), today=datetime.now(UTC).date(), commitments=commitments())


def _serve(address: str, port: int, last: int) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404, "only /metrics is here")
                return
            body = exposition(status_rows(None, last), _budgets()).encode()
            self.send_response(200)
            self.send_header("Content-Type", CONTENT_TYPE)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *given: object) -> None:
            """A scrape every few seconds is no news."""

    try:
        server = ThreadingHTTPServer((address, port), Handler)
    except OSError as error:
        raise BadInput(
            f"{address}:{port}: {error.strerror or error}", next_step="give another --port"
        ) from None
    console().print(f"http://{address}:{port}/metrics")
    with server:
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return
