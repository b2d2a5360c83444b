"""A small ledger with everything that a report shows: a bill of two months, budgets, and runs with long lives."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from shoestring.domain.facts import RunSubmitted
from shoestring.domain.run import Attempt, ExitKind, Heartbeat, PriceSpan, RunState
from shoestring.ledger.receipt import Receipt, receipt
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_runs import book_run
from shoestring.workflows.bills import bring_in
from shoestring.workflows.budgets import set_budget
from shoestring.workflows.report import Period
from tests.ledger.making import DATA_PRICES, at, attempt, checkpoint, facts_of, offer, price
from tests.ledger.test_receipt import ON_DEMAND
from tests.store.bills.giving import focus, write

NOW = datetime(2026, 1, 24, 9, tzinfo=UTC)
TODAY = NOW.date()
PERIOD = Period(since=TODAY.replace(day=1), until=None, today=TODAY)
TEAMS = ("vision", "speech", "language")


def run(
    number: int,
    labels: dict[str, str] | None = None,
    *,
    state: RunState = RunState.SUCCEEDED,
    **words: str,
) -> Receipt:
    """A run that was preempted twice, moved once and finished; each number another price and quality."""
    start = number * 86_400
    zones = ("us-east-1a", "eu-west-1a", "us-east-1b")
    attempts = []
    for life, zone in enumerate(zones):
        on = offer(str(1 + number / 10 + life / 4), zone=zone)
        began, ended = start + life * 9000, start + life * 9000 + 7200
        middle = PriceSpan(start=at(began + 3600), end=None, price=price(str(1.2 + number / 10 + life / 4)))
        mine = attempt(
            life + 1,
            began,
            ended,
            steps=((began + 300, ended - 100, life * 100, life * 100 + 120),),
            checkpoints=tuple(
                replace(checkpoint(life * 100 + n * 25, began + 1200 * n, blocked=20.0), id=f"c{life}-{n}")
                for n in range(1, 5)
            ),
            exit_kind=ExitKind.DONE if life == 2 else ExitKind.PREEMPTED,
            on=on,
            prices=(PriceSpan(start=at(began), end=None, price=on.price), middle),
            energy_j=3.6e6 * (1 + number),
        )
        attempts.append(mine)
    last = attempts[-1].observation
    beat = Heartbeat(
        at=at(start + 25_000),
        step=320,
        samples=320_000,
        loss=0.9 / number,
        metrics={"accuracy": 0.95 - 0.3 / number - 0.04 * (number % 3), "eval_loss": 0.4 / number},
    )
    attempts[-1] = replace(attempts[-1], observation=replace(last, heartbeat=beat))
    run_id = words.get("run_id", f"run-{number}")
    # As the supervisor keys them: an attempt's id names its run.
    attempts = [_owned(a, run_id) for a in attempts]
    facts = facts_of(
        tuple(attempts), state=state, ended=start + 25_200, baselines=(ON_DEMAND,), run_id=run_id
    )
    facts = [_submitted(fact, number, start, labels, words) for fact in facts]
    return receipt(facts, run_id, now=NOW, prices=DATA_PRICES)


def _owned(mine: Attempt, run_id: str) -> Attempt:
    name = f"{run_id}-{mine.number}"
    return replace(mine, run_id=run_id, id=name, observation=replace(mine.observation, attempt_id=name))


def _submitted(
    fact: object, number: int, start: int, labels: dict[str, str] | None, words: dict[str, str]
) -> object:
    if not isinstance(fact, RunSubmitted):
        return fact
    given = labels or {
        "team": TEAMS[number % 3], "project": f"project-{number % 2}", "experiment": f"sweep-{number % 4}",
        "model": "resnet" if number % 2 else "bert", "dataset": "images" if number % 2 else "texts",
    }  # fmt: skip
    job = replace(fact.workload, labels=given, name=words.get("name", f"train-{number}"))
    return replace(fact, workload=job, at=at(start - 60), user=words.get("user", "ann"))


def bill_rows() -> list[dict[str, object]]:
    """Two months of daily charges of four teams, dearer on weekdays; spot, committed, and untagged ones."""
    rows = []
    for n in range(54):
        day = datetime(2025, 12, 1, tzinfo=UTC) + timedelta(days=n)
        busy = Decimal(20 if day.weekday() < 5 else 8) + n % 3
        month = day.replace(day=1)
        for k, team in enumerate((*TEAMS, None)):
            usd = busy * (k + 1) / 2 if team else Decimal(3)
            tags = (
                f'{{"team": "{team}", "project": "project-{k}", "experiment": "base-{k}", "model": "bert"}}'
            )
            rows.append(
                focus(
                    BilledCost=usd,
                    EffectiveCost=usd,
                    ContractedCost=usd * 2,
                    ListCost=usd * Decimal("2.2"),
                    BillingPeriodStart=f"{month:%Y-%m-%dT00:00:00Z}",
                    BillingPeriodEnd=f"{(month + timedelta(days=32)).replace(day=1):%Y-%m-%dT00:00:00Z}",
                    ChargePeriodStart=f"{day:%Y-%m-%dT00:00:00Z}",
                    ChargePeriodEnd=f"{day:%Y-%m-%dT01:00:00Z}",
                    PricingCategory=("Dynamic", "Committed", "Standard", "Standard")[k],
                    CommitmentDiscountStatus="Unused" if k == 1 and n % 9 == 0 else "",
                    ResourceId=f"i-{team}",
                    Tags=tags if team else "",
                )
            )
    return rows


def ledger(folder: Path, runs: list[Receipt]) -> ChargeStore:
    """The ledger of the bill and the runs, with budgets."""
    folder.mkdir(parents=True, exist_ok=True)
    store = ChargeStore(folder / "ledger")
    bring_in(
        store, [write(folder / "december-january.csv", bill_rows())], now=NOW - timedelta(hours=7), user="ann"
    )
    for n, paid in enumerate(runs):
        book_run(store, paid, state=str(n), now=NOW, user="ann")
    for scope, limit, breach in (
        ("organization", "2600", "warn"), ("team=vision", "400", "hold"), ("team=speech", "300", "suspend")
    ):  # fmt: skip
        set_budget(
            store, scope, limit, period="month", on_breach=breach, since=None, why="", user="ann", now=NOW
        )
    return store


def runs(count: int = 8) -> list[Receipt]:
    """Finished runs and one that failed."""
    return [*(run(n) for n in range(1, count)), run(count, state=RunState.FAILED)]
