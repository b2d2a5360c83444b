"""Three runs of two teams and a bill: what finance sees, and what the supervisor does about a budget."""

import csv
from pathlib import Path
from typing import Any

from tests.scenarios.conftest import Shell

BILL_DAY = "2026-01-05"  # a rehearsal market's calendar begins here


def rehearsed(shell: Shell, name: str, team: str, steps: int, *words: str, code: int = 0) -> Any:
    """Run a job of a team on the rehearsal market."""
    checkpoints = {"where": str(shell.folder / name), "glob": "step-*", "complete_marker": "DONE"}
    block = {"labels": {"team": team, "experiment": name}, "checkpoint": checkpoints}
    job = shell.job(env={"STEPS": str(steps)}, name=name, block=block)
    where = ("--executor", "rehearsal", "--market", str(shell.market()))
    return shell("run", str(job), "-y", *where, "--allow-unproven-resume", *words, code=code)


def bill(folder: Path) -> Path:
    """A FOCUS bill of one line that no run accounts for."""
    path = folder / "bill.csv"
    row = {
        "BilledCost": "12.50", "EffectiveCost": "12.50", "ListCost": "12.50", "ContractedCost": "12.50",
        "BillingAccountId": "1", "BillingAccountName": "one", "BillingCurrency": "USD",
        "BillingPeriodStart": "2026-01-01T00:00:00Z", "BillingPeriodEnd": "2026-02-01T00:00:00Z",
        "ChargePeriodStart": f"{BILL_DAY}T00:00:00Z", "ChargePeriodEnd": f"{BILL_DAY}T01:00:00Z",
        "ChargeCategory": "Usage", "ChargeClass": "", "ChargeDescription": "notebook", "ChargeFrequency": "Usage-Based",
        "ConsumedQuantity": "1", "ConsumedUnit": "Hours", "PricingQuantity": "1", "PricingUnit": "Hours",
        "ProviderName": "AWS", "PublisherName": "AWS", "InvoiceIssuerName": "AWS", "RegionId": "eu-west-1",
        "RegionName": "Ireland", "ResourceType": "instance", "SkuMeter": "hours", "PricingCategory": "Standard",
        "ListUnitPrice": "12.50", "ContractedUnitPrice": "12.50",
        "ResourceId": "i-1", "ServiceCategory": "Compute", "ServiceName": "EC2", "SkuId": "sku", "SkuPriceId": "price",
        "Tags": '{"team": "vision"}',
    }  # fmt: skip
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(row))
        writer.writeheader()
        writer.writerow(row)
    return path


def test_a_team_budget_suspends_its_run_and_no_other(shell: Shell) -> None:
    rehearsed(shell, "words", "nlp", 60)
    shell(
        "budget",
        "set",
        "team=vision",
        "3",
        "--period",
        "once",
        "--on-breach",
        "suspend",
        "--why",
        "small grant",
    )
    done = rehearsed(shell, "eyes", "vision", 400, code=4)
    assert "SUSPENDED (budget)" in done.stdout
    eyes = shell.status()
    assert eyes["spent_usd"] <= 3 and eyes["checkpoint_step"] > 0

    shell("bills", "import", str(bill(shell.folder)))
    rows = shell.json("costs", "--by", "team", "--since", "all")["rows"]
    by_team = {row["team"]: row for row in rows}
    assert {"nlp", "vision"} <= set(by_team)
    (standing,) = shell.json("budget", "show")["budgets"]
    assert standing["committed_usd"] == 0, (
        "suspended without an estimate or a budget of its own: nothing is known"
    )
    assert standing["outside_usd"] == 12.5 and standing["remaining_usd"] < 0

    shell("resume", eyes["run_id"], code=4)  # nothing has changed: it is suspended again, before it costs
    shell("budget", "approve", eyes["run_id"], "--why", "paper deadline")
    shell("resume", eyes["run_id"])
    assert shell.status(eyes["run_id"])["state"] == "succeeded"

    focus = shell.folder / "out.csv"
    shell("focus", "export", str(focus), "--version", "1.2", "--allow-unrated")
    shell("focus", "check", str(focus), "--version", "1.2")
    assert shell.json("savings")


def test_a_used_up_budget_holds_new_runs_until_somebody_approves(shell: Shell) -> None:
    shell("budget", "set", "team=vision", "0", "--on-breach", "hold")
    run = rehearsed(shell, "eyes", "vision", 30, "--detach", "--json").stdout
    run = shell.status()["run_id"]
    held = shell.until(lambda row: row["decision_code"] == "budget_hold", run)

    assert held["attempt"] == 0 and "team=vision" in held["decision"]
    assert "used up" in shell("status").stdout
    shell("budget", "approve", run)
    shell.until(lambda row: row["state"] == "succeeded", run)
