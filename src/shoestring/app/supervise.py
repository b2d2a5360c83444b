"""The supervisor as a process of its own: ``python -m shoestring.app.supervise SITE_FOLDER``.

The job's environment arrives as JSON on standard input and stays in memory: no file, no argument list and no
journal ever holds a value. It leads until its runs are at their end or parked, then it goes.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from types import FrameType

from shoestring.app.purse import Purse
from shoestring.app.site import Site, find_site
from shoestring.app.wiring import Doors, open_doors, tick_real_s
from shoestring.domain import codec
from shoestring.domain.errors import BadInput, ExecutorUnavailable, JournalUnavailable, StaleLeader
from shoestring.supervisor import RunBook, Supervisor, TickReport
from shoestring.training.spool import replace_json
from shoestring.workflows.status import describe_decision, status_of

log = logging.getLogger("shoestring.supervisor")
MAX_TICKS = 50_000_000  # every loop is bounded: at one look a second, over a year
LEASE_WAIT_S = 30.0


def spawn(site: Site, env: Mapping[str, str]) -> int:
    """Start a supervisor for a site and let it go on by itself; its process id.

    Args:
        env: the job's variables, secrets among them; handed over through a pipe.
    """
    with site.log_file.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "shoestring.app.supervise", str(site.folder)],
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            start_new_session=True,
            cwd="/",
        )
    assert process.stdin is not None
    with process.stdin as pipe:
        # Written before the child can lead: it starts when its variables have come.
        replace_json(site.live_file, {"at": None, "real": time.time(), "pid": process.pid, "runs": []})
        pipe.write(json.dumps(dict(env)).encode())
    return process.pid


def main(folder: Path) -> int:
    """Lead the runs of one site; exit code 0 when there is nothing left to do."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    env = json.loads(sys.stdin.buffer.read() or b"{}")
    site = find_site(folder.name)
    doors = open_doors(site)
    lease = None
    waited_until = time.monotonic() + LEASE_WAIT_S
    while lease is None and time.monotonic() < waited_until:
        lease = doors.journal.acquire(f"{os.uname().nodename}:{os.getpid()}", site.settings.lease_real_s)
        if lease is None:
            time.sleep(0.2)
    if lease is None:
        log.info("another supervisor leads; nothing to do")
        return 0
    stopping: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, frame: _stop(stopping, number, frame))
    try:
        supervisor = Supervisor(
            journal=doors.journal,
            executors={doors.executor.name: doors.executor},
            policy=doors.policy,
            clock=doors.clock,
            lease=lease,
            spent_usd=doors.spent_usd,
            env_of=lambda run_id: _complete(supervisor.book.runs[run_id], env),
            allowances_of=Purse(doors.spent_usd).allowances,
            options=doors.options,
        )
        log.info("leading with epoch %d", lease.epoch)
        _lead(supervisor, site, doors, stopping)
    except StaleLeader as error:
        log.info("%s", error)
        return 0
    except JournalUnavailable as error:
        log.error("%s; jobs train and save on by themselves; next: %s", error, error.next_step)
        return 1
    doors.journal.release(supervisor.lease)
    return 0


def _lead(supervisor: Supervisor, site: Site, doors: Doors, stopping: list[int]) -> None:
    """The loop with its bounds, its lease and its published status."""
    renew_at = 0.0
    for _ in range(MAX_TICKS):
        if time.monotonic() >= renew_at:
            supervisor.lease = doors.journal.renew(supervisor.lease, site.settings.lease_real_s)
            renew_at = time.monotonic() + site.settings.lease_real_s / 3
        report = supervisor.tick()
        publish(supervisor, site, doors, report)
        for action in report.actions:
            log.info("%s %s: %s", action.run_id, type(action).__name__.lower(), action.reason.text)
        if report.finished:
            log.info("all runs are at their end or parked")
            return
        if stopping:
            log.info("asked to stop by signal %d; jobs go on by themselves", stopping[0])
            return
        time.sleep(tick_real_s(site.settings, doors.clock.scale))


def publish(supervisor: Supervisor, site: Site, doors: Doors, report: TickReport) -> None:
    """Replace live.json by the newest status of every run of this site."""
    seen = {view.run_id: view for view in report.view.runs}
    rows = []
    for run in supervisor.book.runs.values():
        status = status_of(
            run,
            now=report.now,
            spent_usd=supervisor.spent_usd(run, report.now),
            seen=seen.get(run.run_id),
            offers=report.view.offers,
            away=supervisor.away.get(run.submitted.executor),
            storage_usd_per_day=doors.storage_usd_per_day(run),
        )
        row = codec.to_json(status)
        row["decision"] = describe_decision(run)
        if run.run_id in seen:
            row["over_budget"] = [a.scope for a in seen[run.run_id].allowances if a.remaining_usd <= 0]
        rows.append(row)
    replace_json(
        site.live_file,
        {"at": report.now.isoformat(), "real": time.time(), "pid": os.getpid(), "runs": rows},
    )


def _complete(run: RunBook, env: Mapping[str, str]) -> Mapping[str, str]:
    """The job's variables. Raises BadInput when some are not known to this supervisor: it took over from one
    that died, and values are never stored. It then watches over what runs, but launches nothing."""
    missing = [name for name in run.submitted.workload.env_names if name not in env]
    if missing:
        raise BadInput(
            f"no values for {', '.join(missing)}: they are not stored",
            next_step=f"shoestring resume {run.run_id} --env {missing[0]}=...",
        )
    return env


def _stop(stopping: list[int], number: int, frame: FrameType | None) -> None:
    stopping.append(number)


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1])))
    except ExecutorUnavailable as unavailable:
        log.error("%s", unavailable)
        sys.exit(1)
