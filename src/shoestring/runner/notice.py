"""Is the provider about to take this node back? Asks an endpoint that speaks EC2's instance metadata.

Source: EC2 user guide, "Spot Instance interruption notices" (spot/instance-action: 404 until there is one,
then {"action", "time"}) and IMDSv2 (PUT latest/api/token first).
"""

import json
import time
import urllib.error
import urllib.request
from datetime import datetime
from typing import Any

TIMEOUT_S = 1.0
TOKEN_TTL_S = 21600


class NoticePoller:
    """One endpoint. Whatever goes wrong is no notice: a node must not stop because its metadata is slow."""

    def __init__(self, base_url: str) -> None:
        self._base = base_url.rstrip("/")
        self._token: str | None = None
        self._opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def look(self) -> dict[str, Any] | None:
        """The notice as the spool holds it: at, until (wall seconds), source; None while there is none."""
        try:
            if self._token is None:
                self._token = self._ask("PUT", "latest/api/token", "X-aws-ec2-metadata-token-ttl-seconds")
            text = self._ask("GET", "latest/meta-data/spot/instance-action", "X-aws-ec2-metadata-token")
            until = datetime.fromisoformat(str(json.loads(text)["time"])).timestamp()
        except urllib.error.HTTPError as error:
            if error.code == 401:
                self._token = None  # expired: a new one at the next look
            return None
        except (OSError, ValueError, KeyError, TypeError):
            return None
        return {"at": time.time(), "until": until, "source": "instance-metadata"}

    def _ask(self, method: str, path: str, header: str) -> str:
        value = str(TOKEN_TTL_S) if method == "PUT" else (self._token or "")
        request = urllib.request.Request(  # noqa: S310  the base URL comes from the executor, not from the job
            f"{self._base}/{path}", method=method, headers={header: value}
        )
        with self._opener.open(request, timeout=TIMEOUT_S) as answer:
            return str(answer.read(65536), "utf-8", "replace")
