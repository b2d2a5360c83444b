"""Rules in force: cost moves, nothing is lost, undoing leaves the bill as it came, and a newer bill asks anew."""

import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")


from shoestring.domain.errors import BadInput
from shoestring.store.allocation_book import NAME, in_force
from shoestring.store.answers import Question, ask, counted_parts
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_manifest import ALLOCATION
from shoestring.store.dimensions import Condition
from shoestring.store.focus.check import check_file
from shoestring.store.focus.export import export_focus
from shoestring.workflows.allocation import preview, read_rules
from shoestring.workflows.bills import bring_in, close_month
from shoestring.workflows.shared_cost import apply_rules, closed_months, refresh, undo_rules
from shoestring.workflows.tie_out import tie_out_of
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 3, 3, tzinfo=UTC)
EVEN = "rules: [{name: shared, match: {team: [null]}, to: team, method: even}]"
CHAIN = """
rules:
  - {name: cluster, match: {team: [null], service: EKS}, to: team, method: proportional}
  - {name: platform, match: {team: platform}, to: team, method: fixed, shares: {vision: 0.6, nlp: 0.4}}
"""


def day(month: str, n: int = 10) -> dict[str, str]:
    return {
        "BillingPeriodStart": f"{month}-01T00:00:00Z",
        "BillingPeriodEnd": "",
        "ChargePeriodStart": f"{month}-{n:02d}T00:00:00Z",
        "ChargePeriodEnd": f"{month}-{n:02d}T01:00:00Z",
    }


def team(name: str, usd: str, **more: object) -> dict[str, object]:
    tags = f'{{"team": "{name}"}}' if name else ""
    return focus(BilledCost=usd, EffectiveCost=usd, ListCost=usd, ContractedCost=usd, Tags=tags, **more)


def shared(usd: str, **more: object) -> dict[str, object]:
    return team("", usd, ServiceName="EKS", **more)


@pytest.fixture
def store(tmp_path):
    return ChargeStore(tmp_path / "ledger")


def bill(store, tmp_path, rows, name="bill.csv"):
    return bring_in(store, [write(tmp_path / name, rows)], now=NOW, user="ann")


def apply(store, tmp_path, text):
    path = tmp_path / "rules.yaml"
    path.write_text(text)
    return apply_rules(store, path, user="ann", now=NOW)


def by(store, *names, metric="effective", **more):
    answer = ask(store, Question(by=names, metric=metric, **more))
    return {row.keys if len(names) > 1 else row.keys[0]: row.usd for row in answer.rows}


def january(store, tmp_path):
    bill(store, tmp_path, [team("nlp", "10", **day("2026-01")), team("vision", "30", **day("2026-01")),
                           team("platform", "20", **day("2026-01")), shared("12", **day("2026-01"))])  # fmt: skip


def test_shares_are_charges_and_every_metric_keeps_its_total(store, tmp_path):
    january(store, tmp_path)
    before = {
        m: ask(store, Question(metric=m)).total_usd for m in ("effective", "billed", "list", "contracted")
    }
    apply(store, tmp_path, CHAIN)
    assert by(store, "team") == {
        "nlp": 10 + 2 + Decimal("0.4") * 24,
        "vision": 30 + 6 + Decimal("0.6") * 24,
        "platform": 0,
        None: 0,
    }
    assert {m: ask(store, Question(metric=m)).total_usd for m in before} == before
    assert by(store, "source") == {"AWS/123456789012": 72}, "each source still says what its bill says"
    assert ask(store, Question()).unallocated_usd == 0
    assert by(store, "team", allocated=False)[None] == 12


def test_the_preview_says_what_the_rules_then_do(store, tmp_path):
    january(store, tmp_path)
    bill(store, tmp_path, [team("nlp", "90", **day("2026-02")), shared("9", **day("2026-02"))], "two.csv")
    path = tmp_path / "rules.yaml"
    path.write_text(CHAIN)
    told = preview(store, Question(by=("team",)), read_rules(path))
    apply_rules(store, path, user="ann", now=NOW)
    assert {line.key: line.after_usd for line in told.lines} == by(store, "team")
    again = preview(store, Question(by=("team",)), read_rules(path))
    assert again == told, "a preview looks at the bill, not at what rules have moved already"


def quantities(store, *, allocated=True):
    """By team: accelerator hours, energy, carbon; then what was consumed and priced, with their units."""
    parts = counted_parts(store.manifest(), allocated=allocated)
    with store.connect() as engine:
        rows = engine.execute(
            "select x_Team, sum(x_AcceleratorSeconds), sum(x_EnergyKwh), sum(x_CarbonKg), "
            "sum(case when ConsumedUnit = 'GPU Hours' then ConsumedQuantity end), "
            "sum(case when PricingUnit = 'Hours' then PricingQuantity end) "
            f"from {store.rows_sql(parts)} group by 1 order by 1"
        ).fetchall()
    return {row[0]: row[1:] for row in rows}


def test_quantities_follow_the_split_and_are_conserved(store, tmp_path):
    use = {"x_AcceleratorSeconds": "7200", "x_EnergyKwh": "3", "x_CarbonKg": "1.2", "ConsumedQuantity": "2",
           "ConsumedUnit": "GPU Hours", "PricingQuantity": "1", "PricingUnit": "Hours"}  # fmt: skip
    bill(store, tmp_path, [team("nlp", "10", **day("2026-01"), **use), team("vision", "30", **day("2026-01")),
                           shared("20", **day("2026-01"), **use), shared("4", **day("2026-01"), ConsumedUnit="GB",
                           ConsumedQuantity="8", PricingUnit="GB", PricingQuantity="8")])  # fmt: skip
    before = quantities(store)
    apply(store, tmp_path, EVEN)
    after = quantities(store)
    assert after["nlp"] == pytest.approx((10800, 4.5, 1.8, 3, 1.5))
    assert after["vision"][0] == pytest.approx(3600) and after[None] == pytest.approx((0, 0, 0, 0, 0))
    for kind in range(5):
        had, has = (sum(float(r[kind] or 0) for r in told.values()) for told in (before, after))
        assert has == pytest.approx(had, abs=1e-9)
    hours = {r.keys[0]: r.accelerator_hours for r in ask(store, Question(by=("team",))).rows}
    assert hours == pytest.approx({"nlp": 3, "vision": 1, None: 0})
    undo_rules(store, user="ann", now=NOW)
    assert quantities(store) == before


def test_what_is_unknown_stays_unknown_in_a_share(store, tmp_path):
    bill(store, tmp_path, [team("nlp", "10", **day("2026-01")), shared("20", **day("2026-01"))])
    apply(store, tmp_path, EVEN)
    assert quantities(store)["nlp"][:3] == (None, None, None)


def test_focus_columns_say_how_a_share_came_about(store, tmp_path):
    january(store, tmp_path)
    apply(store, tmp_path, CHAIN)
    with store.connect() as engine:
        rows = engine.execute(
            "select x_Team, EffectiveCost, AllocatedMethodId, AllocatedMethodDetails, AllocatedResourceId, "
            "AllocatedResourceName, AllocatedTags, x_CostBasis "
            f"from {store.rows_sql(store.manifest().parts)} where AllocatedMethodId is not null order by all"
        ).fetchall()
    vision = [row for row in rows if row[0] == "vision"]
    assert [(row[2], row[1]) for row in vision] == [
        ("cluster / platform", Decimal("2.4")),
        ("cluster", 6),
        ("platform", 12),
    ]
    chained, _, fixed = vision
    first, second = json.loads(chained[3])["Elements"]
    assert (first["UsageUnit"], first["UsageQuantity"], second) == ("usd", 20, {"AllocatedRatio": 0.6})
    assert first["AllocatedRatio"] == pytest.approx(1 / 3)
    assert json.loads(fixed[3]) == {"Elements": [{"AllocatedRatio": 0.6}]}
    assert fixed[4:] == ("team=vision", "vision", '{"team": "vision"}',
                         "allocated")  # fmt: skip


@pytest.mark.parametrize("version", ["1.2", "1.4"])
def test_an_export_of_shared_cost_conforms_and_adds_up(store, tmp_path, version):
    january(store, tmp_path)
    apply(store, tmp_path, CHAIN)
    done = export_focus(store, tmp_path / "out.csv", version=version)
    apart = [v for v in check_file(done.path, version).violations if v.level == "MUST"]
    plain = ChargeStore(tmp_path / "plain")
    january(plain, tmp_path)
    before = export_focus(plain, tmp_path / "before.csv", version=version)
    known = {v.rule for v in check_file(before.path, version).violations}
    assert {v.rule for v in apart} <= known, "sharing out breaks no rule that the bill itself keeps"
    with store.connect() as engine:
        ((total,),) = engine.execute(f"select sum(BilledCost) from '{done.path}'").fetchall()
    assert float(total) == 72.0


def test_undoing_leaves_the_bill_as_it_came(store, tmp_path):
    january(store, tmp_path)
    files = {p.file for p in store.manifest().parts}
    apply(store, tmp_path, EVEN)
    undo_rules(store, user="bob", now=NOW, why="too simple")
    assert by(store, "team") == {"nlp": 10, "vision": 30, "platform": 20, None: 12}
    assert ({p.file for p in store.manifest().parts}, in_force(store.folder)) == (files, None)
    assert "too simple" in (store.folder / NAME).read_text()
    with pytest.raises(BadInput, match="no allocation rules"):
        undo_rules(store, user="bob", now=NOW)


def test_a_newer_bill_is_shared_anew(store, tmp_path):
    january(store, tmp_path)
    apply(store, tmp_path, EVEN)
    bill(store, tmp_path, [team("nlp", "10", **day("2026-01")), shared("4", **day("2026-01"))], "newer.csv")
    assert by(store, "team") == {"nlp": 14, None: 0}


def test_nothing_is_written_when_nothing_has_changed(store, tmp_path):
    january(store, tmp_path)
    apply(store, tmp_path, EVEN)
    before = store.manifest()
    refresh(store)
    assert store.manifest() == before


def test_only_months_that_have_changed_are_shared_anew(store, tmp_path):
    january(store, tmp_path)
    bill(store, tmp_path, [team("nlp", "9", **day("2026-02")), shared("3", **day("2026-02"))], "two.csv")
    apply(store, tmp_path, EVEN)
    before = {p.period: p.file for p in store.manifest().parts if p.kind == ALLOCATION}
    bill(store, tmp_path, [team("nlp", "9", **day("2026-02")), shared("5", **day("2026-02"))], "newer.csv")
    after = {p.period: p.file for p in store.manifest().parts if p.kind == ALLOCATION}
    assert after["2026-01"] == before["2026-01"] and after["2026-02"] != before["2026-02"]
    assert by(store, "billing_month", "team")[("2026-02", "nlp")] == 14


def test_a_closed_month_keeps_its_shares(store, tmp_path):
    january(store, tmp_path)
    apply(store, tmp_path, EVEN)
    told = by(store, "team")
    close_month(store, "2026-01", None, now=NOW, user="ann")
    undo_rules(store, user="ann", now=NOW)
    assert (by(store, "team"), closed_months(store)) == (told, ("2026-01",))
    bill(
        store, tmp_path, [team("nlp", "10", **day("2026-01")), shared("15", **day("2026-01"))], "restated.csv"
    )
    assert ask(store, Question()).total_usd == 25, (
        "the restatement is posted, and the shares still sum to nothing"
    )


def test_a_rule_may_hold_for_some_days(store, tmp_path):
    bill(store, tmp_path, [team("nlp", "1", **day("2026-01", 2)), shared("4", **day("2026-01", 5)),
                           shared("7", **day("2026-01", 20))])  # fmt: skip
    apply(store, tmp_path, EVEN.replace("}]", ", since: 2026-01-10, until: 2026-01-21}]"))
    assert by(store, "team") == {"nlp": 8, None: 4}
    told = preview(store, Question(by=("team",)), read_rules(tmp_path / "rules.yaml"))
    assert {line.key: line.after_usd for line in told.lines} == by(store, "team")


def test_rules_by_account_resource_and_month(store, tmp_path):
    bill(store, tmp_path, [team("nlp", "1", **day("2026-01")), shared("5", ResourceId="node-1", **day("2026-01")),
                           shared("6", ResourceId="node-2", **day("2026-01"))])  # fmt: skip
    rule = (
        "{name: n, match: {resource: node-1, account: 123456789012, month: 2026-01}, to: team, method: even}"
    )
    apply(store, tmp_path, f"rules: [{rule}]")
    assert by(store, "team") == {"nlp": 6, None: 6}
    assert by(store, "resource", where=(Condition.parse("team=nlp"),)) == {"i-1": 1, "node-1": 5}


def test_a_gpu_in_mig_slices_has_its_remainder_as_a_line(store, tmp_path):
    bill(store, tmp_path, [shared("7", ResourceId="node-7", **day("2026-01"))])
    rule = "{name: a100, match: {resource: node-7}, to: team, method: mig, holders: {vision: 3g.20gb, nlp: [2g.10gb]}}"
    apply(store, tmp_path, f"rules: [{rule}]")
    assert by(store, "team") == {"vision": 3, "nlp": 2, "(remainder)": 2, None: 0}
    with store.connect() as engine:
        rows = engine.execute(
            f"select x_Team, AllocatedMethodDetails from {store.rows_sql(store.manifest().parts)} "
            "where AllocatedMethodId = 'a100'"
        ).fetchall()
    told = {team: json.loads(details)["Elements"][0] for team, details in rows}
    assert told["vision"] == {
        "AllocatedRatio": pytest.approx(3 / 7), "UsageUnit": "MIG compute slices", "UsageQuantity": 3,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("method: mig", "holders: who holds what"),
        ("method: mig, holders: {a: 9x}", "no MIG profile"),
        ("method: ranks, holders: {a: 1}", "how many there are in all"),
        ("method: ranks, holders: {a: 9}, of: 8", "more than the whole"),
        ("method: time_slices, holders: {a: x}, of: 4", "invalid literal"),
        ("method: even, since: soon", "soon"),
    ],
)
def test_parts_of_a_gpu_that_can_not_be_are_explained(store, tmp_path, rule, says):
    with pytest.raises(BadInput, match=says):
        apply(store, tmp_path, f"rules: [{{name: gpu, match: {{resource: node-7}}, to: team, {rule}}}]")


def test_a_rule_that_finds_nobody_says_so_and_moves_nothing(store, tmp_path):
    bill(store, tmp_path, [shared("5", **day("2026-01"))])
    assert apply(store, tmp_path, EVEN) == ("shared",)
    assert by(store, "team") == {None: 5}
    assert not [p for p in store.manifest().parts if p.kind == ALLOCATION]


def test_shares_are_no_bill_of_anybody(store, tmp_path):
    january(store, tmp_path)
    before = tie_out_of(store, since=None, until=None, unallocated=None)
    apply(store, tmp_path, EVEN)
    assert tie_out_of(store, since=None, until=None, unallocated=None) == before


def test_bad_rules_leave_those_in_force(store, tmp_path):
    january(store, tmp_path)
    apply(store, tmp_path, EVEN)
    with pytest.raises(BadInput):
        apply(store, tmp_path, EVEN.replace("even", "fair"))
    assert in_force(store.folder).rules == EVEN
