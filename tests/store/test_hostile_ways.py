"""The hostile texts by every other way in and out: headers, maps, rules, budgets, notices, metrics, tables; bombs."""

import gzip
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from decimal import Decimal
from email.message import EmailMessage
from unittest.mock import patch

import pytest

pytest.importorskip("duckdb")

import duckdb
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


def parquet(path, rows, columns):
    """Rows of a bill that take next to nothing in the file, whatever they take when they are read."""
    with duckdb.connect() as engine:
        engine.execute(
            f"""copy (select timestamp '2026-01-01' as BillingPeriodStart, timestamp '2026-01-02' as ChargePeriodStart,
                  timestamp '2026-01-02' as ChargePeriodEnd, 'Usage' as ChargeCategory, 1.0 as BilledCost,
                  1.0 as EffectiveCost, 'USD' as BillingCurrency, 'x' as BillingAccountId, {columns}
                from range({rows})) to '{path}' (format parquet, compression zstd)"""
        )
    return path


BOMBS = {  # name -> rows, columns, what is said of it; None: it is no more than a bill with long words
    "rows": (2_000_000, "'EC2' as ServiceName", "rows in"),
    "tags": (2_048, "'{\"team\": \"' || repeat('A', 2000000) || '\"}' as Tags", "more memory is needed"),
    "words": (1_000, "repeat('A', 2000000) as ServiceName", None),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_small_file_that_is_gigabytes_when_it_is_read_costs_its_own_import_at_most(tmp_path, name):
    rows, columns, said = BOMBS[name]
    bomb = parquet(tmp_path / "bomb.parquet", rows, columns)
    assert bomb.stat().st_size < 100_000
    home = tmp_path / "home"
    with patch.dict(os.environ, {"SHOESTRING_HOME": str(home)}):
        done = subprocess.run(
            [sys.executable, "-c", CAPPED, "bills", "import", str(bomb)], capture_output=True, text=True, timeout=120,
            check=False,
        )  # fmt: skip
    if said is None:
        assert done.returncode == 0, done.stderr
        return
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert not ChargeStore(home / "ledger").manifest().parts


# Address space is what the system caps; the engine's own threads and buffers have their part of it.
CAPPED = (
    "import resource; resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)); "
    "from shoestring.app.cli import main; main()"
)


def test_a_cell_of_a_hundred_megabytes_costs_its_own_row(tmp_path):
    store, path = ChargeStore(tmp_path / "ledger"), tmp_path / "bill.csv"
    write(path, [focus(), focus(ServiceName="HUGE"), focus()])
    head, _, tail = path.read_bytes().partition(b"HUGE")
    with path.open("wb") as file:
        file.write(head + b'"')
        for _ in range(100):
            file.write(b"A" * 1_000_000)
        file.write(b'"' + tail)
    done = bring_in(store, [path], now=NOW, user="ann")
    assert (done.delivery.rows_stored, done.delivery.rows_quarantined) == (2, 1)
    assert billed(store) == 20
    kept = store.folder / done.delivery.quarantine
    assert kept.stat().st_size < 5_000_000, "what is kept of it is bounded, too"
