"""A price service on this machine: answers in the recorded shapes of the real ones, and misbehaves on request."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass
class Answer:
    """What to send: ``body`` as JSON unless it is bytes."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


Respond = Callable[[str, dict[str, list[str]], bytes, dict[str, str]], Answer]


@dataclass
class Service:
    """A running one. ``asked``: path and headers of each request."""

    url: str
    asked: list[tuple[str, dict[str, str]]]


@contextmanager
def serving(respond: Respond | Answer) -> Iterator[Service]:
    """Serve until the block ends; ``respond`` gets path, query, body and headers (names in lower case)."""
    asked: list[tuple[str, dict[str, str]]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked.append((self.path, headers))
            body = self.rfile.read(int(headers.get("content-length", 0)))
            found = (
                respond(parts.path, parse_qs(parts.query), body, headers) if callable(respond) else respond
            )
            content = found.body if isinstance(found.body, bytes) else json.dumps(found.body).encode()
            self.send_response(found.status)
            for name, value in {"Content-Length": str(len(content)), **found.headers}.items():
                self.send_header(name, value)
            self.send_header("Connection", "close")
            self.end_headers()
            if found.status != 304:
                self.wfile.write(content)
            self.close_connection = True

        do_GET = do_POST = answer

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield Service(f"http://127.0.0.1:{server.server_port}", asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
