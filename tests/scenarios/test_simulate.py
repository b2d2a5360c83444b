"""``shoestring simulate`` and ``shadow`` as people call them."""

import json
from pathlib import Path

import pytest

from tests.scenarios.conftest import Shell

BLOCK = {"backend": "cuda", "work": "4h on V100", "deadline": "6h", "budget": "5 USD"}
QUICK = ("--policies", "uniform_progress,on_demand", "--processes", "1")


def job(shell: Shell) -> str:
    return str(shell.job(block=BLOCK, resources={"accelerators": "V100:1"}))


def traces(shell: Shell) -> tuple[str, ...]:
    """Two zones of 20 h that take turns, in steps of ten minutes."""
    folder = shell.folder / "traces"
    folder.mkdir()
    for zone, first in (("a", 1), ("b", 0)):
        data = [first if tick // 12 % 2 == 0 else 1 - first for tick in range(120)]
        (folder / f"{zone}.json").write_text(json.dumps({"metadata": {"gap_seconds": 600}, "data": data}))
    return ("--traces", str(folder), "--on-demand", "3.06", "--spot", "0.9731", "--spot", "b=1.2")


def test_policies_are_compared_on_recordings(shell: Shell) -> None:
    market = traces(shell)
    found = shell.json("simulate", job(shell), *market, *QUICK, "--starts", "3", "--restart", "6m")
    again = shell.json("simulate", job(shell), *market, *QUICK, "--starts", "3", "--restart", "6m")
    by_name = {p["policy"]: p for p in found["policies"]}

    assert found == again and found["windows"] == 3 and len(found["runs"]) == 6
    assert found["job"] == {"work_s": 14400, "restart_s": 360, "deadline_s": 21600, "nodes": 1}
    # 4 h and 6 min in steps of ten minutes: 25 of them
    assert by_name["on_demand"]["mean_usd"] == pytest.approx(25 / 6 * 3.06)
    assert by_name["on_demand"]["over_budget"] == 3
    assert (
        found["optimum_mean_usd"]
        <= by_name["uniform_progress"]["mean_usd"]
        < by_name["on_demand"]["mean_usd"]
    )
    assert found["shown"]["policy"] == "uniform_progress" and found["shown"]["turns"][-1]["event"] == "done"


def test_a_made_up_market_prints_a_table_for_people(shell: Shell) -> None:
    shown = shell("simulate", job(shell), "--model", *QUICK, "--starts", "2", "--seed", "4").stdout

    assert "(optimum)" in shown and "uniform_progress" in shown and "2 windows of 3 zones" in shown
    assert "on_demand: 2 of 2 runs above the job's budget" not in shown, (
        "25 steps at 1.20 $/h are 5 $ to the cent"
    )


def test_one_run_is_drawn(shell: Shell) -> None:
    pytest.importorskip("plotly")
    page = shell.folder / "run.html"
    shell("simulate", job(shell), *traces(shell), *QUICK, "--starts", "1", "--html", str(page))
    drawn = page.read_text()

    assert "zones and decisions" in drawn and "uniform_progress in all zones" in drawn
    assert "spot is up in" in drawn, "a mark tells why"
    assert not [tag for tag in drawn.split("<")[1:] if tag.startswith("script src")], "it needs nothing else"


def test_a_shadow_logs_what_it_would_have_done(shell: Shell) -> None:
    log = shell.folder / "shadow.jsonl"
    words = ("shadow", job(shell), *traces(shell), "--policy", "uniform_progress", "--start", "3h",
             "--paid", "12.50", "--took", "4h 10m", "--log", str(log))  # fmt: skip
    found = shell.json(*words)
    lines = [json.loads(line) for line in log.read_text().splitlines()]

    assert lines == found["turns"] and {"launch", "lost", "done"} <= {line["event"] for line in lines}
    assert found["saved_usd"] == pytest.approx(12.50 - found["cost_usd"])
    assert found["submitted_at"] is None, "these recordings say no dates"
    shown = shell(*words).stdout
    assert "It would have saved" in shown and len(log.read_text().splitlines()) == 2 * len(lines)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("simulate",), "give a market"),
        (("simulate", "--model", "--policies", "clever"), "--policies 'clever': no such policy"),
        (("simulate", "--model", "--deadline", "4h"), "impossible deadline"),
        (("simulate", "--model", "--deadline", "soon"), "--deadline: 'soon' is no duration"),
        (("simulate", "--model", "--on-demand", "inf"), "--on-demand inf: not a price"),
        (("simulate", "--model", "--step", "2h"), "--step 2h: one second to one hour"),
        (("simulate", "--traces", "nowhere", "--on-demand", "3"), "nowhere: No such file or directory"),
        (("shadow", "--traces", ".", "--policy", "clever"), "--policy 'clever': no such policy"),
    ],
)
def test_bad_input_says_what_to_do_next(shell: Shell, words: tuple[str, ...], message: str) -> None:
    done = shell(words[0], job(shell), *words[1:], code=2)

    assert message in done.stderr and "next:" in done.stderr and "Traceback" not in done.stderr


def test_prices_that_are_none_are_refused(shell: Shell) -> None:
    market = traces(shell)
    for wrong, message in (("nan", "not a price"), ("c=1", "no such zone")):
        done = shell("simulate", job(shell), *market, "--spot", wrong, *QUICK, code=2)
        assert message in done.stderr


def test_a_picture_that_cant_be_written_is_bad_input(shell: Shell) -> None:
    pytest.importorskip("plotly")
    nowhere = Path("nowhere") / "run.html"
    done = shell("simulate", job(shell), "--model", *QUICK, "--starts", "1", "--html", str(nowhere), code=2)

    assert "--html nowhere/run.html: No such file or directory" in done.stderr


def test_a_live_shadow_watches_a_market_by_its_own_clock_and_goes_on_where_its_log_ends(shell: Shell) -> None:
    market, log = shell.folder / "market.yaml", shell.folder / "shadow.jsonl"
    zone = "{region: east, spot: 0.40, on_demand: 1.2, starts_up: true, long_up_share: 1.0, long_up_h: 900}"
    market.write_text(f"scale: 20000\nzones: {{east-1a: {zone}}}\n")  # five and a half hours a second
    file = str(
        shell.job(
            block={"backend": "cpu", "work": "20h on cpu", "deadline": "100h"}, resources={"cpus": "1+"}
        )
    )
    asked = ("shadow", file, "--live", "--market", str(market), "--work", "20h", "--log", str(log))

    first = shell.json(*asked, "--for", "30m")
    second = shell.json(*asked, "--for", "80h")

    assert not first["done"] and first["looks"] == 4
    assert second["done"] and second["in_time"] and second["looks"] > first["looks"]
    assert 7 < second["usd"] < 12 and second["elsewhere"]["usd"] > second["usd"]
    assert first["turns"][0]["action"] == "launch" and first["tells_capacity"]


def test_a_live_shadow_says_what_it_can_not_watch(shell: Shell) -> None:
    file = job(shell)
    assert "not both" in shell("shadow", file, code=2).stderr
    assert "not both" in shell("shadow", file, "--live", "--traces", ".", code=2).stderr
    assert (
        "--market is for --live" in shell("shadow", file, *traces(shell), "--market", "m.yaml", code=2).stderr
    )
    assert "no such market file" in shell("shadow", file, "--live", "--market", "m.yaml", code=2).stderr
