"""The hostile texts by every other way in and out: headers, maps, rules, budgets, notices, metrics, tables; bombs."""

import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from email.message import EmailMessage

import pytest

pytest.importorskip("duckdb")

import yaml

from shoestring.app import senders
from shoestring.domain.errors import BadInput, ShoestringError
from shoestring.domain.text import is_safe
from shoestring.ledger.budgets import Budget
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.dimensions import Condition
from shoestring.workflows.allocation import parse_rules
from shoestring.workflows.bills import bring_in
from shoestring.workflows.metrics import exposition
from shoestring.workflows.notices import Notice
from tests.store.bills.giving import focus, write
from tests.store.hostile import payloads
from tests.workflows.test_metrics import a_row

NOW = datetime(2026, 2, 3, tzinfo=UTC)
TEXTS = payloads()
SHORT = [text for text in TEXTS if len(text) < 200]


def billed(store):
    return ask(store, Question(by=(), metric="billed")).total_usd


def test_headers_are_names_of_columns_and_nothing_else(tmp_path):
    store = ChargeStore(tmp_path / "ledger")
    names = [text for text in SHORT if text.strip() and "\x00" not in text and not set(text) & set("\r\n")][
        ::4
    ]
    assert len(names) > 300
    row = focus() | dict.fromkeys(names, "x")
    assert (
        bring_in(store, [write(tmp_path / "bill.csv", [row])], now=NOW, user="ann").delivery.rows_stored == 1
    )
    assert billed(store) == 10
    assert not os.path.exists("/tmp/owned")


def test_a_map_can_name_columns_only(tmp_path):
    bill = tmp_path / "bill.csv"
    bill.write_text("when,usd\n2026-01-05,10\n")
    for text in SHORT[::40]:
        mapping = tmp_path / "map.yaml"
        columns = {"BilledCost": text, "ChargePeriodStart": "when"}
        mapping.write_text(yaml.safe_dump({"provider": text, "currency": "USD", "columns": columns}))
        with pytest.raises(ShoestringError):
            bring_in(ChargeStore(tmp_path / "ledger"), [bill], now=NOW, user="ann", mapping=mapping)
    assert not os.path.exists("/tmp/owned")


def test_rules_share_out_by_any_name(tmp_path):
    for text in SHORT[::10]:
        rule = {"name": text, "match": {"team": text}, "to": "team", "method": "fixed", "shares": {text: 1}}
        try:
            (read,) = parse_rules(yaml.safe_dump({"rules": [rule]}), "rules.yaml")
        except BadInput:
            continue
        assert read.match["team"] == (text,)
    for text in (
        "!!python/object/apply:os.system ['true']",
        "rules: !!python/name:os.system",
        "a: &a [*a]",
        "[" * 3_000,
    ):
        with pytest.raises(BadInput):
            parse_rules(text, "rules.yaml")


def test_only_dimensions_can_be_asked_for():
    for text in TEXTS:
        with pytest.raises(BadInput):
            Condition.parse(f"{text}=x")


def test_metrics_keep_every_text_inside_its_label():
    for text in SHORT:
        for line in exposition([a_row(name=text)], ()).split(
            "\n"
        ):  # the only end of line that the format knows
            assert line.startswith(("shoestring_", "# ")) or not line, line


def test_budgets_keep_every_name():
    for text in SHORT:
        try:
            budget = Budget(scope={"team": text}, limit_usd=Decimal(1))
        except ValueError:
            continue
        assert budget.scope["team"] == text


def test_notices_put_no_line_into_a_header(monkeypatch):
    sent: list[EmailMessage] = []
    monkeypatch.setattr(senders, "_tried", lambda act, what, sleep: None)
    monkeypatch.setattr(EmailMessage, "set_content", lambda self, text: sent.append(self))
    told = [Notice(id="1", kind="odd", text=f"Bcc: eve@example.com\r\n{text}") for text in SHORT]
    senders.by_email("ann@example.com", "me@example.com", "localhost", told)
    (message,) = sent
    assert sorted(message.keys()) == ["From", "Subject", "To"]
    for address in ("a@b.c\r\nBcc: eve@example.com", "a@b.c\nX: y"):
        with pytest.raises(BadInput):
            senders.by_email(address, "me@example.com", "localhost", told)


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shown")
    texts = SHORT[::20] + [text for text in SHORT if "\x1b" in text][:20]
    rows = [
        focus(
            ServiceName=t, ResourceId=t, BillingAccountId=t, InvoiceIssuerName=t, Tags=json.dumps({"team": t})
        )
        for t in texts
    ]
    store = ChargeStore(folder / "ledger")
    bring_in(store, [write(folder / "bill.csv", rows)], now=NOW, user="ann")
    return folder / "ledger"


@pytest.mark.parametrize(
    "words",
    [
        "costs --by team",
        "costs --by account,service",
        "costs --by resource",
        "bills list",
        "savings",
    ],
)
def test_no_table_sends_a_code_to_the_terminal(shown, words):
    extra = ["--since", "2026-01-01"] if words.startswith("costs") else []
    command = [
        sys.executable,
        "-c",
        "from shoestring.app.cli import main; main()",
        *words.split(),
        *extra,
        "--ledger",
        str(shown),
    ]
    done = subprocess.run(
        command, capture_output=True, timeout=120, check=False, env=os.environ | {"NO_COLOR": "1"}
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout.decode() + done.stderr.decode()
    assert {c for c in told if not is_safe(c)} <= {"\n"}


def test_a_bomb_costs_its_own_import_at_most(tmp_path):
    store = ChargeStore(tmp_path / "ledger")
    bring_in(store, [write(tmp_path / "bill.csv", [focus()])], now=NOW, user="ann")
    header = ",".join(focus()).encode() + b"\n"
    bombs = {
        "line.csv.gz": gzip.compress(header + b"x" * 20_000_000, 1),
        "nothing.csv.gz": gzip.compress(b"\x00" * 20_000_000, 1),
        "deep.json": b"[" * 2_000_000,
        "deep.csv": header
        + b",".join([b"1"] * (len(focus()) - 1) + [b'"' + b'{""a"":' * 200_000 + b'"'])
        + b"\n",
        "archive.csv": b"PK\x03\x04" + b"\x00" * 1_000,
        "short.parquet": b"PAR1" + b"\xff" * 1_000 + b"PAR1",
    }
    for name, content in bombs.items():
        path = tmp_path / name
        path.write_bytes(content)
        try:
            done = bring_in(store, [path], now=NOW, user="ann")
        except ShoestringError:
            pass
        else:
            assert done.delivery.rows_stored == 0, name
        assert billed(store) == 10, name
