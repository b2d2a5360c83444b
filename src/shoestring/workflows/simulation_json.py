"""A simulation as plain data: what ``shoestring simulate --json`` prints."""

from dataclasses import asdict
from typing import Any

from shoestring.sim.known import Played, Turn
from shoestring.workflows.simulate import Simulation


def to_json(found: Simulation, *, seed: int) -> dict[str, Any]:
    """Scores, every run, and one run in full; the same for the same windows, whatever the machine."""
    job, window = found.job, found.shown_window
    return {
        "job": {
            "work_s": job.work_s,
            "restart_s": job.restart_s,
            "deadline_s": job.deadline_steps * window.step_s,
            "nodes": job.nodes,
        },
        "market": {
            "zones": list(window.zones),
            "step_s": window.step_s,
            "watched_s": window.past * window.step_s,
            "on_demand_usd_per_hour": window.on_demand_usd_per_hour,
            "move_usd": window.move_usd,
        },
        "seed": seed,
        "windows": len(found.scenes),
        "optimum_mean_usd": found.optimum_mean_usd,
        "policies": [asdict(score) for score in found.scores],
        "runs": [
            {"window": scene.window, "optimum_usd": scene.optimum_usd, **run_json(played)}
            for scene in found.scenes
            for played in scene.played
        ],
        "shown": {**run_json(found.shown), "window": found.shown.window, "turns": turns_json(found.shown)},
    }


def run_json(played: Played) -> dict[str, Any]:
    """One run without its turns."""
    return {
        "policy": played.policy,
        "cost_usd": played.cost_usd,
        "finish_h": played.finish_h,
        "late_h": played.late_h,
        "spot_h": played.spot_h,
        "on_demand_h": played.on_demand_h,
        "launches": played.launches,
        "moves": played.moves,
        "losses": played.losses,
        "goodput": played.goodput,
        "decisions": played.decisions,
    }


def turns_json(played: Played) -> list[dict[str, Any]]:
    """The turns of a recorded run, in order."""
    return [turn_json(turn) for turn in played.turns]


def turn_json(turn: Turn) -> dict[str, Any]:
    """One turn; without a reason where the market acted."""
    why = turn.reason
    return {
        "at_h": turn.at_h,
        "event": turn.event,
        "place": turn.place,
        "market": turn.market,
        "usd": turn.usd,
        "work_left_h": turn.work_left_h,
        "reason": None
        if why is None
        else {
            "code": why.code,
            "text": why.text,
            "numbers": dict(why.numbers),
            "runner_up": why.runner_up,
            "saving_usd": why.saving_usd,
        },
    }
