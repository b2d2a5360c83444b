"""``shoestring shadow --live``: looks at prices as they come, and tells what the policy would do."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from shoestring import jobfile
from shoestring.app.cli._show import console, print_json
from shoestring.app.config import load_settings
from shoestring.app.planning import profile_of
from shoestring.app.watching import Watched, catalog_prices, market_file
from shoestring.domain.errors import BadInput
from shoestring.domain.text import printable
from shoestring.domain.units import SECONDS_PER_HOUR, parse_duration_s, parse_usd
from shoestring.policies.base import Policy, is_guaranteed
from shoestring.workflows.shadow_job import ghost
from shoestring.workflows.shadow_live import Ghost, LiveShadow, Standing, Turn
from shoestring.workflows.shadow_log import ShadowLog, watch

LONGEST_S = 400 * 24 * SECONDS_PER_HOUR  # every watch is bounded


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The options as they were typed."""

    job: Path
    market: Path | None
    lasting: str
    every: str
    work: str | None
    deadline: str | None
    paid: str | None
    took: str | None
    log: Path | None
    env: Sequence[str]
    task: int
    all_clouds: bool
    as_json: bool


def watch_live(asked: Asked, policy: Policy) -> None:
    """Watch, tell each turn as it comes, and say what it would have cost by now."""
    every_s, lasting_s = _seconds("--step", asked.every), _seconds("--for", asked.lasting)
    if not 1 <= every_s <= SECONDS_PER_HOUR:
        raise BadInput(f"--step {asked.every}: one second to one hour", next_step="--step 10m")
    if lasting_s > LONGEST_S:
        raise BadInput(f"--for {asked.lasting}: at most 400 days", next_step="--for 24h, with --log to go on")
    log = ShadowLog(asked.log)
    left = log.resume(policy)
    watched = _watched(asked, None if left is None else log.real_start)
    if left is None:
        shadow = LiveShadow(_ghost(asked, watched, every_s), policy)
        log.begin(shadow.ghost, policy, watched.clock.real_start)
    else:
        shadow, at = left
        if not asked.as_json:
            console().print(
                f"goes on where {asked.log} ends: {shadow.looks} looks, the last at {at:%m-%d %H:%M}"
            )
    turns: list[Turn] = []

    def told(turn: Turn) -> None:
        turns.append(turn)
        if not asked.as_json:
            _tell(turn)

    standing = watch(shadow, log, watched.source, watched.clock, seconds=lasting_s, told=told)
    elsewhere = _elsewhere(asked, shadow, standing)
    if asked.as_json:
        print_json(_to_json(shadow, standing, turns, elsewhere, watched))
    else:
        _show(shadow, standing, elsewhere, watched)


def _watched(asked: Asked, real_start: float | None) -> Watched:
    loaded = jobfile.load(asked.job, env=jobfile.parse_env(asked.env, os.environ))
    if asked.task >= len(loaded.tasks):
        raise BadInput(
            f"--task {asked.task}: the file holds {len(loaded.tasks)}", next_step="tasks count from 0"
        )
    workload = loaded.tasks[asked.task].workload
    if asked.market is not None:
        work_s = None if asked.work is None else _seconds("--work", asked.work)
        return market_file(asked.market, workload, work_s, real_start=real_start)
    if asked.work is not None:
        raise BadInput("--work is for one machine", next_step="`work:` in the file, or --market")
    return catalog_prices(workload, load_settings({}), all_clouds=asked.all_clouds)


def _ghost(asked: Asked, watched: Watched, every_s: float) -> Ghost:
    return ghost(
        watched.workload,
        watched.offers,
        watched.hours,
        deadline_s=None if asked.deadline is None else _seconds("--deadline", asked.deadline),
        started_at=watched.clock.now(),
        every_s=every_s,
        profile=profile_of(watched.workload),
    )


def _elsewhere(asked: Asked, shadow: LiveShadow, standing: Standing) -> tuple[float, str] | None:
    """What the job elsewhere has cost by now: its bill spread over its time, or on-demand without a break."""
    passed_h = (standing.at - standing.started_at).total_seconds() / SECONDS_PER_HOUR
    job = shadow.ghost
    stays = [o for o in job.offers if is_guaranteed(o) and o.price.usd_per_hour is not None]
    if asked.paid is not None:
        try:
            usd = float(parse_usd(asked.paid))
        except ValueError as error:
            raise BadInput(f"--paid: {error}", next_step="--paid 147.60") from None
        took_h = None if asked.took is None else _seconds("--took", asked.took) / SECONDS_PER_HOUR
        if took_h is None:
            took_h = job.job.steps / max(job.job.steps_per_s.values()) / SECONDS_PER_HOUR
        return usd * min(passed_h / took_h, 1.0), "the bill as given, spread over its time"
    if asked.took is not None:
        raise BadInput("--took says nothing without a bill", next_step="give --paid too")
    if not stays:
        return None
    hours = {
        o.id: job.job.steps / job.job.steps_per_s[o.accelerator or "cpu"] / SECONDS_PER_HOUR for o in stays
    }
    best = min(stays, key=lambda o: (float(o.price.usd_per_hour or 0) * hours[o.id], o.id))
    hourly = float(best.price.usd_per_hour or 0) * job.workload.num_nodes
    boot_h = job.job.boot_s / SECONDS_PER_HOUR
    return hourly * min(passed_h, hours[best.id] + boot_h), f"{best.id} without a break, at its first price"


def _seconds(option: str, text: str) -> float:
    try:
        return parse_duration_s(text)
    except ValueError as error:
        raise BadInput(f"{option}: {error}", next_step=f"{option} 36h") from None


def _tell(turn: Turn) -> None:
    where = "" if turn.offer is None else f" {turn.offer}"
    line = f"{turn.at:%m-%d %H:%M}  {turn.usd:8.2f} $  {turn.action}{where}: {turn.text} [{turn.code}]"
    console().print(printable(line), soft_wrap=True)


def _show(
    shadow: LiveShadow, standing: Standing, elsewhere: tuple[float, str] | None, watched: Watched
) -> None:
    out = console()
    state = "the job would be done" if standing.done else "the job would still run"
    if not standing.done and standing.work_left_s is not None:
        state += f", {standing.work_left_s / SECONDS_PER_HOUR:.1f} h of work left"
    out.print(
        f"{shadow.policy.name}: {standing.usd:.2f} $ after {standing.looks} looks, {standing.losses} times taken back; "
        f"{state}",
        soft_wrap=True,
    )
    if elsewhere is not None:
        out.print(f"elsewhere by now: {elsewhere[0]:.2f} $ ({printable(elsewhere[1])})", soft_wrap=True)
    if not watched.tells_capacity:
        out.print(
            "These prices rarely say when spot is taken back: losses that nobody told of are not in this cost.",
            soft_wrap=True,
        )


def _to_json(
    shadow: LiveShadow,
    standing: Standing,
    turns: Sequence[Turn],
    elsewhere: tuple[float, str] | None,
    watched: Watched,
) -> dict[str, Any]:
    return {
        "policy": shadow.policy.name,
        **asdict(standing),
        "elsewhere": None if elsewhere is None else {"usd": elsewhere[0], "method": elsewhere[1]},
        "tells_capacity": watched.tells_capacity,
        "offers": [offer.id for offer in shadow.ghost.offers],
        "turns": [asdict(turn) for turn in turns],
    }
