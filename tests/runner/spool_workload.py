"""A small life of a spool, to be recorded: it is prepared, a job runs in it and reports, it ends.

python -m tests.runner.spool_workload FOLDER
"""

import os
import subprocess
import sys
from pathlib import Path

from shoestring.runner.spool import JobOrder, prepare

SAVES = 6
JOB = f"""
import os, time
from shoestring.training import attach
session, said = attach(), os.open("/dev/null", os.O_WRONLY)
session.resumed(0)
for step in range(1, {SAVES + 1}):
    session.step(step)
    session.cut(step)
    session.event("checkpoint", durable=True, id=f"c{{step}}", uri=f"/c/c{{step}}", manifest_sha256="", at=time.time(),
                  step=step, size_bytes=1, save_s=0.0, blocked_s=0.0, trigger="due")
    os.write(said, b"MARK saved %d\\n" % step)
"""


def main(spool: Path) -> None:
    prepare(spool, JobOrder(run_id="r", attempt_id="a", argv=(sys.executable, "-c", JOB)))
    os.write(1, b"MARK prepared\n")
    subprocess.run([sys.executable, "-m", "shoestring.runner", str(spool)], check=True)
    os.write(1, b"MARK ended\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) / "spool")
