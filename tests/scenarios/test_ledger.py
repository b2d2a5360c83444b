"""Three runs of two teams and a bill, from the first costs to the last export; every saving is worked out twice."""

import csv
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("duckdb")

from shoestring.executors.marketfile import MarketFile
from shoestring.store.charges_engine import connect
from tests.scenarios.conftest import Shell
from tests.scenarios.recompute import recompute
from tests.scenarios.test_budgets import bill as one_line
from tests.scenarios.test_budgets import rehearsed

PRICES = {
    "storage": Fraction(str(MarketFile.model_fields["storage_usd_per_gib_month"].default)),
    "egress": Fraction(str(MarketFile.model_fields["egress_usd_per_gib"].default)),
}
VISION, NLP, NOBODY = '{"team": "vision"}', '{"team": "nlp"}', ""
# list, contracted, effective, billed: negotiated, on a savings plan, the plan's unused hour, spot, a credit, a tax
LINES: list[dict[str, Any]] = [
    {"costs": ("20", "18", "18", "18"), "Tags": VISION, "PricingCategory": "Standard"},
    {"costs": ("30", "27", "19.5", "0"), "Tags": NLP, "PricingCategory": "Committed",
     "CommitmentDiscountStatus": "Used", "CommitmentDiscountId": "sp-1"},
    {"costs": ("0", "0", "2.25", "0"), "Tags": NOBODY, "PricingCategory": "Committed",
     "CommitmentDiscountStatus": "Unused", "CommitmentDiscountId": "sp-1"},
    {"costs": ("12.3", "12.3", "4.1", "4.1"), "Tags": VISION, "PricingCategory": "Dynamic"},
    {"costs": ("-3", "-3", "-3", "-3"), "Tags": NLP, "ChargeCategory": "Credit", "PricingCategory": ""},
    {"costs": ("1.5", "1.5", "1.5", "1.5"), "Tags": NOBODY, "ChargeCategory": "Tax", "PricingCategory": ""},
]  # fmt: skip
COSTS = ("ListCost", "ContractedCost", "EffectiveCost", "BilledCost")
PRICED = (
    "PricingQuantity",
    "PricingUnit",
    "ListUnitPrice",
    "ContractedUnitPrice",
    "SkuId",
    "SkuPriceId",
    "SkuMeter",
)
INVOICE = Decimal("20.6")


def bill(folder: Path) -> Path:
    """A FOCUS bill with a line of each kind that a saving can come from."""
    with one_line(folder).open(newline="") as file:
        (row,) = csv.DictReader(file)
    path = folder / "november.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, [*row, "CommitmentDiscountStatus", "CommitmentDiscountId"])
        writer.writeheader()
        for number, line in enumerate(LINES):
            costs = dict(zip(COSTS, line["costs"], strict=True))
            changes = {k: v for k, v in line.items() if k != "costs"}
            units = {"ListUnitPrice": costs["ListCost"], "ContractedUnitPrice": costs["ContractedCost"]}
            made = {**row, **costs, **units, "ResourceId": f"i-{number}", **changes}
            if made["ChargeCategory"] != "Usage":
                made |= dict.fromkeys(PRICED, "")
            if made["ChargeCategory"] != "Usage" or made.get("CommitmentDiscountStatus") == "Unused":
                made |= {"ConsumedQuantity": "", "ConsumedUnit": ""}
            writer.writerow(made)
    return path


def test_from_three_runs_and_a_bill_to_costs_budget_savings_report_and_focus(shell: Shell) -> None:
    rehearsed(shell, "words", "nlp", 60)
    rehearsed(shell, "ears", "vision", 40)
    shell("budget", "set", "team=vision", "3", "--period", "once", "--on-breach", "suspend", "--why", "grant")
    assert "SUSPENDED (budget)" in rehearsed(shell, "eyes", "vision", 200, code=4).stdout

    path = bill(shell.folder)
    told = shell("bills", "import", str(path), "--invoice", str(INVOICE)).stdout
    assert "imported 20.60 USD = invoice 20.60" in told

    answer = shell.json("costs", "--by", "team", "--since", "all")
    assert {row["team"] for row in answer["rows"]} == {"nlp", "vision", None}
    assert answer["unused_usd"] == 2.25 and answer["credit_usd"] == -3
    (standing,) = shell.json("budget", "show")["budgets"]
    assert standing["outside_usd"] == 22.1 and standing["remaining_usd"] < 0

    eyes = shell.status()["run_id"]
    shell("budget", "approve", eyes, "--why", "deadline")
    shell("resume", eyes)
    assert shell.status(eyes)["state"] == "succeeded"

    words = shell.json("status")["runs"][-1]["run_id"]  # the first one
    verdict = ("savings", "record", "--run", words, "--lever", "data", "--what", "30 % of the steps",
               "--against", eyes, "--quality-metric", "loss", "--why", "trial")  # fmt: skip
    assert "worse by more than 0" in shell(*verdict, code=3).stderr
    assert shell.json("savings", "--since", "all")["avoided"]["levers"]["verdicts"] == []
    saved = shell.json(*verdict, "--tolerance", "0.02")
    assert saved["quality"]["given_up"] > 0 and saved["basis"] == "METERED"
    assert shell.json("receipt", words)["lever"]["usd"] == saved["usd"]

    savings = shell.json("savings", "--since", "all")
    again = recompute(shell.folder / "home", [path], **PRICES)
    assert len(again["runs"]) == 3
    for run, figures in again["runs"].items():
        receipt = shell.json("receipt", run)
        assert receipt["cost_usd"]["total"] == figures["paid"], run
        assert receipt["baseline"]["cost_usd"] == figures["baseline"], run
        assert receipt["saving_usd"] == figures["saving"], run
    assert savings["avoided"]["usd"] == pytest.approx(again["avoided_usd"], abs=1e-9)
    for name, usd in again["realized"].items():
        assert savings["realized"][name] == pytest.approx(usd, abs=1e-9), name
    assert savings["avoided"]["levers"]["usd"] == saved["usd"]
    assert again["levers"] == {words: pytest.approx(saved["usd"], abs=1e-9)}
    chain = next(c for c in savings["chains"]["runs"] if c["run"] == words)
    steps = {s["step"]: s["usd"] for s in chain["steps"]}
    assert steps["data levers"] == -saved["usd"] == -steps["work not bought"]
    assert sum(steps.values()) == pytest.approx(chain["paid_usd"], abs=1e-9)
    assert savings["realized"]["commitment_usd"] == 7.5
    assert savings["realized"]["negotiated_usd"] == 5

    report = shell.json("report", "--html", "report.html", "--since", "all")
    assert (
        len(report["runs"]) == 3 and "Content-Security-Policy" in (shell.folder / "report.html").read_text()
    )
    assert report["savings"]["avoided"] == savings["avoided"]

    billed = shell.json("costs", "--metric", "billed", "--since", "all")["total_usd"]
    for version in ("1.2", "1.4"):
        out = shell.folder / f"out-{version}.csv"
        written = shell.json("focus", "export", str(out), "--version", version, "--allow-unrated")["rows"]
        assert shell.json("focus", "check", str(out), "--version", version)["conforms"], version
        with connect() as engine:
            rows, total = engine.execute(
                f"select count(*), sum(cast(BilledCost as decimal(38,12))) from read_csv('{out}', all_varchar=true)"
            ).fetchone()
        assert float(total) == billed
        assert rows == written
