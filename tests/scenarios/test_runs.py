"""What users do, from the shell, with real processes."""

import hashlib
import os
import signal
import sys
from pathlib import Path

from tests.scenarios.conftest import Shell


def weights_after(steps: int) -> str:
    weights = "seed"
    for step in range(steps):
        weights = hashlib.sha256(f"{weights}{step}".encode()).hexdigest()
    return weights


def test_a_command_without_a_file_runs_and_has_a_log_and_a_receipt(shell: Shell) -> None:
    shell("run", "-y", "--", sys.executable, "-c", "print('hello from here')")

    assert "hello from here" in shell("logs").stdout
    receipt = shell.json("receipt")
    assert receipt["state"] == "succeeded" and receipt["basis"] == "METERED"
    assert receipt["cost_usd"]["total"] is None, "nobody said what this machine costs: unknown, not 0"


def test_a_preempted_run_moves_resumes_and_comes_out_the_same(shell: Shell) -> None:
    rough = {
        "spot": 0.40,
        "on_demand": 1.20,
        "long_up_share": 0.0,
        "short_up_h": 2.5,
        "short_down_h": 0.5,
        "long_down_share": 0.0,
    }
    market = shell.market(zones={
        "eu-west-1a": {"region": "eu-west-1", "starts_up": True, **rough},
        "eu-west-2a": {"region": "eu-west-2", "starts_up": True, **rough},
    })  # fmt: skip
    job = shell.job(env={"STEPS": "150"})
    shell(
        "run", str(job), "-y", "--executor", "rehearsal", "--market", str(market), "--allow-unproven-resume"
    )

    receipt = shell.json("receipt")
    assert receipt["state"] == "succeeded"
    assert receipt["preemptions"] >= 1
    assert f"done {weights_after(150)}" in shell("logs").stdout
    cost = receipt["cost_usd"]
    assert abs(sum(v for k, v in cost.items() if k != "total") - cost["total"]) < 1e-9
    shell.all_gone()


def test_a_run_past_its_budget_is_suspended_and_goes_on_with_a_higher_one(shell: Shell) -> None:
    job = shell.job(env={"STEPS": "240"}, block={"budget": "7 USD"})
    market = shell.market(zones={"eu-west-1a": {"region": "eu-west-1", "on_demand": 1.20}})
    done = shell("run", str(job), "-y", "--executor", "rehearsal", "--market", str(market), code=4)

    assert "SUSPENDED (budget)" in done.stdout
    assert "keeping its checkpoints goes on costing" in done.stdout
    row = shell.status()
    assert row["spent_usd"] <= 7 and row["checkpoint_step"] > 0
    shell("resume", "--budget", "50 USD")
    assert shell.status()["state"] == "succeeded"
    assert f"done {weights_after(240)}" in shell("logs").stdout


def test_detached_runs_are_found_from_any_shell_and_cancelled_for_good(shell: Shell) -> None:
    job = shell.job(env={"STEPS": "200", "GATE": "never"})
    run = shell.json("run", str(job), "--detach")["run_id"]
    shell.until(lambda row: (row["step"] or 0) > 5, run)

    shell("cancel", run[:8])

    assert shell.status(run)["state"] == "cancelled"
    assert shell("resume", run, code=2).stderr.count("never changes") == 1
    shell.all_gone()


def test_a_run_whose_supervisor_is_killed_trains_on_and_is_adopted(shell: Shell) -> None:
    gate = shell.folder / "gate"
    job = shell.job(env={"STEPS": "120", "GATE": str(gate)})
    run = shell.json("run", str(job), "--detach")["run_id"]
    shell.until(lambda row: (row["step"] or 0) > 10, run)
    supervisors = [p for p in shell.processes() if "shoestring.app.supervise" in p.info["cmdline"]]
    assert len(supervisors) == 1
    os.kill(supervisors[0].pid, signal.SIGKILL)
    supervisors[0].wait(60)

    assert shell.status(run)["unsupervised"]
    gate.touch()
    shell("resume", run)

    receipt = shell.json("receipt", run)
    assert receipt["state"] == "succeeded" and len(receipt["attempts"]) == 1, "nothing was launched twice"
    assert f"done {weights_after(120)}" in shell("logs", run).stdout


def test_code_that_crashes_is_told_apart_from_a_preemption(shell: Shell) -> None:
    job = shell.job(env={"STEPS": "30", "CRASH_AT": "12"})
    done = shell("run", str(job), "-y", code=1)

    assert "FAILED" in done.stdout and "shoestring logs" in done.stdout
    assert "RuntimeError: as asked" in shell("logs").stdout
    assert shell.json("receipt")["preemptions"] == 0


def test_spot_is_refused_to_a_job_that_has_not_shown_that_it_resumes(shell: Shell) -> None:
    job = shell.job(resources={"use_spot": True})
    refused = shell("run", str(job), "-y", "--executor", "rehearsal", "--market", str(shell.market()), code=2)

    assert "nothing proves that it resumes" in refused.stderr
    assert "shoestring rehearse" in refused.stderr


def test_a_rehearsal_proves_the_resume_and_opens_spot(shell: Shell) -> None:
    job = shell.job(env={"STEPS": "150"}, resources={"use_spot": True})
    proof = shell.json("rehearse", str(job), "--preemptions", "2")
    assert proof["verdict"] in ("bit_identical", "within_tolerance"), proof["why"]

    shell("run", str(job), "-y", "--executor", "rehearsal", "--market", str(shell.market()))
    assert {a["market"] for a in shell.json("receipt")["attempts"]} == {"spot"}


def test_a_rehearsal_on_the_own_machine_says_what_a_broken_script_printed(shell: Shell) -> None:
    script = r"print('on my way \x1b[31m'); raise SystemExit(3)"
    done = shell("rehearse", "--executor", "local", "--", sys.executable, "-c", script, code=1)

    assert "failed even when it is left alone" in done.stderr
    assert "| on my way" in done.stderr and "\x1b" not in done.stderr


def test_a_script_that_never_saves_does_not_pass_the_rehearsal(shell: Shell) -> None:
    done = shell("rehearse", "--json", "--", sys.executable, "-c", "import time; time.sleep(0.5)", code=1)

    assert '"not_resumed"' in done.stdout


def test_an_impossible_deadline_and_an_unwritable_checkpoint_folder_are_refused_before_anything_runs(
    shell: Shell, tmp_path: Path
) -> None:
    late = shell.job(block={"work": {"steps": 7200, "steps_per_s": {"cpu": 1.0}}, "deadline": "1h"})
    refused = shell("run", str(late), "-y", code=2)
    assert "takes 2.0 h" in refused.stderr

    (tmp_path / "file").write_text("not a folder")
    where = {"where": str(tmp_path / "file" / "ckpt"), "glob": "step-*", "complete_marker": "DONE"}
    refused = shell("run", str(shell.job(block={"checkpoint": where})), "-y", code=2)
    assert "can't be written" in refused.stderr
    assert not (tmp_path / "home" / "runs").exists()


def test_a_canary_in_variables_is_in_no_file_log_argument_or_output(shell: Shell) -> None:
    canary = "canary-7f3a9c"
    gate = shell.folder / "gate"
    env = {"STEPS": "40", "MY_TOKEN": canary, "GATE": str(gate)}
    job = shell.job(env=env, secrets={"API_KEY": f"s-{canary}"})
    run = shell.json("run", str(job), "--detach")["run_id"]
    shell.until(lambda row: (row["step"] or 0) > 2, run)
    arguments = [" ".join(p.info["cmdline"]) for p in shell.processes()]
    gate.touch()
    shell.until(lambda row: row["state"] == "succeeded", run)
    said = [
        shell(verb, run, *more, code=None)
        for verb in ("status", "logs", "explain", "receipt")
        for more in ((), ("--json",))
    ]

    assert arguments and not any(canary in text for text in arguments)
    assert not any(canary in done.stdout + done.stderr for done in said)
    files = [p for p in (shell.folder / "home").rglob("*") if p.is_file()]
    assert files and [p for p in files if canary.encode() in p.read_bytes()] == []


def test_a_name_with_an_escape_sequence_never_reaches_the_terminal_raw(shell: Shell) -> None:
    done = shell("run", "-y", "--", sys.executable, "-c", "print('\\x1b[2J\\x07 evil \\x1b]0;title\\x07')")
    shown = shell("logs").stdout

    assert "evil" in shown
    assert "\x1b" not in shown and "\x07" not in shown and "\x1b" not in done.stdout
