"""Ways to reach people: a webhook, e-mail, and whatever apprise knows. Addresses may hold secrets: no error or
log shows more of one than its host."""

import http.client
import json
import smtplib
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from urllib.parse import urlsplit

from shoestring.domain.errors import BadInput, ShoestringError
from shoestring.workflows.notices import Notice

TIMEOUT_S, TRIES, PAUSE_S = 10.0, 3, 1.0
WHOLE_S = 30.0  # one try, however slowly the other side drips its answer
Sleep = Callable[[float], None]


def by_webhook(url: str, notices: Sequence[Notice], *, sleep: Sleep = time.sleep) -> None:
    """POST the notices as JSON: ``text`` for chat programs, ``notices`` for others. Retries what may pass.

    Raises:
        BadInput: the address is no http(s) URL. ShoestringError: refused, or not reached in three tries.
    """
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise BadInput("the webhook is no http or https URL", next_step="give it as SHOESTRING_WEBHOOK")
    body = {
        "text": _text(notices),
        "notices": [{"id": n.id, "kind": n.kind, "text": n.text} for n in notices],
    }
    request = urllib.request.Request(  # noqa: S310  only http and https come this far
        url, data=json.dumps(body).encode(), headers={"Content-Type": "application/json"}, method="POST"
    )

    opener = urllib.request.build_opener(_Stay)

    def post() -> None:  # the reply's body is never read, however long it is
        with opener.open(request, timeout=TIMEOUT_S):
            pass

    _tried(lambda: _within(WHOLE_S, post), f"the webhook at {parts.hostname}", sleep)


def by_email(
    to: str, sender: str, server: str, notices: Sequence[Notice], *, sleep: Sleep = time.sleep
) -> None:
    """Send one message through an SMTP server (``host:port``; TLS where the server offers it).

    Raises:
        BadInput: an address with line breaks. ShoestringError: not accepted in three tries.
    """
    host, _, port = server.partition(":")
    message = EmailMessage()
    try:
        message["To"], message["From"] = to, sender
        message["Subject"] = (
            f"shoestring: {len(notices)} thing{'s' if len(notices) > 1 else ''} to know about costs"
        )
    except ValueError as error:
        raise BadInput(f"e-mail: {error}") from None
    message.set_content(_text(notices))

    def send() -> None:
        with smtplib.SMTP(host, int(port or 25), timeout=TIMEOUT_S) as smtp:
            if smtp.has_extn("starttls"):
                smtp.starttls()
            smtp.send_message(message)

    _tried(send, f"the mail server {host}", sleep)


def by_apprise(url: str, notices: Sequence[Notice]) -> None:
    """Hand over to apprise, an optional library that knows a hundred services.

    Raises:
        BadInput: it is not installed, or does not know the address. ShoestringError: it could not deliver.
    """
    try:
        import apprise
    except ImportError:
        raise BadInput("apprise is not installed", next_step="pip install 'shoestring[notify]'") from None
    sender = apprise.Apprise()
    if not sender.add(url):
        raise BadInput("apprise does not know this kind of address")
    if not sender.notify(title="shoestring", body=_text(notices)):
        raise ShoestringError(
            "apprise could not deliver", next_step="try its own command line with this address"
        )


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows nobody elsewhere: a POST would arrive there as a GET without what it had to say, and count as told."""

    def redirect_request(self, *_: object) -> None:
        return None


def _within(seconds: float, act: Callable[[], None]) -> None:
    """Act, for so long at most. Raises what it raises, or TimeoutError; it is left to itself then."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            act()
        except (OSError, http.client.HTTPException) as error:
            failed.append(error)

    thread = threading.Thread(target=run, name="webhook", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        raise TimeoutError
    if failed:
        raise failed[0]


def _text(notices: Sequence[Notice]) -> str:
    return "\n".join(notice.text for notice in notices)


def _tried(act: Callable[[], None], what: str, sleep: Sleep) -> None:
    for left in reversed(range(TRIES)):
        try:
            act()
            return
        except urllib.error.HTTPError as error:
            if error.code < 500 and error.code != 429:
                raise ShoestringError(f"{what} answered {error.code}") from None
            why = f"answered {error.code}"
        except (OSError, smtplib.SMTPException, http.client.HTTPException) as error:
            why = type(error).__name__
        if left:
            sleep(PAUSE_S)
    raise ShoestringError(
        f"{what} was not reached in {TRIES} tries: {why}", next_step="nothing is marked as told"
    )
