"""Asking one host for JSON, with everything bounded: bytes, pages, time; and never led to another host."""

import contextlib
import hashlib
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from http.client import HTTPException
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlencode, urljoin, urlsplit

from shoestring.domain.errors import BadInput, ExecutorUnavailable

CHUNK, MOST_KEPT = 1 << 16, 100
LOCAL = ("127.0.0.1", "::1", "localhost")


def origin_of(url: str) -> tuple[str, str, int | None]:
    """Scheme, host and port; two URLs with the same ones are answered by the same server."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname or "", parts.port


@dataclass(frozen=True, slots=True)
class EtagStore:
    """Answers kept with the tag that their server gave them, so that an unchanged one is not sent again."""

    folder: Path

    def find(self, url: str) -> tuple[str, bytes] | None:
        """Tag and body of the last answer; None if there is none, or it can't be read."""
        try:
            tag, _, body = self._file(url).read_bytes().partition(b"\n")
        except OSError:
            return None
        text = tag.decode("ascii", "replace")
        return (text, body) if text.isascii() and text.isprintable() and text else None

    def keep(self, url: str, tag: str, body: bytes) -> None:
        """Remember an answer; whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = self._file(url)
        temporary = file.with_name(f".{file.name}.{os.getpid()}.tmp")
        temporary.write_bytes(tag.encode("ascii") + b"\n" + body)
        temporary.replace(file)
        kept = sorted(self.folder.glob("*.etag"), key=lambda f: f.stat().st_mtime)
        for old in kept[:-MOST_KEPT]:
            old.unlink(missing_ok=True)

    def _file(self, url: str) -> Path:
        return self.folder / f"{hashlib.sha256(url.encode()).hexdigest()[:32]}.etag"


@dataclass(slots=True, kw_only=True)
class Host:
    """One server and the limits of one conversation with it.

    Attributes:
        base_url: ``https``, or ``http`` on this machine. headers: sent to this server only; may hold secrets.
        answer_bytes: most of one answer. requests: most of the conversation. seconds: longest it may take.
        etags: where unchanged answers are kept; None keeps none.
    """

    base_url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    answer_bytes: int = 32 << 20
    requests: int = 400
    seconds: float = 120.0
    silence_s: float = 15.0
    etags: EtagStore | None = None
    clock: Callable[[], float] = time.monotonic
    _until: float | None = None
    _asked: int = 0

    def __post_init__(self) -> None:
        scheme, host, _ = origin_of(self.base_url)
        if scheme != "https" and not (scheme == "http" and host in LOCAL):
            raise BadInput(
                f"price source {self.base_url}: must be https (http only on this machine)",
                next_step="mend `price_urls` in the settings",
            )

    @property
    def name(self) -> str:
        return origin_of(self.base_url)[1]

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Any:
        """JSON of a path below the base URL, or of a whole URL on the same host (the next page's link)."""
        url = urljoin(self.base_url.rstrip("/") + "/", path.lstrip("/") if "://" not in path else path)
        if query:
            url += f"?{urlencode(query)}"
        if origin_of(url) != origin_of(self.base_url):
            raise BadInput(f"{self.name} points to another host, {origin_of(url)[1]}; refused")
        return self._asked_for(url, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """JSON that the server answers to JSON."""
        url = urljoin(self.base_url.rstrip("/") + "/", path.lstrip("/"))
        return self._asked_for(url, json.dumps(body).encode())

    def _asked_for(self, url: str, body: bytes | None) -> Any:
        self._asked += 1
        if self._asked > self.requests:
            raise BadInput(f"{self.name}: more than {self.requests} pages; refused")
        now = self.clock()
        self._until = now + self.seconds if self._until is None else self._until
        if now >= self._until:
            raise self._slow()
        kept = self.etags.find(url) if self.etags is not None and body is None else None
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "shoestring",
                   **self.headers}  # fmt: skip
        if body is not None:
            headers["Content-Type"] = "application/json"
        if kept is not None:
            headers["If-None-Match"] = kept[0]
        request = urllib.request.Request(url, data=body, headers=headers)  # noqa: S310 - http(s) only, see __post_init__
        try:
            return strict_json(self._body(request, url), self.name)
        except urllib.error.HTTPError as error:
            error.close()
            if error.code == 304 and kept is not None:
                return strict_json(kept[1], self.name)
            raise self._refused(error.code) from None
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or type(error).__name__
            raise ExecutorUnavailable(
                f"{self.name} was not reached: {reason}", next_step="try again later"
            ) from None

    def _body(self, request: urllib.request.Request, url: str) -> bytes:
        proxies: dict[str, str] | None = (
            {} if self.name in LOCAL else None
        )  # a proxy of the system is for other machines
        opener = urllib.request.build_opener(_StayHere(self.name), urllib.request.ProxyHandler(proxies))
        with opener.open(request, timeout=self.silence_s) as answer:
            if answer.headers.get("Content-Encoding", "identity") != "identity":
                raise BadInput(f"{self.name}: a packed answer that was not asked for; refused")
            parts: list[bytes] = []
            size = 0
            while part := answer.read1(CHUNK):
                size += len(part)
                parts.append(part)
                if size > self.answer_bytes:
                    raise BadInput(f"{self.name}: an answer of more than {self.answer_bytes} bytes; refused")
                if self._until is not None and self.clock() >= self._until:
                    raise self._slow()
            length = answer.headers.get("Content-Length")
            if length is not None and length.isdigit() and int(length) != size:
                raise ExecutorUnavailable(f"{self.name}: the answer broke off after {size} of {length} bytes")
            body = b"".join(parts)
            tag = answer.headers.get("ETag")
            if self.etags is not None and tag and tag.isascii() and tag.isprintable() and len(tag) <= 200:
                with contextlib.suppress(OSError):  # a full disk costs the next question some bytes, no more
                    self.etags.keep(url, tag, body)
        return body

    def _slow(self) -> ExecutorUnavailable:
        return ExecutorUnavailable(
            f"{self.name}: no whole answer within {self.seconds:g} s", next_step="try again later"
        )

    def _refused(self, code: int) -> ExecutorUnavailable:
        step = "check the account's key" if code in (401, 403) else "try again later"
        return ExecutorUnavailable(f"{self.name} answered {code}", next_step=step)


class _StayHere(urllib.request.HTTPRedirectHandler):
    """Follows a redirect on the same server only: what is asked, and its key, is nobody else's business."""

    max_redirections = 3

    def __init__(self, name: str) -> None:
        self.name = name

    def redirect_request(self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any,
                         newurl: str) -> urllib.request.Request | None:  # fmt: skip
        if origin_of(newurl) != origin_of(req.full_url):
            fp.close()
            raise BadInput(f"{self.name} sends us to another host, {origin_of(newurl)[1] or '?'}; refused")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def strict_json(body: bytes, name: str) -> Any:
    """JSON with exact decimals; NaN, infinities and a key that stands twice are refused.

    >>> strict_json(b'{"a": 0.1}', "x")
    {'a': Decimal('0.1')}
    """

    def never(word: str) -> NoReturn:
        raise ValueError(f"{word} is no number")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) != len(pairs):
            raise ValueError("a key stands twice")
        return found

    try:
        return json.loads(
            body.decode("utf-8"), parse_float=Decimal, parse_constant=never, object_pairs_hook=once
        )
    except (ValueError, RecursionError) as error:
        raise BadInput(f"{name}: the answer is no sound JSON ({str(error)[:120]}); refused") from None
