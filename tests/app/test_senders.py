"""Given somebody to tell, when a notice is sent, then it arrives, or the failure says so without the secret."""

import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from shoestring.app import senders
from shoestring.app.senders import TRIES, by_apprise, by_email, by_webhook
from shoestring.domain.errors import BadInput, ShoestringError
from shoestring.workflows.notices import Notice

TOLD = (
    Notice(
        id="used-up/team=vision/2026-01", kind="budget_used_up", text="the budget of team=vision is used up"
    ),
)


@contextmanager
def serving(server: socketserver.BaseServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]  # type: ignore[misc]
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


def a_webhook(codes: list[int], got: list[Any]) -> HTTPServer:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(codes.pop(0))
            self.end_headers()

        def log_message(self, *given: Any) -> None: ...

    return HTTPServer(("127.0.0.1", 0), Handler)


class Mail(socketserver.StreamRequestHandler):
    """Just enough SMTP to take one message."""

    got: list[str] = []  # noqa: RUF012  one server, one test

    def handle(self) -> None:
        self.wfile.write(b"220 test\r\n")
        data = False
        for line in self.rfile:
            text = line.decode().rstrip("\r\n")
            self.got.append(text)
            if data:
                data = text != "."
                if not data:
                    self.wfile.write(b"250 taken\r\n")
                continue
            word = text[:4].upper()
            data = word == "DATA"
            self.wfile.write(
                b"354 go on\r\n" if data else b"221 bye\r\n" if word == "QUIT" else b"250 ok\r\n"
            )
            if word == "QUIT":
                return


def test_a_webhook_gets_the_text_and_the_parts() -> None:
    got: list[Any] = []
    with serving(a_webhook([200], got)) as port:
        by_webhook(f"http://127.0.0.1:{port}/hook", TOLD)

    (body,) = got
    assert body["text"] == TOLD[0].text and body["notices"][0]["id"] == TOLD[0].id


def test_what_may_pass_is_tried_again_and_what_is_refused_is_not() -> None:
    got: list[Any] = []
    with serving(a_webhook([503, 200, 403], got)) as port:
        by_webhook(f"http://127.0.0.1:{port}/hook", TOLD, sleep=lambda s: None)
        assert len(got) == 2
        with pytest.raises(ShoestringError, match="answered 403"):
            by_webhook(f"http://127.0.0.1:{port}/hook", TOLD, sleep=lambda s: None)
    assert len(got) == 3


def test_a_failure_never_shows_the_secret_in_the_address() -> None:
    naps: list[float] = []
    with pytest.raises(ShoestringError) as failed:
        by_webhook("http://127.0.0.1:9/services/s3cr3t", TOLD, sleep=naps.append)

    assert "s3cr3t" not in str(failed.value) and "127.0.0.1" in str(failed.value)
    assert len(naps) == TRIES - 1
    for url in ("file:///etc/passwd", "ftp://host/s3cr3t", "s3cr3t"):
        with pytest.raises(BadInput) as refused:
            by_webhook(url, TOLD)
        assert "s3cr3t" not in str(refused.value)


class Rude(socketserver.StreamRequestHandler):
    """Answers whatever it is told to, and counts how often it was asked."""

    reply: bytes = b""
    drips = False
    asked = 0

    def handle(self) -> None:
        type(self).asked += 1
        self.request.settimeout(5)
        while self.rfile.readline().strip():
            pass
        with suppress(OSError):
            self.wfile.write(self.reply)
            while self.drips:
                self.wfile.write(b"x")
                threading.Event().wait(0.01)


def rude(reply: bytes, *, drips: bool = False) -> tuple[type[Rude], socketserver.ThreadingTCPServer]:
    handler = type("Asked", (Rude,), {"reply": reply, "drips": drips, "asked": 0})
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler)
    server.daemon_threads, server.block_on_close = True, False
    return handler, server


@pytest.mark.parametrize(
    "reply",
    [
        b"no http at all\r\n\r\n",
        b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"HTTP/1.1 9999999999 OK\r\n\r\n",
        b"\x00" * 1_000,
        b"",
    ],
)
def test_a_reply_that_is_none_is_a_failure_in_words(reply: bytes) -> None:
    handler, server = rude(reply)
    with (
        serving(server) as port,
        pytest.raises(ShoestringError, match="was not reached in 3 tries") as failed,
    ):
        by_webhook(f"http://127.0.0.1:{port}/s3cr3t", TOLD, sleep=lambda s: None)
    assert handler.asked == TRIES and "s3cr3t" not in str(failed.value)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize(
    "to", ["/elsewhere", "file:///etc/passwd", "http://127.0.0.1:9/", "ftp://127.0.0.1/x"]
)
def test_a_webhook_that_sends_us_elsewhere_has_not_been_told(code: int, to: str) -> None:
    handler, server = rude(f"HTTP/1.1 {code} Moved\r\nLocation: {to}\r\n\r\n".encode())
    with serving(server) as port, pytest.raises(ShoestringError, match=f"answered {code}"):
        by_webhook(f"http://127.0.0.1:{port}/hook", TOLD, sleep=lambda s: None)
    assert handler.asked == 1


def test_a_body_without_end_is_not_waited_for() -> None:
    _, server = rude(b"HTTP/1.1 200 OK\r\n\r\n", drips=True)
    with serving(server) as port:
        by_webhook(f"http://127.0.0.1:{port}/hook", TOLD)


def test_an_answer_that_drips_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(senders, "WHOLE_S", 0.1)
    handler, server = rude(b"HTTP/1.1 200 ", drips=True)
    with serving(server) as port, pytest.raises(ShoestringError, match="TimeoutError"):
        by_webhook(f"http://127.0.0.1:{port}/hook", TOLD, sleep=lambda s: None)
    assert handler.asked == TRIES


def test_an_email_arrives_whole() -> None:
    with serving(socketserver.TCPServer(("127.0.0.1", 0), Mail)) as port:
        by_email("lead@example.org", "me@example.org", f"127.0.0.1:{port}", TOLD)

    assert TOLD[0].text in Mail.got and "To: lead@example.org" in Mail.got


def test_an_address_with_a_line_break_is_refused() -> None:
    with pytest.raises(BadInput):
        by_email("a@example.org\nBcc: all@example.org", "me@example.org", "127.0.0.1:9", TOLD)


def test_without_apprise_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "apprise", None)
    with pytest.raises(BadInput, match="not installed"):
        by_apprise("json://127.0.0.1", TOLD)
