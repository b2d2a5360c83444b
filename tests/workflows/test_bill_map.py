"""A draft of a map: what it guesses imports as it stands, and what it can't guess it says."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest
import yaml

pytest.importorskip("duckdb")

from shoestring.domain.errors import BadInput
from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.workflows.bill_map import draft_of
from shoestring.workflows.bills import bring_in
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 2, 3, tzinfo=UTC)
INVOICES = {
    "an hour a line": (
        "Invoice Number,Instance ID,GPU Type,Region,Start Time,End Time,Hours,Hourly Rate,Amount (USD),Team\n"
        "17,i-1,H100 SXM,us-west,2026-01-03 00:00:00,2026-01-03 10:00:00,10,2.49,24.90,vision\n"
        "17,i-2,A100 80GB,us-west,2026-01-04 00:00:00,2026-01-04 02:00:00,2,1.29,2.58,nlp\n",
        Decimal("27.48"),
    ),
    "titles above, odd words": (
        "Neo Cloud GmbH\nInvoice for January\n\n"
        "Date;Pod;Item;Usage;Unit;Unit Price;Net Amount;Currency;Cost centre\n"
        "2026-01-03;p-7;RTX 4090;3;hour;0.40;1.20;EUR;42\n",
        Decimal("1.20"),
    ),
}


@pytest.mark.parametrize("name", INVOICES)
def test_a_draft_imports_as_it_stands(tmp_path, name):
    text, total = INVOICES[name]
    bill = tmp_path / "invoice.csv"
    bill.write_text(text)
    plan = tmp_path / "map.yaml"
    plan.write_text(draft_of(bill))
    done = bring_in(ChargeStore(tmp_path / "ledger"), [bill], mapping=plan, now=NOW, user="ann")
    assert sum(done.billed.values()) == total
    assert done.delivery.rows_quarantined == 0


def test_what_stands_for_what(tmp_path):
    bill = tmp_path / "invoice.csv"
    bill.write_text(INVOICES["an hour a line"][0])
    draft = draft_of(bill)
    assert yaml.safe_load(draft) == {
        "name": "invoice",
        "currency": "USD",
        "columns": {
            "BilledCost": "Amount (USD)",
            "ChargePeriodStart": "Start Time",
            "ChargePeriodEnd": "End Time",
            "ContractedUnitPrice": "Hourly Rate",
            "ConsumedQuantity": "Hours",
            "ResourceId": "Instance ID",
            "ChargeDescription": "GPU Type",
            "RegionId": "Region",
            "InvoiceId": "Invoice Number",
            "ConsumedUnit": {"value": "Hours"},
        },
        "labels": {"team": "Team"},
    }
    assert "# e.g. H100 SXM" in draft


def test_labels_of_a_draft_reach_the_answers(tmp_path):
    bill = tmp_path / "invoice.csv"
    bill.write_text(INVOICES["an hour a line"][0])
    plan = tmp_path / "map.yaml"
    plan.write_text(draft_of(bill))
    store = ChargeStore(tmp_path / "ledger")
    bring_in(store, [bill], mapping=plan, now=NOW, user="ann")
    answer = ask(store, Question(by=("team",), metric="billed"))
    assert {row.keys[0]: row.usd for row in answer.rows} == {
        "vision": Decimal("24.90"),
        "nlp": Decimal("2.58"),
    }


def test_what_can_not_be_guessed_is_asked_for(tmp_path):
    bill = tmp_path / "x.csv"
    bill.write_text("Foo,Bar: baz,#Qux\na,b,c\n")
    draft = draft_of(bill)
    assert "# BilledCost: ???" in draft
    assert "# ChargePeriodStart: ???" in draft
    assert "# kept as x_Source_...: Foo, Bar: baz, #Qux" in draft


@pytest.mark.parametrize("header", ["Amount: x", "#Amount", "Amount\u202egnp", "- Amount"])
def test_hostile_headers_stay_texts(tmp_path, header):
    bill = tmp_path / "x.csv"
    bill.write_text(f"{header},Date,Pod\n1,2026-01-02,=cmd|' /C calc'!A0\n")
    assert yaml.safe_load(draft_of(bill))["columns"]["BilledCost"] == header


def test_a_known_bill_needs_no_map(tmp_path):
    with pytest.raises(BadInput, match="needs no map"):
        draft_of(write(tmp_path / "bill.csv", [focus()]))


def test_a_file_without_a_header_is_refused(tmp_path):
    bill = tmp_path / "x.csv"
    bill.write_text("1,2,3\n4,5,6\n")
    with pytest.raises(BadInput):
        draft_of(bill)


DRAFTED = {
    "net beside gross": (
        "Period,Namespace,SKU,Usage,Rate (USD),Subtotal (USD),Discount (USD),Net (USD)\n"
        '2026-01,ml,gpu-h100,1000,4.76,"4,760.00",-476.00,"4,284.00"\n',
        Decimal(4284),
    ),
    "cost before and after": (
        "Start,End,VM ID,GPU Minutes,Price per GPU Minute,Gross Cost,Commitment Discount,Net Cost,Currency\n"
        "2026-01-03 00:00,2026-01-03 01:00,vm-1,480,0.065,31.20,-6.20,25.00,USD\n",
        Decimal(25),
    ),
    "no total, seconds by the hour": (
        "id,timestamp,instance_id,gpu_name,duration_s,rate_per_hr\n"
        "1,1768003200,77,RTX 4090,7200,1.60\n2,1768010400,77,RTX 4090,1800,1.60\n",
        Decimal(4),
    ),
    "no total, milliseconds": (
        "instance,usage_ms,usd_per_hour,start_ms\ni-1,5400000,2.5,1768003200000\n",
        Decimal("3.75"),
    ),
    "no total, tabs": (
        "Resource name\tMachine type\tHours\tHourly rate\tStart\nnb\tA100\t3\t$3.18\tJan 1, 2026 10:00 AM\n",
        Decimal("9.54"),
    ),
    "in German": (
        "Beginn;Ende;Dienst;Menge;Einheit;Einzelpreis;Betrag;Währung;Projekt\n"
        "01.01.2026;02.01.2026;H200;24;Stunden;3,50;84,00;EUR;llm\n"
        "02.01.2026;03.01.2026;H200;24;Stunden;3,50;1.084,00;EUR;llm\n",
        Decimal(1168),
    ),
    "hours beside a price that is no total": (
        "pod_id,gpu_type,started_at,stopped_at,billed_hours,cost_per_hr,amount_usd\n"
        "a,H100,2026-01-01T00:00:00Z,2026-01-01T10:00:00Z,10,23.92,239.20\n",
        Decimal("239.20"),
    ),
    "training by the token": (
        "date,workspace,model,training_tokens_millions,price_per_million,cost\n25/01/2026,r,Llama,120.5,3.20,385.60\n",
        Decimal("385.60"),
    ),
}


@pytest.mark.parametrize("name", DRAFTED)
def test_drafts_tie_out_with_invoices_of_every_kind(tmp_path, name):
    text, total = DRAFTED[name]
    bill, plan = tmp_path / "invoice.csv", tmp_path / "map.yaml"
    bill.write_text(text)
    plan.write_text(draft_of(bill))
    done = bring_in(ChargeStore(tmp_path / "ledger"), [bill], mapping=plan, now=NOW, user="ann")
    assert (sum(done.billed.values()), done.delivery.rows_quarantined) == (total, 0)
