"""A site: the folder that holds all of one run, so that any shell can find it and any crash can be mended.

~/.shoestring/runs/RUN/
  site.json        settings and job file, frozen at submission; no values of variables or secrets
  journal.db       the facts (unless settings name another journal)
  live.json        the newest status, replaced at each look of the supervisor
  supervisor.log   what the supervisor says
  market/ | machine/   the engine's own folder: instances, their spools and books
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shoestring.app.config import Settings
from shoestring.app.place import runs_folder
from shoestring.domain.errors import BadInput, NotFound
from shoestring.training.spool import read_json, replace_json

VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One run's folder and what was frozen in it.

    Attributes:
        job_file: absolute path of the job file; None for a command without one.
        task: which task of the file, from 0.
        argv: the command, when there is no file.
    """

    folder: Path
    run_id: str
    settings: Settings
    job_file: Path | None = None
    task: int = 0
    argv: tuple[str, ...] = ()

    @property
    def live_file(self) -> Path:
        return self.folder / "live.json"

    @property
    def log_file(self) -> Path:
        return self.folder / "supervisor.log"

    @property
    def journal_place(self) -> str | Path:
        """Where the facts are: the URL that the settings name, else a file of this folder."""
        return self.settings.journal or self.folder / "journal.db"

    def live(self) -> dict[str, Any] | None:
        """The newest status the supervisor published; None before the first."""
        return read_json(self.live_file)


def create_site(site: Site) -> None:
    """Make the folder, private to the user; its run id must be new."""
    site.folder.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    site.folder.mkdir(mode=0o700)
    replace_json(
        site.folder / "site.json",
        {
            "version": VERSION,
            "run_id": site.run_id,
            "settings": json.loads(site.settings.model_dump_json(exclude_none=True)),
            "job_file": None if site.job_file is None else str(site.job_file),
            "task": site.task,
            "argv": list(site.argv),
        },
        durable=True,
    )


def sites() -> list[Site]:
    """All sites, newest first; folders that are no site are passed over."""
    folders = [p for p in runs_folder().glob("*/site.json") if p.is_file()]
    folders.sort(key=lambda p: p.stat().st_mtime_ns, reverse=True)
    return [site for p in folders if (site := _load(p.parent)) is not None]


def find_site(run: str | None) -> Site:
    """The site of a run, by id or an unambiguous beginning of it; None means the newest run.

    Raises:
        NotFound: no such run, or several; says which there are.
    """
    known = sites()
    if not known:
        raise NotFound(f"no runs under {runs_folder()}", next_step="shoestring run JOB")
    if run is None:
        return known[0]
    found = [s for s in known if s.run_id == run] or [s for s in known if s.run_id.startswith(run)]
    if len(found) == 1:
        return found[0]
    names = ", ".join(s.run_id for s in (found or known)[:5])
    what = f"{len(found)} runs begin with {run!r}" if found else f"no run {run!r}"
    raise NotFound(f"{what}; there are {names}", next_step="shoestring status")


def _load(folder: Path) -> Site | None:
    data = read_json(folder / "site.json")
    if data is None:
        return None
    if data.get("version") != VERSION:
        raise BadInput(
            f"{folder / 'site.json'}: version {data.get('version')}, this shoestring knows {VERSION}",
            next_step="use the version of shoestring that wrote it",
        )
    return Site(
        folder=folder,
        run_id=data["run_id"],
        settings=Settings.model_validate(data["settings"]),
        job_file=None if data.get("job_file") is None else Path(data["job_file"]),
        task=data.get("task", 0),
        argv=tuple(data.get("argv", ())),
    )
