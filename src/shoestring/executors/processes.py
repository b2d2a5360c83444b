"""Jobs as process groups on this machine: what the local and the rehearsal executor share.

Everything an instance is lies in its folder, so any process can poll it and no daemon is needed. The terms
(who may launch, how long it boots, when it is taken back, at which price) come from the neighbor's own file.
"""

import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

from shoestring.domain.errors import ExecutorUnavailable, NoCapacity, StaleLeader
from shoestring.domain.offer import Offer
from shoestring.domain.run import Exit, ExitKind, Observation, Outcome, PriceSpan
from shoestring.domain.units import GIB
from shoestring.executors.book import (
    BARRED,
    CANCEL,
    INTERRUPT,
    ORDER,
    REFUSED,
    host_alive,
    order_of,
    read_book,
    spools,
)
from shoestring.executors.clock import MarketClock
from shoestring.executors.neighbor import Neighbor
from shoestring.executors.orders import order_for
from shoestring.executors.reading import observation_of
from shoestring.executors.settling import settled
from shoestring.ports import BillLine, Capabilities, JobSpec, LiveInstance
from shoestring.runner.spool import ask, read
from shoestring.training.spool import LOG, read_json, replace_json, sync_folder


class ProcessExecutor:
    """ports.Executor over a folder of instances."""

    def __init__(self, folder: Path, neighbor: Neighbor) -> None:
        self._folder, self._neighbor = folder, neighbor
        self._instances = folder / "instances"

    @property
    def name(self) -> str:
        return self._neighbor.name

    @property
    def clock(self) -> MarketClock:
        return self._neighbor.clock

    def capabilities(self) -> Capabilities:
        return self._neighbor.capabilities()

    def offers(self) -> tuple[Offer, ...]:
        self._check_there()
        return self._neighbor.offers(time.time())

    def submit(self, spec: JobSpec) -> Observation:
        with self._fenced(spec.epoch):
            folder = self._instances / spec.token
            if not folder.exists():
                self._place(folder, spec)
            refused = read_json(folder / REFUSED) or read_json(folder / BARRED)
            if refused is not None:
                raise NoCapacity(str(refused.get("why", "cancelled before it began")))
            if self._awaits_its_host(folder):
                self._spawn(folder, spec)
        return self._look(spec.token, folder)

    def poll(self, tokens: Sequence[str]) -> Mapping[str, Observation]:
        self._check_there()
        folders = {token: self._instances / token for token in tokens}
        return {token: self._look(token, folder) for token, folder in folders.items() if folder.exists()}

    def logs(self, token: str, offset: int = 0, limit: int = 1 << 20) -> tuple[bytes, int]:
        self._check_there()
        path = self._instances / token / "spool" / LOG
        try:
            with path.open("rb") as file:
                file.seek(offset)
                data = file.read(limit)
        except FileNotFoundError:
            return b"", offset
        return data, offset + len(data)

    def save(self, token: str, epoch: int) -> None:
        with self._fenced(epoch):
            order = order_of(self._instances / token)
            for spool in spools(self._instances / token, int(order.get("nodes", 1))):
                if spool.exists():
                    ask(spool, save=True)

    def replace(self, token: str, epoch: int) -> None:
        raise NoCapacity(f"{token}: here a gang lives and ends as a whole; no single node is replaced")

    def cancel(self, token: str, epoch: int, *, grace_s: float) -> None:
        with self._fenced(epoch):
            folder = self._instances / token
            if not folder.exists():
                self._commit(folder, BARRED, {"why": f"{token} was cancelled before it was asked for"})
            elif not (folder / CANCEL).exists():
                replace_json(folder / CANCEL, {"grace_s": grace_s / self.clock.scale}, durable=True)

    def alive(self) -> tuple[LiveInstance, ...]:
        self._check_there()
        found = []
        for folder in sorted(self._instances.iterdir()):
            order, book = order_of(folder), read_book(folder)
            if order and book.terminated is None and host_alive(folder):
                found.append(
                    LiveInstance(
                        token=folder.name,
                        run_id=order["job"]["run_id"],
                        attempt_id=order["job"]["attempt_id"],
                        epoch=order["epoch"],
                        launched_at=self.clock.at(order["launched_at"]),
                    )
                )
        return tuple(found)

    def bill(self) -> tuple[BillLine, ...]:
        self._check_there()
        now, origins = time.time(), self._origins()
        lines: list[BillLine] = []
        for folder in sorted(self._instances.iterdir()):
            order, book = order_of(folder), read_book(folder)
            if order and book.launched is not None:
                fetched = _fetched_gib(folder, order["region"], origins)
                lines += self._neighbor.bill(folder.name, order, book, real=now, fetched_gib=fetched)
        return tuple(lines)

    def _origins(self) -> dict[str, str]:
        """Region in which each checkpoint was written, by its id."""
        return {
            str(checkpoint["id"]): str(order_of(folder).get("region"))
            for folder in self._instances.iterdir()
            if (folder / "spool").exists()
            for checkpoint in read(folder / "spool").checkpoints
        }

    def interrupt(self, token: str, *, notice_s: float | None) -> None:
        """Take an instance back, as the market would: for rehearsals and tests.

        Args:
            notice_s: real seconds of warning; None kills without one.
        """
        lost_at = time.time() + (notice_s or 0.0)
        replace_json(self._instances / token / INTERRUPT, {"lost_at": lost_at, "notice_s": notice_s})

    # -- launching --

    def _place(self, folder: Path, spec: JobSpec) -> None:
        """Give the token its folder, whole, with the market's answer in it: terms or a refusal."""
        now = time.time()
        alive = sum(1 for i in self._instances.iterdir() if self._lives_on(i, spec.offer.id))
        try:
            terms = self._neighbor.admit(spec, now, alive)
        except NoCapacity as error:
            self._commit(folder, REFUSED, {"why": str(error)})
            return
        order = order_for(spec, terms, now, self.clock.scale)
        self._commit(folder, ORDER, order | {"machine": self._neighbor.machine_id})

    @staticmethod
    def _awaits_its_host(folder: Path) -> bool:
        """Granted, but whoever asked for it went away before the host came; and nobody has ended it since."""
        book = read_book(folder)
        over = book.launched is not None or book.terminated is not None or (folder / CANCEL).exists()
        return not over and not host_alive(folder)

    def _lives_on(self, folder: Path, offer_id: str) -> bool:
        return order_of(folder).get("offer_id") == offer_id and host_alive(folder)

    def _commit(self, folder: Path, name: str, data: Mapping[str, object]) -> None:
        making = self._instances / f".{folder.name}.{os.getpid()}"
        making.mkdir(mode=0o700, exist_ok=True)
        replace_json(making / name, data, durable=True)
        making.rename(folder)
        sync_folder(self._instances)

    def _spawn(self, folder: Path, spec: JobSpec) -> None:
        env = {**os.environ, **{name: str(value) for name, value in spec.env.items()}}
        with (folder / "host.log").open("ab") as out:
            subprocess.Popen(
                [sys.executable, "-m", "shoestring.executors.host", str(folder)],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
                cwd="/",
            )

    # -- looking --

    def _look(self, token: str, folder: Path) -> Observation:
        order, book = order_of(folder), read_book(folder)
        attempt_id = order.get("job", {}).get("attempt_id", token)
        if not order:
            why = (read_json(folder / REFUSED) or read_json(folder / BARRED) or {}).get("why", "refused")
            end = Exit(kind=ExitKind.NO_START, at=self.clock.now(), detail=str(why))
            return Observation(attempt_id=attempt_id, outcome=Outcome.ENDED, exit=end)
        if book.terminated is None and not host_alive(folder):
            book = settled(folder, order)
            if book.launched is None and book.terminated is None:
                return Observation(attempt_id=attempt_id, outcome=Outcome.RUNNING, detail="being started")
        readings = [read(spool) for spool in spools(folder, order["nodes"]) if spool.exists()]
        spans: tuple[PriceSpan, ...] = ()
        if book.launched is not None:
            spans = self._neighbor.price_spans(order["offer_id"], book.launched, book.terminated)
        return observation_of(attempt_id, order, book, readings, spans, self.clock)

    def _check_there(self) -> None:
        if not self._instances.is_dir():
            raise ExecutorUnavailable(f"{self.name}: {self._instances} is not there")

    @contextmanager
    def _fenced(self, epoch: int) -> Iterator[None]:
        """One caller at a time, and none whose epoch has passed."""
        self._check_there()
        path = self._folder / "epoch.json"
        with (self._folder / "fence").open("a+b") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            seen = int((read_json(path) or {}).get("epoch", 0))
            if epoch < seen:
                raise StaleLeader(f"epoch {epoch} has passed: {self.name} has seen {seen}")
            if epoch > seen:
                replace_json(path, {"epoch": epoch}, durable=True)
            yield


def _fetched_gib(folder: Path, region: str, origins: Mapping[str, str]) -> Decimal:
    """GiB of checkpoints that an instance read from another region than its own, exactly."""
    restores = read(folder / "spool").restores if (folder / "spool").exists() else ()
    foreign = [r for r in restores if origins.get(str(r.get("checkpoint_id")), region) != region]
    return sum((Decimal(int(r["size_bytes"])) for r in foreign), Decimal(0)) / GIB
