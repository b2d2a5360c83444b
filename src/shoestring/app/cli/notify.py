"""`shoestring notify`."""

import os
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from shoestring.app.cli._ledger import LedgerOption, booked_ledger, open_ledger
from shoestring.app.cli._show import console, print_json
from shoestring.app.place import user_name
from shoestring.app.senders import by_apprise, by_email, by_webhook
from shoestring.domain.errors import BadInput
from shoestring.domain.text import printable
from shoestring.store.notice_book import ACCEPTED, NoticeFact, record
from shoestring.workflows.notices import Notice, notices

SETTLED = {"mute": "muted", "accept": ACCEPTED}


def command(
    action: Annotated[str, typer.Argument(help="send | mute ID | accept ID")] = "send",
    what: Annotated[str | None, typer.Argument(help="Id of a notice.")] = None,
    webhook: Annotated[str | None, typer.Option(help="http(s) URL; better as $SHOESTRING_WEBHOOK.")] = None,
    email: Annotated[str | None, typer.Option(help="Whom to write to.")] = None,
    smtp: Annotated[str, typer.Option(help="Mail server, HOST:PORT.")] = "localhost:25",
    sender: Annotated[str, typer.Option(help="Address of the sender.")] = "shoestring@localhost",
    apprise: Annotated[
        str | None, typer.Option(help="An apprise URL; better as $SHOESTRING_APPRISE.")
    ] = None,
    again: Annotated[bool, typer.Option(help="Also what was told before.")] = False,
    why: Annotated[str, typer.Option(help="For the record (mute, accept).")] = "",
    ledger: LedgerOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document.")] = False,
) -> None:
    """Tell people about budgets and odd days, each once; without an address, show what there is to tell.

    Made for cron: it says nothing twice, and marks nothing as told that could not be delivered.
    """
    now = datetime.now(UTC)
    if action in SETTLED:
        if what is None:
            raise BadInput(f"{action} which notice?", next_step="shoestring notify shows ids")
        store, done = open_ledger(ledger), SETTLED[action]
        record(store.folder, NoticeFact(notice_id=what, what=done, at=now, user=user_name(), why=why))
        if as_json:
            print_json({"id": what, "done": done, "by": user_name(), "authenticated": False})
        else:
            console().print(
                Text(f"{printable(what)} is {done}  (recorded: {user_name()}, not authenticated)")
            )
        return
    if action != "send":
        raise BadInput(f"no action {action!r}", next_step=f"one of: send, {', '.join(SETTLED)}")
    store = booked_ledger(ledger)
    found = notices(store, today=now.date(), again=again)
    webhook = webhook or os.environ.get("SHOESTRING_WEBHOOK")
    apprise = apprise or os.environ.get("SHOESTRING_APPRISE")
    sent: list[str] = []
    if found and webhook:
        by_webhook(webhook, found)
        sent.append("webhook")
    if found and email:
        by_email(email, sender, smtp, found)
        sent.append("e-mail")
    if found and apprise:
        by_apprise(apprise, found)
        sent.append("apprise")
    if sent:
        for notice in found:
            record(store.folder, NoticeFact(notice_id=notice.id, what="sent", at=now, user=user_name()))
    _show(found, sent, as_json)


def _show(found: tuple[Notice, ...], sent: list[str], as_json: bool) -> None:
    if as_json:
        told = [{"id": n.id, "kind": n.kind, "text": n.text} for n in found]
        print_json({"notices": told, "sent_by": sent})
        return
    out = console()
    for notice in found:
        out.print(Text(printable(notice.text)))
        out.print(Text(f"  {printable(notice.id)}", "dim"))
    if not found:
        out.print(Text("nothing new to tell", "dim"))
    elif not sent:
        out.print(Text("  not sent: give --webhook, --email or --apprise", "dim"))
    else:
        out.print(Text(f"  sent by {', '.join(sent)}", "dim"))
