"""The conformance checker: each rule is seen to fail, each violation names rule, row, column and value."""

import json
import pathlib

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.errors import BadInput
from shoestring.store.focus.check import check_file
from shoestring.store.focus.model import columns, columns_of_version, datasets
from shoestring.store.focus.rules import CORRECTED, LEFT_OUT, Table, rules_for
from tests.store.bills.giving import focus, write

GOOD = focus(
    BillingAccountName="main",
    ChargeClass="",
    ChargeDescription="GPU hours",
    HostProviderName="AWS",
    PricingQuantity="1",
    PricingUnit="Hours",
    SkuId="s",
    SkuPriceId="s.1",
    ChargeFrequency="Usage-Based",
    ServiceSubcategory="Virtual Machines",
    ResourceType="p5",
    ResourceName="n",
    RegionName="Virginia",
)
SHARED = pathlib.Path(__file__).parents[4] / "shared/data/focus"


def broken(tmp_path, version="1.4", **changes):
    path = write(tmp_path / "f.csv", [GOOD, GOOD | changes])
    return {v.rule: v for v in check_file(path, version).violations if v.level == "MUST"}


def test_a_good_file_conforms(tmp_path):
    assert broken(tmp_path) == {}
    assert check_file(tmp_path / "f.csv").conforms


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("BilledCost", "", "BilledCost-null"),
        ("BilledCost", "1,5", "BilledCost-type"),
        ("BilledCost", "+1", "BilledCost-type"),
        ("BilledCost", "35.2E+7", "BilledCost-type"),
        ("ListCost", "$3", "ListCost-type"),
        ("BillingCurrency", "usd", "BillingCurrency-type"),
        ("ChargePeriodStart", "2026-01-10 00:00:00", "ChargePeriodStart-type"),
        ("ChargeCategory", "usage", "ChargeCategory-allowed"),
        ("ChargeFrequency", "", "ChargeFrequency-null"),
        ("ServiceCategory", "Gardening", "ServiceCategory-allowed"),
        ("ServiceSubcategory", "Object Storage", "ServiceSubcategory-parent"),
        ("Tags", "team=vision", "Tags-type"),
        ("Tags", "[1]", "Tags-type"),
        ("ChargeClass", "Refund", "ChargeClass-allowed"),
        ("ResourceId", "", "ResourceType-C-004-C"),
        ("ChargeCategory", "Tax", "PricingCategory-C-003-C"),
        ("PricingCategory", "", "PricingCategory-C-004-C"),
    ],
)
def test_each_violation_names_rule_row_column_and_value(tmp_path, column, value, rule):
    found = broken(tmp_path, **{column: value})
    assert rule in found
    violation = found[rule]
    assert (violation.count, violation.rows) == (1, (2,))
    if violation.column == column:
        assert violation.values == (value or None,)


def test_exponents_are_numbers_when_written_as_the_specification_wants(tmp_path):
    assert broken(tmp_path, BilledCost="35.2E-7") == {}


def test_a_missing_mandatory_column_and_a_column_of_ones_own_are_told(tmp_path):
    row = {k: v for k, v in GOOD.items() if k != "ListCost"} | {"Odd": "1", "x_Fine": "1"}
    verdict = check_file(write(tmp_path / "f.csv", [row]), "1.4")
    told = {(v.rule, v.column) for v in verdict.violations if v.level == "MUST"}
    assert told == {("ListCost-presence", "ListCost"), ("ColumnHandling-A-010-M", "Odd")}


def test_torn_lines_do_not_conform(tmp_path):
    path = write(tmp_path / "f.csv", [GOOD])
    path.write_text(path.read_text().replace("\r\n", "\n") + "1,2\n")
    verdict = check_file(path)
    assert (verdict.torn, verdict.conforms) == (1, False)


def test_versions_have_their_own_columns(tmp_path):
    old = {k: v for k, v in GOOD.items() if k not in ("ServiceProviderName", "HostProviderName")}
    path = write(tmp_path / "f.csv", [old | {"ProviderName": "AWS", "PublisherName": "AWS"}])
    assert check_file(path, "1.2").conforms
    assert not check_file(path, "1.4").conforms
    with pytest.raises(BadInput, match="no FOCUS version"):
        check_file(path, "2.0")


def test_the_model_has_the_columns_of_the_four_datasets():
    assert {name: len(columns(name)) for name in datasets()} == {
        "Cost and Usage": 65,
        "Contract Commitment": 30,
        "Invoice Detail": 22,
        "Billing Period": 6,
    }
    assert len(columns_of_version("1.2")) == 57


def official():
    path = SHARED / "focus-1.4-model/model-1.2.0.1.json"
    if not path.exists():
        pytest.skip("the official 1.2 model is not beside the checkout")
    return json.loads(path.read_text())["ModelRules"]


def test_every_machine_checkable_official_rule_is_taken_or_left_out_by_name():
    """Composite rules only list others; rules without a requirement, or with MAY, can't be broken."""
    table = Table(dict.fromkeys(columns_of_version("1.2"), "DOUBLE"))
    ours = {r.id for r in rules_for("1.2", table)} | {r.id for r in rules_for("1.2", Table({}))}
    wanted = {
        rule_id
        for rule_id, rule in official().items()
        if rule["Function"] != "Composite"
        and rule["ValidationCriteria"]["Requirement"]
        and rule["ValidationCriteria"]["Keyword"] != "MAY"
    }
    # Their conditions stand in their text only (a display name exists, an invoice was issued ...).
    in_words_only = {
        "BillingAccountName-C-003-C",
        "InvoiceId-C-004-C",
        "InvoiceId-C-005-C",
        "ServiceName-C-005-C",
        "ServiceName-C-008-C",
    }
    assert wanted - ours == set(LEFT_OUT) | in_words_only
    assert set(CORRECTED) <= ours <= wanted


def test_the_real_sample_shows_its_known_faults():
    sample = SHARED / "focus/focus_sample_1.0_1000.csv"
    if not sample.exists():
        pytest.skip("the FOCUS sample is not beside the checkout")
    found = {v.rule: v.count for v in check_file(sample, "1.2").violations}
    assert found["ContractedCost-C-003-M"] == 7
    assert found["ColumnHandling-A-010-M"] == 1
    assert "BilledCost-C-005-C" not in found


def test_the_specifications_scenarios_keep_their_amortization(tmp_path):
    """Over a commitment's life its effective cost equals what it was billed; used and unused both count."""
    from datetime import UTC, datetime

    from shoestring.store.answers import Question, ask
    from shoestring.store.charges import ChargeStore
    from shoestring.workflows.bills import bring_in

    folder = SHARED / "focus-spec-examples"
    if not folder.exists():
        pytest.skip("the specification's scenarios are not beside the checkout")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    scenarios = sorted(folder.glob("commitment_discount_*/*.csv"))
    assert len(scenarios) == 11
    for scenario in scenarios:
        store = ChargeStore(tmp_path / scenario.stem)
        done = bring_in(store, [scenario], now=now, user="ann", currency="USD")
        at_hour_30 = scenario.read_text().count("T30:")  # days of the specification's own
        assert done.delivery.rows_quarantined == at_hour_30, scenario.name
        answer = ask(store, Question(by=("commitment",), metric="effective"))
        unused = {row.keys[0]: row.usd for row in answer.rows}.get("Unused", 0)
        assert answer.unused_usd == unused
        if "flexibility" in scenario.name:
            billed = ask(store, Question(by=(), metric="billed")).total_usd
            assert answer.total_usd == billed, scenario.name
