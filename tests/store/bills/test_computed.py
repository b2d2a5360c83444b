"""What a map works out: totals, units, how long a period lasts; and what it can't."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.errors import BadInput
from shoestring.store.charges import ChargeStore
from shoestring.workflows.bills import bring_in

NOW = datetime(2026, 2, 3, tzinfo=UTC)
COLUMNS = "BilledCost, ChargePeriodEnd, ChargeCategory"


def bring(folder, text, plan):
    bill, mapping = folder / "bill.csv", folder / "map.yaml"
    bill.write_text(text)
    mapping.write_text("currency: USD\ncolumns:\n  ChargePeriodStart: When\n" + plan)
    store = ChargeStore(folder / "ledger")
    return store, bring_in(store, [bill], mapping=mapping, now=NOW, user="ann")


def stored(store, columns=COLUMNS):
    with store.connect() as engine:
        return engine.execute(f"select {columns} from {store.rows_sql(store.manifest().parts)}").fetchall()


@pytest.mark.parametrize(
    ("plan", "cells", "amount"),
    [
        ("{product: [A, B]}", "3,$2.50,", "7.5"),
        ("{product: [A, B, C]}", "3,2.50,2", "15"),
        ("{quotient: [{product: [A, B]}, 3600]}", "7200,1.60,", "3.2"),
        ("{sum: [A, B, C]}", '"1,000.50",0.50,', "1001"),
        ("{less: [A, B, C]}", "100,10,(5)", "95"),
        ("{less: [{product: [A, B]}, C]}", "3,2,1.5", "4.5"),
        ("{product: [A, 1.19]}", "100,,", "119"),
    ],
)
def test_amounts_are_worked_out_to_the_cent(tmp_path, plan, cells, amount):
    store, _ = bring(tmp_path, f"When,A,B,C\n2026-01-02,{cells}\n", f"  BilledCost: {plan}\n")
    assert stored(store, "BilledCost") == [(Decimal(amount),)]


def test_what_an_amount_is_made_of_is_kept(tmp_path):
    store, _ = bring(tmp_path, "When,A,B\n2026-01-02,3,2\n", "  BilledCost: {product: [A, B]}\n")
    assert stored(store, "x_Source_A, x_Source_B") == [("3", "2")]


def test_a_decimal_comma_is_one_in_what_is_worked_out_too(tmp_path):
    plan = "  BilledCost: {product: [A, B]}\ndecimal_comma: true\n"
    store, _ = bring(tmp_path, "When;A;B\n2026-01-02;1.000,5;2\n", plan)
    assert stored(store, "BilledCost") == [(Decimal(2001),)]


def test_a_number_that_can_not_be_read_sends_the_row_to_quarantine_by_name(tmp_path):
    text = "When,A,B\n2026-01-02,3,2\n2026-01-02,three,2\n2026-01-02,,2\n"
    store, done = bring(tmp_path, text, "  BilledCost: {product: [A, B]}\n")
    assert (done.delivery.rows_stored, done.delivery.rows_quarantined) == (1, 2)
    reasons = (store.folder / done.delivery.quarantine).read_text()
    assert "BilledCost can not be read: A: three" in reasons
    assert "no BilledCost" in reasons


@pytest.mark.parametrize(
    ("unit", "written", "hours"),
    [
        ("minutes", "90", 1.5),
        ("milliseconds", "5400000", 1.5),
        ("hours", "1.5", 1.5),
        ("hours", "01:30:00", 1.5),
    ],
)
def test_a_period_ends_as_long_after_its_start_as_it_lasts(tmp_path, unit, written, hours):
    plan = f"  BilledCost: A\nlasts: {{{unit}: L}}\n"
    store, _ = bring(tmp_path, f"When,A,L\n2026-01-02 10:00,1,{written}\n", plan)
    ((_, end, _),) = stored(store)
    assert (end - datetime(2026, 1, 2, 10)).total_seconds() == hours * 3600


def test_kinds_of_lines_are_read_as_invoices_call_them(tmp_path):
    lines = {
        "GPU usage": ("Usage", 5),
        "Promotional credit": ("Credit", -1),
        "VAT 19%": ("Tax", 1),
        "Monthly subscription": ("Purchase", 9),
        "Manual adjustment": ("Adjustment", -2),
        "credits used": ("Usage", 3),
        "TAX": ("Tax", 1),
    }
    text = "When,A,Kind\n" + "".join(f"2026-01-02,{usd},{kind}\n" for kind, (_, usd) in lines.items())
    store, _ = bring(tmp_path, text, "  BilledCost: A\n  ChargeCategory: Kind\n")
    assert dict(stored(store, "x_Source_Kind, ChargeCategory")) == {k: c for k, (c, _) in lines.items()}


@pytest.mark.parametrize(
    "plan",
    [
        "  BilledCost: {power: [A, B]}\n",
        "  BilledCost: {product: [A]}\n",
        "  BilledCost: {product: A}\n",
        "  BilledCost: {product: [A, null]}\n",
        "  BilledCost: A\nlasts: {fortnights: B}\n",
        "  BilledCost: A\nlasts: 3\n",
    ],
)
def test_what_can_not_be_worked_out_is_refused(tmp_path, plan):
    with pytest.raises(BadInput):
        bring(tmp_path, "When,A,B\n2026-01-02,3,2\n", plan)
