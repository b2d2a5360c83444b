"""Sharing out in the engine: what it does to a bill is what the rules say of each line, to the last step."""

from collections import Counter, defaultdict
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

pytest.importorskip("duckdb")

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoestring.ledger.allocate import CostLine, allocate
from shoestring.ledger.split import EXACT, FINEST, Cuts
from shoestring.store.answers import counted_parts
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_engine import connect
from shoestring.store.charges_manifest import ALLOCATION
from shoestring.store.charges_shares_sql import AMOUNTS, MACROS
from shoestring.workflows.allocation import parse_rules
from shoestring.workflows.bills import bring_in
from shoestring.workflows.shared_cost import apply_rules
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 3, 3, tzinfo=UTC)
STEP = Decimal("1e-12")
RULES = (
    "match: {team: [null]}, to: team, method: even",
    "match: {team: [null, a]}, to: team, method: proportional",
    "match: {team: [null, b], project: [null, x]}, to: team, method: proportional, driver: accelerator_hours",
    "match: {service: EKS}, to: project, method: proportional, driver: energy_kwh, targets: [x, y]",
    "match: {service: [EKS, S3]}, to: team, method: even, targets: [a, b, c]",
    "match: {team: b}, to: project, method: fixed, shares: {x: 0.333333333333, y: 0.666666666667}",
    "match: {}, to: team, method: fixed, shares: {d: 0, e: 1}, since: 2026-01-05, until: 2026-02-03",
    "match: {project: [x], resource: [i-0, i-2]}, to: project, method: ranks, holders: {x: 3, y: 2}, of: 8",
    "match: {team: [a, c, e], user: [null]}, to: team, method: even",
)

usd = st.decimals(-500, 2000, places=10) | st.sampled_from([Decimal(0), Decimal("1e-10"), Decimal(10) ** 9])
part = st.integers(0, 40).map(lambda n: None if n > 30 else Decimal(n) / 4)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "team": st.sampled_from([None, None, "a", "b", "c"]),
            "project": st.sampled_from([None, "x"]),
            "service": st.sampled_from(["EKS", "EC2", "S3"]),
            "month": st.sampled_from(["2026-01", "2026-02"]),
            "day": st.integers(1, 6),
            "resource": st.sampled_from(["i-0", "i-1", "i-2"]),
            "costs": st.tuples(usd, usd, usd, usd),
            "hours": part,
            "kwh": part,
            "consumed": part,
        }
    ),
    min_size=1,
    max_size=8,
)


def of_bill(row, number):
    """A line of a bill; its sub-account tells it from all others."""
    tags = ", ".join(f'"{name}": "{row[name]}"' for name in ("team", "project") if row[name])
    first, start = f"{row['month']}-01T00:00:00Z", f"{row['month']}-{row['day']:02d}T00:00:00Z"
    amounts = dict(
        zip(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), row["costs"], strict=True)
    )
    use = {
        "x_AcceleratorSeconds": None if row["hours"] is None else row["hours"] * 3600,
        "x_EnergyKwh": row["kwh"],
        "x_CarbonKg": row["kwh"],
        "ConsumedQuantity": row["consumed"],
        "ConsumedUnit": "GB",
        "PricingQuantity": row["consumed"],
        "PricingUnit": "GB",
    }
    told = {name: "" if value is None else f"{value:f}" if isinstance(value, Decimal) else value
            for name, value in (amounts | use).items()}  # fmt: skip
    return focus(**told, Tags=f"{{{tags}}}" if tags else "", ServiceName=row["service"], ResourceId=row["resource"],
                 SubAccountId=f"s{number}", BillingPeriodStart=first, BillingPeriodEnd="",
                 ChargePeriodStart=start, ChargePeriodEnd="")  # fmt: skip


def of_rules(row, number, rules):
    """The same line as the rules see it."""
    billed, effective, listed, contracted = row["costs"]
    use = {"x_AcceleratorSeconds": None if row["hours"] is None else row["hours"] * 3600,
           "x_EnergyKwh": row["kwh"], "x_CarbonKg": row["kwh"], "ConsumedQuantity": row["consumed"],
           "PricingQuantity": row["consumed"]}  # fmt: skip
    drivers = {"accelerator_hours": row["hours"] or Decimal(0), "energy_kwh": row["kwh"] or Decimal(0)}
    wanted = {rule.driver for rule in rules if rule.method == "proportional"}
    return CostLine(
        keys={"team": row["team"], "project": row["project"], "user": None, "service": row["service"],
              "resource": row["resource"]},
        usd=effective,
        drivers={name: amount for name, amount in drivers.items() if name in wanted},
        day=date.fromisoformat(f"{row['month']}-{row['day']:02d}"),
        also={"BilledCost": billed, "EffectiveCost": effective, "ListCost": listed, "ContractedCost": contracted}
        | {name: amount for name, amount in use.items() if amount is not None},
        origin=number,
    )  # fmt: skip


def by_the_rules(given_rows, rules):
    """Shares of each line as the pure rules make them, and rules without a receiver in some month."""
    shares, untouched = Counter(), set()
    looked_at = {*(rule.to for rule in rules), *(name for rule in rules for name in rule.match)}
    for month in sorted({row["month"] for row in given_rows}):
        lines = [of_rules(row, n, rules) for n, row in enumerate(given_rows) if row["month"] == month]
        touched = [line for line in lines if any(rule.matches(line) for rule in rules)]
        if not touched:
            continue
        others = defaultdict(list)  # what rules can't tell apart stands for itself as one
        for line in lines:
            if line not in touched:
                others[tuple(line.keys[name] for name in sorted(looked_at))].append(line)
        summed = [
            CostLine(
                keys=alike[0].keys,
                usd=sum(line.usd for line in alike),
                drivers={d: sum(line.drivers[d] for line in alike) for d in alike[0].drivers},
            )
            for alike in others.values()
        ]
        done = allocate([*touched, *summed], rules)
        untouched |= set(done.untouched)
        for line in done.lines:
            if line.sharings:
                path = " / ".join(step.rule for step in line.sharings)
                amounts = tuple(line.also.get(name) for name in AMOUNTS)
                shares[(f"s{line.origin}", line.keys["team"], line.keys["project"], path, amounts)] += 1
    return shares, untouched


def told(store, sql, *, kind=None):
    parts = [p for p in counted_parts(store.manifest()) if kind is None or p.kind == kind]
    with store.connect() as engine:
        return engine.execute(sql.format(rows=store.rows_sql(parts))).fetchall()


def exact(value):
    return None if value is None else Decimal(str(value)).quantize(STEP)


@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
@given(given_rows=rows, texts=st.lists(st.sampled_from(RULES), min_size=1, max_size=4))
def test_the_engine_shares_as_the_rules_say_and_every_amount_keeps_its_sum(
    tmp_path_factory, given_rows, texts
):
    folder: Path = tmp_path_factory.mktemp("any")
    store = ChargeStore(folder / "ledger")
    bring_in(
        store,
        [write(folder / "bill.csv", [of_bill(row, n) for n, row in enumerate(given_rows)])],
        now=NOW,
        user="ann",
    )
    sums = ", ".join(f"sum({name})" for name in AMOUNTS)
    looks = (
        f"select cast(ChargePeriodStart as date), ServiceName, SubAccountId, {sums} from {{rows}} "
        "group by 1, 2, 3 order by 1, 2, 3"
    )
    before = told(store, looks)
    text = "rules:\n" + "".join(f"  - {{name: r{n}, {given}}}\n" for n, given in enumerate(texts))
    path = folder / "rules.yaml"
    path.write_text(text)
    untouched = apply_rules(store, path, user="ann", now=NOW)
    for was, now in zip(before, told(store, looks), strict=True):
        assert was[:3] == now[:3]
        assert [float(v or 0) for v in was[7:]] == pytest.approx([float(v or 0) for v in now[7:]], abs=1e-9)
        assert was[3:7] == now[3:7], "money keeps its sums to the last step"
    shares, without = by_the_rules(given_rows, parse_rules(text, "rules"))
    assert set(untouched) == without
    columns = ", ".join(AMOUNTS)
    stored = told(
        store,
        f"select SubAccountId, x_Team, x_Project, AllocatedMethodId, {columns} from {{rows}} "
        "where AllocatedMethodId is not null",
        kind=ALLOCATION,
    )
    assert Counter((*row[:4], tuple(exact(v) for v in row[4:])) for row in stored) == Counter(
        {(*key[:4], tuple(exact(v) for v in key[4])): count for key, count in shares.items()}
    )


@pytest.fixture(scope="module")
def engine():
    made = connect()
    for statement in MACROS.split(";"):
        made.execute(statement)
    return made


weights = st.dictionaries(
    st.sampled_from("abcdefg"), st.integers(0, 10**30) | st.integers(0, 9), min_size=1, max_size=7
)
many_steps = st.integers(-(10**37), 10**37) | st.integers(-(10**12), 10**12)


@settings(max_examples=60, deadline=None)
@given(weights=weights, steps=st.lists(many_steps, min_size=1, max_size=10))
def test_the_engine_cuts_where_the_rules_cut(engine, weights, steps):
    cuts = Cuts(weights)
    assert sum(cuts.ratios.values()) == 1 and cuts.total <= FINEST
    for low, high in cuts.bounds.values():
        assert low <= high
    asked = [(n, *bounds, cuts.total) for n in steps for bounds in cuts.bounds.values()]
    listed = ", ".join(f"({', '.join(f'{value}::hugeint' for value in values)})" for values in asked)
    found = engine.execute(f"select cast(share(a, b, c, d) as varchar) from (values {listed}) v(a, b, c, d)")
    by_engine = [int(told) for (told,) in found.fetchall()]
    by_rules = [
        int(EXACT.divide(part, STEP)) for n in steps for part in cuts(EXACT.multiply(n, STEP)).values()
    ]
    assert by_engine == by_rules
    width = len(cuts.bounds)
    assert [sum(by_rules[n * width : (n + 1) * width]) for n in range(len(steps))] == steps


def test_a_share_of_many_lines_needs_no_line_in_python(tmp_path):
    store = ChargeStore(tmp_path / "ledger")
    given_rows = [focus(Tags="", SubAccountId=f"s{n}") for n in range(3_000)]
    bring_in(store, [write(tmp_path / "bill.csv", given_rows)], now=NOW, user="ann")
    path = tmp_path / "rules.yaml"
    path.write_text("rules: [{name: all, match: {}, to: team, method: even, targets: [a, b, c]}]")
    assert apply_rules(store, path, user="ann", now=NOW) == ()
    ((count, ids, billed),) = told(
        store,
        "select count(*), count(distinct x_ChargeId), sum(BilledCost) from {rows} where AllocatedMethodId is not null",
        kind=ALLOCATION,
    )
    assert (count, ids, billed) == (9_000, 9_000, 30_000)
