"""Is the provider about to take this node back? Asks an endpoint that speaks EC2's instance metadata.

Source: EC2 user guide, "Spot Instance interruption notices" (spot/instance-action: 404 until there is one,
then {"action", "time"}) and IMDSv2 (PUT latest/api/token first).
"""

import http.client
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

from shoestring.domain.errors import BadInput

TIMEOUT_S = 1.0
TOKEN_TTL_S = 21600
ANSWER_BYTES = 65536
PATH = "/latest/meta-data/spot/instance-action"


class NoticePoller:
    """One endpoint. Whatever goes wrong is no notice: a node must not stop because its metadata is slow.

    No proxy is used and no redirect is followed: metadata is always next door.
    """

    def __init__(self, base_url: str) -> None:
        parts = urlsplit(base_url)
        if parts.scheme != "http" or not parts.hostname:
            raise BadInput(f"notice_url {base_url!r}: expected http://HOST[:PORT]")
        self._host, self._port, self._prefix = parts.hostname, parts.port, parts.path.rstrip("/")
        self._token: str | None = None

    def look(self) -> dict[str, Any] | None:
        """The notice as the spool holds it: at, until (wall seconds), source; None while there is none."""
        try:
            if self._token is None:
                lifetime = {"X-aws-ec2-metadata-token-ttl-seconds": str(TOKEN_TTL_S)}
                status, token = self._ask("PUT", "/latest/api/token", lifetime)
                self._token = token if status == 200 else None
            status, text = self._ask("GET", PATH, {"X-aws-ec2-metadata-token": self._token or ""})
            if status == 401:
                self._token = None  # expired: a new one at the next look
            if status != 200:
                return None
            until = _moment(str(json.loads(text)["time"]))
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            return None
        return {"at": time.time(), "until": until, "source": "instance-metadata"}

    def _ask(self, method: str, path: str, headers: dict[str, str]) -> tuple[int, str]:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, self._prefix + path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read(ANSWER_BYTES).decode("utf-8", "replace")
        finally:
            connection.close()


class NoticeThread(threading.Thread):
    """Polls beside the runner's loop: metadata that hangs must not hold up log, meter or limits.

    Args:
        found: called once, from this thread, as soon as there is a notice.
    """

    def __init__(self, poller: NoticePoller, every_s: float, found: Callable[[], None]) -> None:
        super().__init__(name="notice", daemon=True)
        self._poller, self._every_s, self._found = poller, every_s, found
        self.notice: dict[str, Any] | None = None

    def run(self) -> None:
        while (notice := self._poller.look()) is None:
            time.sleep(self._every_s)
        self.notice = notice
        self._found()


def _moment(text: str) -> float:
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp()
