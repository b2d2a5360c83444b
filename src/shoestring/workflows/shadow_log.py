"""The log of a live shadow, and the watch that fills it: each look is a line before anything is decided on it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.domain import codec
from shoestring.domain.errors import BadInput, ExecutorUnavailable
from shoestring.domain.offer import Offer
from shoestring.policies.base import Policy
from shoestring.ports import Clock, PriceSource
from shoestring.workflows.shadow_live import Ghost, LiveShadow, Standing, Turn

FORMAT = 1


@dataclass(slots=True)
class ShadowLog:
    """The log of one shadow: a line that says what is watched, then a line for each look and each turn."""

    path: Path | None
    real_start: float = 0.0  # of the market's clock
    _known: dict[str, tuple[str | None, bool | None]] = field(default_factory=dict)

    def begin(self, ghost: Ghost, policy: Policy, real_start: float = 0.0) -> None:
        """The first line. ``real_start``: of the market's clock, so that it goes on when the shadow does."""
        self.real_start = real_start
        self._known = {o.id: _state(o) for o in ghost.offers}
        self._write(
            {
                "shadow": FORMAT,
                "policy": policy.name,
                "version": policy.version,
                "real_start": real_start,
                "ghost": codec.to_json(ghost),
            }
        )

    def seen(self, at: datetime, offers: Sequence[Offer] | None, away: str) -> None:
        """A look: what has changed since the one before, or that nobody answered."""
        if offers is None:
            self._write({"at": at.isoformat(), "away": away})
            return
        now = {o.id: _state(o) for o in offers}
        states = {i: now.get(i, (usd, False)) for i, (usd, _) in self._known.items()}
        changed = {i: state for i, state in states.items() if state != self._known[i]}
        self._known = states
        self._write({"at": at.isoformat(), "seen": {i: list(state) for i, state in changed.items()}})

    def turn(self, turn: Turn) -> None:
        """What would have been done."""
        self._write({"turn": asdict(turn) | {"at": turn.at.isoformat()}})

    def resume(self, policy: Policy) -> tuple[LiveShadow, datetime] | None:
        """The shadow of this log as it was left, and when it last looked; None for a new log.

        Raises:
            BadInput: the file is no such log, or another policy's.
        """
        if self.path is None or not self.path.exists() or not self.path.stat().st_size:
            return None
        lines = self._lines(self.path)
        head = lines[0] if lines else {}
        if head.get("shadow") != FORMAT:
            raise BadInput(f"--log {self.path}: not the log of a live shadow", next_step="give another file")
        if (head["policy"], head["version"]) != (policy.name, policy.version):
            raise BadInput(
                f"--log {self.path}: begun by {head['policy']} version {head['version']}, not by "
                f"{policy.name} version {policy.version}",
                next_step="give another file, or that --policy",
            )
        self.real_start = float(head.get("real_start", 0.0))
        ghost: Ghost = codec.from_json(Ghost, head["ghost"])
        shadow, at = LiveShadow(ghost, policy), ghost.started_at
        offers = {o.id: o for o in ghost.offers}
        for line in lines[1:]:
            if "turn" in line:
                continue
            at = datetime.fromisoformat(line["at"])
            if "away" in line:
                shadow.look(at, None, line["away"])
                continue
            for offer_id, (usd, up) in line["seen"].items():
                offers[offer_id] = _as(offers[offer_id], usd, up, at)
            shadow.look(at, list(offers.values()))
        self._known = {i: _state(o) for i, o in offers.items()}
        return shadow, at

    @staticmethod
    def _lines(path: Path) -> list[dict[str, Any]]:
        """Whole lines; a torn last one is cut off, so that what follows does not grow onto it."""
        try:
            data = path.read_bytes()
            whole = data[: data.rfind(b"\n") + 1]
            if len(whole) < len(data):
                with path.open("r+b") as file:
                    file.truncate(len(whole))
            return [json.loads(line) for line in whole.splitlines()]
        except (OSError, ValueError) as error:
            raise BadInput(f"--log {path}: {error}", next_step="give another file") from None

    def _write(self, line: dict[str, Any]) -> None:
        if self.path is None:
            return
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line, allow_nan=False) + "\n")
        except OSError as error:
            raise BadInput(
                f"--log {self.path}: {error.strerror or error}", next_step="give another file"
            ) from None


def watch(
    shadow: LiveShadow,
    log: ShadowLog,
    source: PriceSource,
    clock: Clock,
    *,
    seconds: float,
    told: Callable[[Turn], None] = lambda turn: None,
) -> Standing:
    """Look at the source every ``every_s`` until the job would have ended, or so many seconds have passed.

    Args:
        clock: of the market; a look takes place at its moments. told: called with each turn.
    """
    every_s = shadow.ghost.every_s
    for number in range(int(seconds / every_s + 1e-9) + 1):
        if number:
            clock.sleep(every_s)
        at, away = clock.now(), ""
        offers: Sequence[Offer] | None = None
        try:
            offers = source.offers()
        except (ExecutorUnavailable, BadInput) as error:
            away = str(error)
        log.seen(at, offers, away)
        for turn in shadow.look(at, offers, away):
            log.turn(turn)
            told(turn)
        if shadow.done:
            break
    return shadow.standing(clock.now().astimezone(UTC))


def _state(offer: Offer) -> tuple[str | None, bool | None]:
    usd = offer.price.usd_per_hour
    return (None if usd is None else str(usd), offer.available)


def _as(offer: Offer, usd: str | None, up: bool | None, at: datetime) -> Offer:
    price = replace(offer.price, usd_per_hour=None if usd is None else Decimal(usd), as_of=at)
    return replace(offer, price=price, available=up)
