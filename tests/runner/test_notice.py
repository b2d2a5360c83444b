"""Given a provider that is about to take the node, then the job hears of it, by whichever way it is told."""

import json
import signal
import threading
import time
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from shoestring.domain.errors import BadInput
from shoestring.runner import notice
from shoestring.runner.notice import NoticePoller
from tests.runner.given import until

WAITS = 'echo up; while ! test -e "$SHOESTRING_SPOOL/runner/notice.json"; do sleep 0.05; done; echo heard'


class Metadata:
    """An instance's metadata: EC2's paths with tokens, or a way of being broken."""

    def __init__(self):
        self.action: bytes | None = None
        self.status = 200
        self.token = "first"
        self.asked: list[str] = []
        metadata = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self):
                self.answer(200, metadata.token.encode())

            def do_GET(self):
                metadata.asked.append(self.path)
                if self.headers["X-aws-ec2-metadata-token"] != metadata.token:
                    self.answer(401, b"")
                elif metadata.action is None:
                    self.answer(404, b"")
                else:
                    self.answer(metadata.status, metadata.action)

            def answer(self, status, body):
                self.send_response(status)
                self.send_header("Location", "/elsewhere")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def announce(self, until):
        moment = datetime.fromtimestamp(until, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.action = json.dumps({"action": "terminate", "time": moment}).encode()


@pytest.fixture
def metadata(monkeypatch):
    monkeypatch.setattr(notice, "TIMEOUT_S", 60.0)  # on a crowded machine the answer may take a while
    made = Metadata()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_notice_of_the_instance_metadata_reaches_the_job(spooled, metadata):
    job = spooled(run=WAITS, notice_url=metadata.url + "/", notice_poll_s=0.05).start().says(b"up")
    assert job.read().notice is None
    taken = float(int(time.time()) + 120)

    metadata.announce(taken)
    reading = job.finish()

    assert reading.exit["kind"] == "done" and job.log() == b"up\nheard\n"
    assert reading.notice["until"] == taken and reading.notice["source"] == "instance-metadata"


def test_a_signal_or_a_file_is_a_notice_too(spooled, tmp_path):
    job = spooled(run=WAITS).start().says(b"up")
    job.process.send_signal(signal.SIGUSR1)
    assert job.finish().notice["source"] == "sigusr1"

    sign = tmp_path / "leave"
    job = spooled(run=WAITS, notice_file=str(sign)).start().says(b"up")
    sign.touch()
    assert job.finish().notice == {"at": pytest.approx(time.time(), abs=120), "until": None, "source": "file"}


def test_only_a_job_that_asked_for_it_gets_a_signal_on_a_notice(spooled):
    script = "trap 'echo usr1; exit 85' USR1; echo up; while ! test -e stop; do sleep 0.05; done"
    job = spooled(run=script, notice_signal="SIGUSR1").start().says(b"up")
    job.process.send_signal(signal.SIGUSR1)

    assert job.finish().exit["kind"] == "saved" and job.log().endswith(b"usr1\n")


@pytest.mark.parametrize(
    "action",
    [b"", b"<html>", b'{"time": "soon"}', b'{"action": "stop"}', b"[]", b"\xff" * 100_000, b'{"time": 5}'],
)
def test_a_broken_answer_is_no_notice(metadata, action):
    metadata.action = action
    assert NoticePoller(metadata.url).look() is None


@pytest.mark.parametrize("status", [302, 403, 500, 503])
def test_any_other_status_is_no_notice_and_no_redirect_is_followed(metadata, status):
    metadata.announce(time.time())
    metadata.status = status

    assert NoticePoller(metadata.url).look() is None
    assert metadata.asked == ["/latest/meta-data/spot/instance-action"]


def test_an_expired_token_is_renewed(metadata):
    poller = NoticePoller(metadata.url)
    assert poller.look() is None
    metadata.token = "second"
    metadata.announce(time.time() + 60)

    assert poller.look() is None
    assert poller.look() is not None


def test_metadata_that_never_answers_holds_up_nothing(spooled):
    deaf = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)  # listens, and never accepts
    try:
        url = f"http://127.0.0.1:{deaf.server_address[1]}"
        job = spooled(run="for i in $(seq 5); do echo $i; sleep 0.1; done", notice_url=url)
        assert job.run().exit["kind"] == "done"
        assert job.log() == b"1\n2\n3\n4\n5\n"
    finally:
        deaf.server_close()


def test_an_address_that_can_not_be_asked_is_refused_before_anything_starts(spooled):
    for url in ("file:///etc/passwd", "ftp://here", "169.254.169.254", ""):
        with pytest.raises(BadInput):
            NoticePoller(url)
    job = spooled(run="echo up", notice_url="file:///etc/passwd").start()
    until(lambda: job.process.poll() is not None)
    assert job.process.returncode == 2 and job.log() == b""
