"""Questions to the ledger: the same sums from the cube as from the rows, and only known words in them."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.domain.errors import BadInput
from shoestring.ledger.calendar import FiscalCalendar
from shoestring.store import answers, charges_cubes
from shoestring.store.answers import METRICS, Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_schema import RESOURCE_KEYS
from shoestring.store.dimensions import RESOURCE_DIMENSIONS, Condition, dimension_sql
from shoestring.workflows.bills import bring_in
from shoestring.workflows.costs import answer_csv, answer_json, question_of, write_parquet
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 2, 3, tzinfo=UTC)
TEAMS = ["vision", "nlp", "speech"]


@pytest.fixture(scope="module", params=["cube", "rows"])
def store(request, tmp_path_factory):
    """Ninety charges of January, with their daily cube or without."""
    folder = tmp_path_factory.mktemp(request.param)
    rows = [
        focus(
            ResourceId=f"i-{n % 9}",
            BilledCost=str(n),
            EffectiveCost=str(n / 2),
            ChargePeriodStart=f"2026-01-{n % 3 + 1:02d}T{n % 24:02d}:00:00Z",
            ChargePeriodEnd="2026-01-31T00:00:00Z",
            ChargeCategory="Credit" if n % 10 == 0 else "Usage",
            CommitmentDiscountStatus="Unused" if n % 7 == 0 else "",
            Tags="" if n % 5 == 0 else f'{{"team": "{TEAMS[n % 3]}"}}',
        )
        for n in range(90)
    ]
    with pytest.MonkeyPatch.context() as patch:
        if request.param == "cube":
            patch.setattr(charges_cubes, "CUBE_LEAST", 1)
            patch.setattr(charges_cubes, "CUBE_WORTH", 10)
        store = ChargeStore(folder / "ledger")
        bring_in(store, [write(folder / "bill.csv", rows)], now=NOW, user="ann")
    (part,) = store.manifest().parts
    assert (part.cube is not None, part.resources is not None) == ((request.param == "cube",) * 2)
    return store


def expected(key, keep=lambda n: True):
    sums: dict[object, Decimal] = {}
    for n in filter(keep, range(90)):
        sums[key(n)] = sums.get(key(n), Decimal(0)) + n
    return sums


def team(n):
    return None if n % 5 == 0 else TEAMS[n % 3]


def answered(store, *by, **kwargs):
    answer = ask(store, Question(by=by, metric="billed", **kwargs))
    return {row.keys[0] if len(by) == 1 else row.keys: row.usd for row in answer.rows}


def test_by_team_and_by_team_and_day(store):
    assert answered(store, "team") == expected(team)
    assert answered(store, "team", "day") == expected(lambda n: (team(n), f"2026-01-{n % 3 + 1:02d}"))


@pytest.mark.parametrize(
    ("by", "since", "where"),
    [
        (("resource",), None, ()),
        (("resource", "team", "month"), date(2026, 1, 1), ()),
        (("resource",), None, ("team=vision",)),
        (("team", "resource"), None, ("region!=eu-west-1",)),
        (("resource",), date(2026, 1, 2), ()),  # no whole month
        (("resource", "day"), None, ()),
        (("resource", "service"), None, ("charge=Credit",)),
        (("team",), None, ("resource=i-1",)),
    ],
)
@pytest.mark.parametrize("metric", METRICS)
def test_resources_have_the_sums_of_their_rows(store, monkeypatch, by, since, where, metric):
    question = Question(
        by=by, metric=metric, since=since, where=tuple(Condition.parse(text) for text in where)
    )
    told = ask(store, question)
    monkeypatch.setattr(answers, "RESOURCE_DIMENSIONS", set())
    assert ask(store, question) == told
    assert told.total_usd == sum(row.usd for row in told.rows)


def test_by_resource(store):
    assert answered(store, "resource") == expected(lambda n: f"i-{n % 9}")


def test_a_limit_leaves_out_the_cheapest_and_no_dollar_of_the_total(store):
    every = ask(store, Question(by=("resource",), metric="billed"))
    some = ask(store, Question(by=("resource",), metric="billed", limit=2))
    assert (some.rows, some.more_rows) == (every.rows[:2], 7)
    assert some.total_usd == every.total_usd == sum(range(90))


def test_since_is_included_and_until_is_not(store):
    within = answered(store, "day", since=date(2026, 1, 2), until=date(2026, 1, 3))
    assert within == expected(lambda n: "2026-01-02", lambda n: n % 3 == 1)


@pytest.mark.parametrize(
    ("text", "keep"),
    [
        ("team=vision", lambda n: team(n) == "vision"),
        ("team!=vision", lambda n: team(n) != "vision"),
        ("team~IS", lambda n: team(n) == "vision"),
        ("team=", lambda n: team(n) is None),
        ("team!=", lambda n: team(n) is not None),
        ("resource=i-1", lambda n: n % 9 == 1),
    ],
)
def test_conditions(store, text, keep):
    total = sum(answered(store, "region", where=(Condition.parse(text),)).values())
    assert total == sum(n for n in range(90) if keep(n))


def test_what_must_not_be_hidden_is_told(store):
    answer = ask(store, Question(metric="billed"))
    assert answer.total_usd == sum(range(90))
    assert answer.unallocated_usd == sum(n for n in range(90) if n % 5 == 0 and n % 10 != 0)
    assert answer.unused_usd == sum(n for n in range(90) if n % 7 == 0)
    assert answer.credit_usd == sum(n for n in range(90) if n % 10 == 0)


def test_every_metric_has_its_column(store):
    totals = {metric: ask(store, Question(metric=metric, by=())).total_usd for metric in METRICS}
    assert totals == {"billed": 4005, "effective": Decimal("2002.5"), "list": 1080, "contracted": 990}


def test_fiscal_years_begin_where_they_are_told_to(store):
    october = FiscalCalendar(first_month=10)
    assert set(answered(store, "fiscal_year", calendar=october)) == {"FY2026"}
    assert set(answered(store, "fiscal_quarter", calendar=october)) == {"FY2026-Q2"}
    assert set(answered(store, "fiscal_month")) == {"FY2026-M01"}


def test_the_limit_hides_lines_and_not_their_money(store):
    answer = ask(store, Question(metric="billed", limit=1))
    assert (len(answer.rows), answer.more_rows, answer.total_usd) == (1, 3, 4005)


@pytest.mark.parametrize("bad", [{"by": "taem"}, {"metric": "paid"}, {"where": ["x"]}, {"where": ["zz=1"]},
                                 {"since": "soon"}, {"fiscal_start": 13}])  # fmt: skip
def test_unknown_words_are_refused_with_what_is_allowed(store, bad):
    with pytest.raises(BadInput) as refused:
        ask(store, question_of(today=date(2026, 1, 1), **bad))
    assert refused.value.next_step or "month 1 to 12" in str(refused.value)


def test_an_empty_ledger_has_no_costs(tmp_path):
    assert ask(ChargeStore(tmp_path), Question()).total_usd == 0


def test_json_csv_and_parquet_say_the_same(store, tmp_path):
    question = Question(metric="billed")
    answer = ask(store, question)
    write_parquet(answer, tmp_path / "a.parquet")
    with store.connect() as engine:
        rows = engine.execute(f"select team, usd from '{tmp_path}/a.parquet'").fetchall()
    assert dict(rows) == expected(team)
    assert {r["team"]: r["usd"] for r in answer_json(question, answer)["rows"]} == expected(team)
    assert "vision," in answer_csv(answer)


def test_text_that_a_spreadsheet_would_run_is_disarmed_in_csv(tmp_path):
    store = ChargeStore(tmp_path / "ledger")
    rows = [focus(ServiceName="=cmd()", BilledCost="-5")]
    bring_in(store, [write(tmp_path / "b.csv", rows)], now=NOW, user="ann")
    text = answer_csv(ask(store, Question(by=("service",), metric="billed")))
    assert "'=cmd(),-5" in text


@pytest.mark.parametrize(
    ("day", "month", "year"),
    [(date(2025, 12, 28), 12, 2025), (date(2025, 12, 29), 1, 2026), (date(2026, 1, 25), 1, 2026),
     (date(2026, 1, 26), 2, 2026), (date(2026, 3, 29), 3, 2026), (date(2026, 3, 30), 4, 2026)],
)  # fmt: skip
def test_quarters_of_four_four_and_five_weeks(day, month, year):
    calendar = FiscalCalendar(weeks_445=True)
    assert (calendar.month(day), calendar.year(day)) == (month, year)


def test_the_cube_of_resources_has_the_columns_of_what_it_is_asked():
    told = ["ResourceId", "BillingPeriodStart", "x_Day"]
    for name in RESOURCE_DIMENSIONS:
        sql = dimension_sql(name).replace('"', "")
        assert sql in RESOURCE_KEYS or any(column in sql for column in told), name
