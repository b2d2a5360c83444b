"""Shared cost and outlook over a real ledger."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.errors import BadInput
from shoestring.store.answers import Question
from shoestring.store.charges import ChargeStore
from shoestring.workflows.allocation import preview, preview_json, read_rules
from shoestring.workflows.bills import bring_in
from shoestring.workflows.outlook import outlook, outlook_json, sentences
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 2, 3, tzinfo=UTC)
RULES = """
rules:
  - {name: shared, match: {team: [null], service: EKS}, to: team, method: proportional}
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """Forty days of two teams at 10 and 30 dollars, a shared cluster at 8, and one wild day of vision."""
    folder = tmp_path_factory.mktemp("shared")
    rows = []
    for n in range(40):
        day = date.fromordinal(date(2026, 1, 1).toordinal() + n)
        month = day.replace(day=1)
        stamps = {
            "ChargePeriodStart": f"{day}T00:00:00Z",
            "ChargePeriodEnd": f"{day}T01:00:00Z",
            "BillingPeriodStart": f"{month}T00:00:00Z",
        }
        for team, usd in [("nlp", 10), ("vision", 30 + (500 if n == 35 else 0))]:
            rows.append(focus(EffectiveCost=str(usd), Tags=f'{{"team": "{team}"}}', **stamps))
        rows.append(focus(EffectiveCost="8", Tags="", ServiceName="EKS", **stamps))
    store = ChargeStore(folder / "ledger")
    bring_in(store, [write(folder / "bill.csv", rows)], now=NOW, user="ann")
    return store


def rules(tmp_path, text):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    return read_rules(path)


def test_before_and_after_add_up_to_the_same(store, tmp_path):
    told = preview(store, Question(by=("team",)), rules(tmp_path, RULES))
    before = {line.key: line.before_usd for line in told.lines}
    after = {line.key: line.after_usd for line in told.lines}
    assert before == {"nlp": 400, "vision": 1700, None: 320}
    assert after[None] == 0
    january, february = Decimal(31 * 8) * 3 / 4, Decimal(9 * 8) * 770 / 860  # each month by its own use
    assert after["vision"] == pytest.approx(1700 + january + february, abs=Decimal("1e-9"))
    assert sum(after.values()) == sum(before.values()) == told.total_usd
    assert preview_json(told)["total_usd"] == 2420.0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("x: 1", "no `rules:`"),
        ("rules: [{name: a}]", "needs name, match, to and method"),
        (RULES.replace("to: team", "to: taem"), "did you mean 'team'"),
        (RULES.replace("proportional", "fair"), "allowed: even"),
        (RULES.replace("method", "mode: 1, method"), "unknown key 'mode'"),
        (RULES.replace("proportional}", "proportional, driver: luck}"), "driver 'luck'"),
        (RULES.replace("proportional}", "fixed, shares: {a: 0.5}}"), "not 1"),
    ],
)
def test_rules_that_can_not_be_are_explained(tmp_path, text, says):
    with pytest.raises(BadInput, match=says):
        rules(tmp_path, text)


def test_errors_name_the_line_and_what_to_do(tmp_path):
    with pytest.raises(
        BadInput, match=r"rules.yaml: line 4: rule 2: method 'fair'; .*mig, time_slices, ranks"
    ):
        rules(tmp_path, RULES + "  - {name: b, match: {}, to: team, method: fair}\n")
    with pytest.raises(BadInput, match=r"rules.yaml: line \d+: no YAML: expected") as caught:
        rules(tmp_path, RULES + "  - {name: b, match: {\n")
    assert "docs/ledger.md" in str(caught.value.next_step)


def test_rules_that_come_by_a_merge_have_no_line(tmp_path):
    with pytest.raises(BadInput, match=r"rules.yaml: rule 1: needs name"):
        rules(tmp_path, "a: &a\n  rules: [{name: x}]\n<<: *a\n")


def test_the_outlook_forecasts_the_month_and_names_the_odd_day(store):
    told = outlook(store, today=date(2026, 2, 10))
    assert told.spent_usd == 9 * 48 + 500
    assert told.ahead.total == pytest.approx(19 * 48, rel=0.05)
    spikes = [o for o in told.odd if o.anomaly.kind == "spike"]
    assert [(o.day, o.anomaly.drivers[0][0]) for o in spikes] == [(date(2026, 2, 5), "vision")]
    assert outlook_json(told)["anomalies"][0]["usd"] == pytest.approx(500, abs=1)
    assert "2026-02-05: a spike of +500.00 $ a day" in sentences(told)[1]


def test_an_empty_ledger_has_no_outlook(tmp_path):
    told = outlook(ChargeStore(tmp_path), today=date(2026, 2, 10))
    assert sentences(told) == ("no past to forecast from",)
