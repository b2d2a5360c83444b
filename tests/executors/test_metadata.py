"""The instance-metadata endpoint: EC2's spot paths, for this machine only."""

import http.client
import json
from collections.abc import Iterator

import pytest

from shoestring.executors.metadata import Metadata
from shoestring.runner import notice
from shoestring.runner.notice import NoticePoller

TTL = {"X-aws-ec2-metadata-token-ttl-seconds": "60"}
ACTION = "/latest/meta-data/spot/instance-action"
REBALANCE = "/latest/meta-data/events/recommendations/rebalance"
UNTIL = 1_767_571_200.5  # 2026-01-05T00:00:00.500Z


@pytest.fixture
def metadata(monkeypatch: pytest.MonkeyPatch) -> Iterator[Metadata]:
    monkeypatch.setattr(notice, "TIMEOUT_S", 60.0)  # on a crowded machine the answer may take a while
    metadata = Metadata()
    yield metadata
    metadata.close()


def ask(metadata: Metadata, method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, str]:
    connection = http.client.HTTPConnection(metadata.url.removeprefix("http://"), timeout=60)
    try:
        connection.request(method, path, headers=headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def with_token(metadata: Metadata) -> dict[str, str]:
    status, token = ask(metadata, "PUT", "/latest/api/token", TTL)
    assert status == 200 and len(token) > 20
    return {"X-aws-ec2-metadata-token": token}


def test_it_listens_on_this_machine_only(metadata: Metadata) -> None:
    assert metadata.url.startswith("http://127.0.0.1:")


def test_there_is_nothing_to_tell_until_the_market_announces(metadata: Metadata) -> None:
    headers = with_token(metadata)

    assert ask(metadata, "GET", ACTION, headers)[0] == 404
    metadata.announce(UNTIL)
    status, body = ask(metadata, "GET", ACTION, headers)
    assert status == 200
    assert json.loads(body) == {"action": "terminate", "time": "2026-01-05T00:00:00.500Z"}
    assert json.loads(ask(metadata, "GET", REBALANCE, headers)[1]) == {
        "noticeTime": "2026-01-05T00:00:00.500Z"
    }


def test_the_runner_reads_the_notice(metadata: Metadata) -> None:
    poller = NoticePoller(metadata.url)
    assert poller.look() is None
    metadata.announce(UNTIL)

    notice = poller.look()
    assert notice is not None and notice["until"] == UNTIL


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("PUT", "/latest/api/token", {}, 400),
        ("PUT", "/latest/api/token", {**TTL, "Host": "evil.example"}, 403),
        ("PUT", "/latest/meta-data/", TTL, 404),
        ("GET", ACTION, {}, 401),
        ("GET", ACTION, {"X-aws-ec2-metadata-token": "guessed"}, 401),
        ("GET", ACTION, {"Host": "evil.example"}, 403),
        ("POST", ACTION, {}, 501),
        ("DELETE", ACTION, {}, 501),
    ],
)
def test_others_are_turned_away(
    metadata: Metadata, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    metadata.announce(UNTIL)

    assert ask(metadata, method, path, headers)[0] == status


@pytest.mark.parametrize(
    "path", ["/", "/latest/meta-data/iam/security-credentials/", "/latest/meta-data/../../etc/passwd"]
)
def test_it_knows_nothing_else(metadata: Metadata, path: str) -> None:
    metadata.announce(UNTIL)

    assert ask(metadata, "GET", path, with_token(metadata))[0] == 404
