"""An instance-metadata endpoint of one's own: the EC2 spot paths, on 127.0.0.1 only."""

import secrets
import threading
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from json import dumps


class Metadata:
    """Serves one instance. Until :meth:`announce` is called, the spot paths answer 404, as on EC2."""

    def __init__(self) -> None:
        self._until: float | None = None
        self._token = secrets.token_urlsafe(24)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.2}, daemon=True
        ).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def announce(self, until: float) -> None:
        """The instance will be taken back at ``until`` (seconds since the epoch)."""
        self._until = until

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _answer(self, path: str) -> str | None:
        if self._until is None:
            return None
        moment = datetime.fromtimestamp(self._until, UTC).isoformat(timespec="milliseconds")
        moment = moment.replace("+00:00", "Z")
        if path == "/latest/meta-data/spot/instance-action":
            return dumps({"action": "terminate", "time": moment})
        if path == "/latest/meta-data/spot/termination-time":
            return moment
        if path == "/latest/meta-data/events/recommendations/rebalance":
            return dumps({"noticeTime": moment})
        return None

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        metadata = self

        class Handler(BaseHTTPRequestHandler):
            timeout = 2.0

            def do_PUT(self) -> None:
                if not self._from_here():
                    self._send(403, "")
                elif self.path != "/latest/api/token":
                    self._send(404, "")
                elif not (self.headers.get("X-aws-ec2-metadata-token-ttl-seconds") or "").isdecimal():
                    self._send(400, "")
                else:
                    self._send(200, metadata._token)

            def do_GET(self) -> None:
                if not self._from_here():
                    self._send(403, "")
                elif self.headers.get("X-aws-ec2-metadata-token") != metadata._token:
                    self._send(401, "")
                else:
                    body = metadata._answer(self.path)
                    self._send(404 if body is None else 200, body or "")

            def _from_here(self) -> bool:
                """No page in a browser may read it through a name of its own (DNS rebinding)."""
                return (self.headers.get("Host") or "").partition(":")[0] in ("127.0.0.1", "localhost")

            def _send(self, code: int, body: str) -> None:
                data = body.encode()
                self.send_response(code)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: object) -> None:
                """Silent: the job's log is not the place."""

        return Handler
