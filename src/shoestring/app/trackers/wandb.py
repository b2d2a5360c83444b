"""Weights & Biases: through its public API; with WANDB_MODE=offline into folders for ``wandb sync``."""

import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from shoestring.domain.errors import BadInput, ShoestringError
from shoestring.ledger.receipt import Receipt
from shoestring.ledger.tracking import PREFIX, RUN_ID_TAG, TrackedRun, bounded
from shoestring.workflows.trackers import Tracker

TAG = "shoestring:"
CONFIG = "shoestring"  # one entry of a run's config holds all our tags
TIMEOUT_S = 30


def tracker_of(project: str | None) -> Tracker:
    """W&B as the environment asks for it.

    Args:
        project: ``entity/project`` or ``project``; None: what WANDB_ENTITY and WANDB_PROJECT say.

    Raises:
        BadInput: wandb is not installed, nobody is signed in, or no project is named.
    """
    try:
        import wandb
    except ImportError:
        raise BadInput("wandb is not installed", next_step="pip install 'shoestring[wandb]'") from None
    path = project or "/".join(
        filter(None, (os.environ.get("WANDB_ENTITY"), os.environ.get("WANDB_PROJECT")))
    )
    if not path:
        raise BadInput("which W&B project?", next_step="give --project entity/project, or set WANDB_PROJECT")
    if os.environ.get("WANDB_MODE") == "offline":
        return OfflineWandb(wandb, path)
    try:
        return Wandb(wandb.Api(timeout=TIMEOUT_S), path, (wandb.errors.Error,))
    except wandb.errors.Error as error:
        raise BadInput(f"W&B: {_first_line(error)}", next_step="wandb login, or WANDB_MODE=offline") from None


class Wandb:
    """A project of W&B.

    Args:
        api: a ``wandb.Api``. errors: what it raises.
    """

    name = "wandb"

    def __init__(self, api: Any, path: str, errors: tuple[type[Exception], ...]) -> None:
        self._api, self._path = api, path
        self._errors: tuple[type[Exception], ...] = (
            *errors,
            ValueError,
        )  # ValueError: no such run or project

    def runs(self, run_ids: Sequence[str]) -> list[TrackedRun]:
        """Runs that carry our tag, the newest first."""
        wanted = {f"{TAG}{run_id}": run_id for run_id in run_ids}
        found = []
        with self._answered():
            for run in self._api.runs(
                self._path, filters={"tags": {"$in": sorted(wanted)}}, order="-created_at", lazy=False
            ):
                found += [_tracked(wanted[tag], run) for tag in run.tags if tag in wanted][:1]
        return found

    def named(self, run_id: str, tracked_id: str) -> TrackedRun:
        """A run by W&B's own id."""
        with self._answered():
            return _tracked(run_id, self._api.run(f"{self._path}/{tracked_id}"))

    def create(self, paid: Receipt) -> TrackedRun:
        """A new, finished run with our tag."""
        import wandb

        entity, _, project = self._path.rpartition("/")
        with self._answered():
            made = wandb.init(
                entity=entity or None,
                project=project,
                name=paid.run_id,
                tags=[f"{TAG}{paid.run_id}"],
                settings=quiet(wandb),
            )
            made.finish()
            return self.named(paid.run_id, made.id)

    def tell(self, tracked: TrackedRun, values: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Into the run's summary and config, and our tag onto it."""
        with self._answered():
            run = self._api.run(f"{self._path}/{tracked.tracked_id}")
            run.summary.update({f"{PREFIX}{name}": value for name, value in values.items()})
            run.config[CONFIG] = {**run.config.get(CONFIG, {}), **tags}
            if (tag := f"{TAG}{tracked.run_id}") not in run.tags:
                run.tags = [*run.tags, tag]
            run.update()

    @contextmanager
    def _answered(self) -> Iterator[None]:
        try:
            yield
        except self._errors as error:
            raise ShoestringError(
                f"W&B, {self._path}: {_first_line(error)}",
                next_step="is the project right, and are you signed in?",
            ) from None


class OfflineWandb:
    """W&B without its server: what is told waits in ``wandb/offline-run-*`` for ``wandb sync``; nothing is read.

    Runs are found by their W&B id alone (``--tracked``), as nobody can be asked which there are.
    """

    name = "wandb"

    def __init__(self, wandb: Any, path: str) -> None:
        self._wandb = wandb
        self._entity, _, self._project = path.rpartition("/")

    def runs(self, run_ids: Sequence[str]) -> list[TrackedRun]:
        """None: there is no server to ask."""
        return []

    def named(self, run_id: str, tracked_id: str) -> TrackedRun:
        """The run of this id, about which nothing is known here."""
        return TrackedRun(run_id=run_id, tracked_id=tracked_id)

    def create(self, paid: Receipt) -> TrackedRun:
        """A run with an id of its own, the same each time."""
        return TrackedRun(run_id=paid.run_id, tracked_id=f"shoestring-{paid.run_id}")

    def tell(self, tracked: TrackedRun, values: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """An offline run of the same id: syncing it adds to what the server has."""
        run = self._wandb.init(
            entity=self._entity or None,
            project=self._project,
            id=tracked.tracked_id,
            tags=[f"{TAG}{tracked.run_id}"],
            mode="offline",
            resume="allow",
            settings=quiet(self._wandb),
        )
        run.config.update({CONFIG: dict(tags)}, allow_val_change=True)
        run.summary.update({f"{PREFIX}{name}": value for name, value in values.items()})
        run.finish()


def quiet(wandb: Any) -> Any:
    """Settings of a run that is not training: it measures no machine and captures no console, code or commit."""
    return wandb.Settings(
        silent=True,
        console="off",
        x_disable_stats=True,
        x_disable_meta=True,
        x_save_requirements=False,
        disable_git=True,
        save_code=False,
    )


def _tracked(run_id: str, run: Any) -> TrackedRun:
    summary = {
        str(name): float(value)
        for name, value in dict(run.summary_metrics).items()
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    }
    ours = run.config.get(CONFIG)
    return TrackedRun(
        run_id=run_id,
        tracked_id=run.id,
        params=bounded({str(n): str(v) for n, v in run.config.items() if n != CONFIG}),
        metrics=bounded({n: v for n, v in summary.items() if not n.startswith((PREFIX, "_"))}),
        told={n.removeprefix(PREFIX): v for n, v in summary.items() if n.startswith(PREFIX)},
        tags={RUN_ID_TAG: run_id, **(ours if isinstance(ours, dict) else {})},
    )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
