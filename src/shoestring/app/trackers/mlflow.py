"""MLflow, through its own client: it knows every kind of tracking store and how to sign in."""

import logging
import math
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from shoestring.domain.errors import BadInput, ShoestringError
from shoestring.ledger.receipt import Receipt
from shoestring.ledger.tracking import PREFIX, RUN_ID_TAG, TrackedRun, bounded

PAGE, PAGES_MOST = 1000, 10_000
PARENT = "mlflow.parentRunId"
OURS = "shoestring."
SIGN_IN = re.compile(r"//[^/\s]*@")  # user and password in an address, which errors of the client repeat
# A server that is down must not hold us for minutes; standard output is ours.
MANNERS = {
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "30",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class MLflow:
    """A tracking server, database or folder.

    Args:
        uri: as MLflow takes it; None: what ``MLFLOW_TRACKING_URI`` says.
        experiment: where runs are looked for and made; None: everywhere, and made in the default one.

    Raises:
        BadInput: mlflow is not installed, or there is no such experiment.
    """

    name = "mlflow"

    def __init__(self, uri: str | None, experiment: str | None) -> None:
        for variable, value in MANNERS.items():
            os.environ.setdefault(variable, value)
        try:
            from mlflow import MlflowClient
        except ImportError:
            raise BadInput("mlflow is not installed", next_step="pip install 'shoestring[mlflow]'") from None
        logging.getLogger("alembic").setLevel(logging.WARNING)
        self.uri = uri or os.environ.get("MLFLOW_TRACKING_URI")
        if self.uri is None:
            raise BadInput("which MLflow?", next_step="give --uri, or set MLFLOW_TRACKING_URI")
        with self._answered():
            self._client = MlflowClient(tracking_uri=self.uri)
            self._experiments = self._known(experiment)

    def runs(self, run_ids: Sequence[str]) -> list[TrackedRun]:
        """Runs tagged as ours, the newest first; nested ones are left out."""
        wanted = set(run_ids)
        return [
            _tracked(tagged, run)
            for run in self._search(f"tags.`{RUN_ID_TAG}` LIKE '%'")
            if (tagged := run.data.tags[RUN_ID_TAG]) in wanted and PARENT not in run.data.tags
        ]

    def named(self, run_id: str, tracked_id: str) -> TrackedRun:
        """A run by MLflow's own id."""
        with self._answered():
            return _tracked(run_id, self._client.get_run(tracked_id))

    def create(self, paid: Receipt) -> TrackedRun:
        """A finished run with our tag, in the experiment."""
        with self._answered():
            made = self._client.create_run(
                self._experiments[0],
                start_time=int(paid.submitted_at.timestamp() * 1000),
                tags={RUN_ID_TAG: paid.run_id, **{f"label.{k}": v for k, v in paid.labels.items()}},
                run_name=paid.run_id,
            )
            self._client.set_terminated(made.info.run_id, end_time=int(paid.until.timestamp() * 1000))
        return TrackedRun(run_id=paid.run_id, tracked_id=made.info.run_id, tags={RUN_ID_TAG: paid.run_id})

    def tell(self, tracked: TrackedRun, values: Mapping[str, float], tags: Mapping[str, str]) -> None:
        """Metrics and tags in one request; the run's own state stays as it is."""
        from mlflow.entities import Metric, RunTag

        now = int(time.time() * 1000)
        with self._answered():
            self._client.log_batch(
                tracked.tracked_id,
                metrics=[Metric(PREFIX + name, value, now, 0) for name, value in values.items()],
                tags=[RunTag(name, text) for name, text in tags.items()],
            )

    def _known(self, experiment: str | None) -> list[str]:
        if experiment is not None:
            found = self._client.get_experiment_by_name(experiment)
            if found is None:
                raise BadInput(
                    f"MLflow has no experiment {experiment!r}",
                    next_step=f"mlflow experiments create -n {experiment}",
                )
            return [found.experiment_id]
        ids = [e.experiment_id for e in _pages(self._client.search_experiments)]
        return sorted(ids, key=lambda i: (i != "0", i))  # 0 is the default one, where runs are made

    def _search(self, condition: str) -> Iterator[Any]:
        with self._answered():
            yield from _pages(
                self._client.search_runs,
                experiment_ids=self._experiments,
                filter_string=condition,
                order_by=["attributes.start_time DESC"],
            )

    @contextmanager
    def _answered(self) -> Iterator[None]:
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            first = SIGN_IN.sub("//", (str(error).strip().splitlines() or [""])[0])[:300]
            raise ShoestringError(
                f"MLflow at {_host(self.uri)}: {first}", next_step="is the server up, and --uri right?"
            ) from None


def _pages(search: Callable[..., Any], **words: Any) -> Iterator[Any]:
    """Everything that a search finds. Raises ShoestringError where a server goes round in a circle."""
    token, seen = None, set[str]()
    for _ in range(PAGES_MOST):
        page = search(max_results=PAGE, page_token=token, **words)
        yield from page
        token = page.token
        if not token:
            return
        if token in seen:
            break
        seen.add(token)
    raise ShoestringError("MLflow: its list of runs has no end", next_step="ask whoever keeps the server")


def _tracked(run_id: str, run: Any) -> TrackedRun:
    metrics = bounded(run.data.metrics)
    return TrackedRun(
        run_id=run_id,
        tracked_id=run.info.run_id,
        params=bounded(run.data.params),
        metrics={n: v for n, v in metrics.items() if not n.startswith(PREFIX) and math.isfinite(v)},
        told={n.removeprefix(PREFIX): v for n, v in run.data.metrics.items() if n.startswith(PREFIX)},
        tags={n: text for n, text in run.data.tags.items() if n.startswith(OURS)},
    )


def _host(uri: str | None) -> str:
    """A tracking address as it may be shown: without what signs in."""
    parts = urlsplit(uri or "")
    if not parts.hostname:
        return str(uri)
    return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}"
