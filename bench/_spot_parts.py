"""Scores of the spot referee in pieces that are kept: what was once computed is read again, not run again.

A piece is one setting of the market with one variant of the policy. Its file is named after everything that its
figures depend on: the referee, the traces, the policy's sources, the setting. Change any of them, and it is run anew.
"""

import hashlib
import importlib.util
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

import spot_adapter
from shoestring.policies.lookahead import Style

SOURCES = Path(spot_adapter.__file__).resolve().parents[1] / "src/shoestring"
WHOLE = "production"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One setting and one variant (a key of :data:`VARIANTS`)."""

    mode: str  # single | multi
    move_usd: float
    starts: int
    seed: int = 0
    variant: str = WHOLE

    @property
    def title(self) -> str:
        where = "one zone" if self.mode == "single" else f"several zones, {self.move_usd:g} $ per move"
        return where if self.variant == WHOLE else f"{where}, {self.variant}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Referee:
    """Where the referee and the traces lie, and where finished pieces are kept."""

    script: Path
    traces: Path
    kept: Path

    def module(self) -> ModuleType:
        spec = importlib.util.spec_from_file_location("spot_referee", self.script)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
        return module

    def file_of(self, part: Part) -> Path:
        digest = hashlib.sha256(repr(part).encode())
        sources = [p for room in ("market", "policies") for p in sorted((SOURCES / room).glob("*.py"))]
        own = [Path(spot_adapter.__file__), Path(__file__), self.script]
        for path in [*own, *sources, *sorted(self.traces.glob("*.json"))]:
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
        return self.kept / f"{digest.hexdigest()[:24]}.json"


def scores(referee: Referee, parts: Sequence[Part], jobs: int) -> dict[Part, dict[str, Any]]:
    """The referee's result of each part; new ones are run on ``jobs`` processes and kept as soon as they are done."""
    referee.kept.mkdir(parents=True, exist_ok=True)
    files = {part: referee.file_of(part) for part in parts}
    missing = [part for part in files if not files[part].exists()]
    print(f"{len(files)} pieces, {len(files) - len(missing)} kept from before", file=sys.stderr, flush=True)
    begin = time.perf_counter()
    with ProcessPoolExecutor(max_workers=jobs) as pool:
        running = {pool.submit(_run, referee, part): part for part in missing}
        for count, future in enumerate(as_completed(running), 1):
            part, path = running[future], files[running[future]]
            whole = path.with_suffix(".new")
            whole.write_text(json.dumps(future.result()))
            whole.replace(path)  # a run cut short leaves no half a piece
            minutes = (time.perf_counter() - begin) / 60
            print(f"[{count}/{len(missing)}, {minutes:.1f} min] {part.title}", file=sys.stderr, flush=True)
    return {part: json.loads(path.read_text()) for part, path in files.items()}


def _run(referee: Referee, part: Part) -> dict[str, Any]:
    """Played in this process, so that a variant's changes hold; the replay in a fresh process is left to the
    referee's own command line."""
    module, before = referee.module(), dict(vars(spot_adapter))
    VARIANTS[part.variant]()
    module._map = _in_process(module)  # type: ignore[attr-defined]
    try:
        result: dict[str, Any] = module.score(
            str(referee.traces), spot_adapter.__file__, part.mode, part.move_usd, part.starts, part.seed, 1, replay=0
        )  # fmt: skip
    finally:
        vars(spot_adapter).update(before)
    return {key: value for key, value in result.items() if key != "runs"}


def _in_process(module: ModuleType) -> Callable[..., Any]:
    def play(setting: Any, function: Any, items: Any, jobs: int, fresh: bool = False) -> Any:
        make = getattr(spot_adapter, setting.mode + "_zone")
        for cases in items:
            yield module.play_group(setting, cases, make)

    return play


def _styled(style: Style) -> Callable[[], None]:
    def change() -> None:
        spot_adapter.STYLE = style

    return change


def _without_age() -> None:
    """All ages look like the average age: evidence so heavy and so even that every class gets the mean rate."""
    learned = spot_adapter.make_plan

    def flat(memory: Any, terms: Any, now: Any, style: Style) -> Any:
        share = (memory.pooled_switches.sum(1) + 0.05) / (memory.pooled_exposure.sum(1) + 1.0)
        exposure = np.full_like(memory.pooled_exposure, 1e9)
        even = replace(memory, pooled_exposure=exposure, pooled_switches=exposure * share[:, None])
        return learned(even, terms, now, style)

    spot_adapter.make_plan = flat


_PLAIN = Style()
_ALIKE = replace(_PLAIN.learning, zone=1e9, zone_age=1e9)
# One idea taken out at a time; the rest as in production.
VARIANTS: dict[str, Callable[[], None]] = {
    WHOLE: lambda: None,
    "no age: one hazard per state": _without_age,
    "no per-zone rates": _styled(replace(_PLAIN, learning=_ALIKE)),
    "no learning at all: the prior": _styled(
        replace(_PLAIN, learning=replace(_ALIKE, market=1e9, cover=1e9, relight=1e9))
    ),
    "other zones not counted on": _styled(
        replace(_PLAIN, learning=replace(_PLAIN.learning, independence=0.0, cover=1e9, relight=1e9))
    ),
    "refuges counted on at any price": _styled(
        replace(_PLAIN, learning=replace(_PLAIN.learning, reach_h=1e9))
    ),
    "no waiting value: no haste": _styled(replace(_PLAIN, haste_h=0.0)),
    "no hysteresis on paid moves": _styled(replace(_PLAIN, move_margin=0.0, leave_margin=0.0)),
    "no hedge: no cost cap": _styled(replace(_PLAIN, cost_cap=1e9)),
    "tables never renewed": _styled(replace(_PLAIN, replan_s=1e12)),
}
