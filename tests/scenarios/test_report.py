"""A run that was really preempted, on the report's page."""

import pytest

pytest.importorskip("duckdb")
pytest.importorskip("plotly")
pytest.importorskip("jinja2")

from tests.scenarios.conftest import Shell


def test_a_rehearsed_run_has_its_line_its_timeline_and_its_chain(shell: Shell) -> None:
    rough = {"spot": 0.40, "on_demand": 1.20, "long_up_share": 0.0, "short_up_h": 1.2, "short_down_h": 0.5,
             "long_down_share": 0.0}  # fmt: skip
    zones = {z: {"region": z[:-1], "starts_up": True, **rough} for z in ("eu-west-1a", "eu-west-2a")}
    job, market = shell.job(env={"STEPS": "80"}), shell.market(zones=zones)
    shell(
        "run", str(job), "-y", "--executor", "rehearsal", "--market", str(market), "--allow-unproven-resume"
    )
    receipt = shell.json("receipt")
    told = shell.json("report", "--html", "report.html", "--since", "all")

    (line,) = told["runs"]
    assert line["usd"] == pytest.approx(receipt["cost_usd"]["total"])
    assert line["preemptions"] == receipt["preemptions"] >= 1
    (life,) = told["timelines"]
    assert [s["ended_by"] for s in life["stays"]] == [a["exit"] for a in receipt["attempts"]]
    assert life["cost"][-1]["usd"] == pytest.approx(receipt["cost_usd"]["total"])
    (chain,) = told["chains"]["runs"]
    steps = {s["step"]: s["usd"] for s in chain["steps"]}
    assert steps["lost work"] == pytest.approx(receipt["cost_usd"]["lost_work"])
    assert steps["spot"] < 0 == steps["negotiated"]
    assert chain["paid_usd"] == pytest.approx(receipt["cost_usd"]["total"])
    page = (shell.folder / "report.html").read_text(encoding="utf-8")
    assert line["run"] in page
