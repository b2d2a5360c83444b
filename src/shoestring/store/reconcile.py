"""Reconciling: which bill lines are a run's, how far metered and billed cost differ, and which of them counts."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from shoestring.domain.units import money
from shoestring.store.charges import Change, ChargeStore, Staged
from shoestring.store.charges_engine import PARQUET, ident, literal
from shoestring.store.charges_manifest import FEES, Part
from shoestring.store.charges_schema import LABEL_COLUMNS, MEASURES

ACCELERATOR = "x_AcceleratorType"  # bills seldom name it
LABELS = (*LABEL_COLUMNS.values(), ACCELERATOR)
COVERED = 0.9  # share of a run's metered time that bill lines must span before they count instead

# A bill line is a run's if it names the run, or if it is of the run's machine at a time that the run held it.
SAME = """(line.x_RunId = run.run_id or (line.x_RunId is null and line.ResourceId = run.resource))
  and line.ChargePeriodStart < run.ended and line.ChargePeriodEnd > run.began"""
SECONDS = (
    """epoch(least(line.ChargePeriodEnd, run.ended)) - epoch(greatest(line.ChargePeriodStart, run.began))"""
)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDrift:
    """A run's compute by our meters and by the bill.

    Attributes:
        covered: share of the metered time that bill lines span, 0..1.
        billed: whether the bill counts from now on (and the metered lines no longer).
        stated: measures (columns) that the bill's own lines tell of the run, so that the meter's count no longer.
    """

    run_id: str
    metered_usd: Decimal
    billed_usd: Decimal
    covered: float
    billed: bool
    stated: tuple[str, ...] = ()

    @property
    def drift_usd(self) -> Decimal:
        return self.billed_usd - self.metered_usd


@dataclass(frozen=True, slots=True, kw_only=True)
class Reconciled:
    """Every run that has metered lines, and how many bill lines got a run's labels."""

    runs: tuple[RunDrift, ...]
    lines_labelled: int


def reconcile(store: ChargeStore) -> Reconciled:
    """Match bills with runs, by the run's name and by machine and time; from scratch, so it may be repeated.

    A run turns BILLED as a whole once bill lines span nearly all of its metered time; before that its metered
    lines count and the bill lines found so far merely carry its labels. A line of several runs' machine goes to
    the one that held it longest.
    """
    manifest = store.manifest()
    metered = [p for p in manifest.parts if p.kind == "metered"]
    if not metered:
        return Reconciled(runs=(), lines_labelled=0)
    stage = store.stage_folder()
    labelled = 0
    try:
        with store.reading() as engine, store.change() as change:
            metered = [p for p in change.manifest.parts if p.kind == "metered"]
            engine.execute(f"create temp table runs as {_runs_sql(store, metered)}")
            for number, part in enumerate(_match(change, engine)):
                labelled += _label(change, engine, part, stage / f"{number}.parquet")
            drifts = _drifts(engine)
            billed = {
                f"shoestring/{d.run_id}": {
                    "metered_usd": str(d.metered_usd),
                    "billed_usd": str(d.billed_usd),
                    "stated": ",".join(d.stated),
                }
                for d in drifts
                if d.billed
            }
            if labelled or change.manifest.billed_runs != billed:
                change.manifest = replace(change.manifest, billed_runs=billed)
                change.commit()
    finally:
        shutil.rmtree(stage, ignore_errors=True)
    return Reconciled(runs=tuple(drifts), lines_labelled=labelled)


def _runs_sql(store: ChargeStore, metered: Sequence[Part]) -> str:
    """Each attempt's machine, the time it was held, its labels and metered compute."""
    return f"""select x_RunId as run_id, ResourceId as resource, min(ChargePeriodStart) as began,
        max(ChargePeriodEnd) as ended, sum(EffectiveCost) as usd, {_any_labels()}
      from {store.rows_sql(metered)} where x_UsageId like '%/compute'
      group by x_RunId, x_AttemptId, ResourceId"""


def _match(change: Change, engine: Any) -> list[Part]:
    """Remember which run each bill line is of, as the table ``matched``; the parts with such lines."""
    parts = {
        str(change.store.folder / p.file): p for p in change.manifest.parts if p.of_a_bill or p.kind == FEES
    }
    lines = change.store.rows_of_files(list(parts), numbered=True)
    pairs = f"""select line.filename as file, line.file_row_number as row, run.run_id, max({SECONDS}) as seconds,
        any_value(line.EffectiveCost * line.x_UsdPerUnit) as usd, {_any(MEASURES, "line.")}
      from {lines} line join runs run on {SAME} group by 1, 2, 3"""
    engine.execute(
        f"""create temp table matched as select file, row, arg_max(run_id, (seconds, run_id)) as run_id,
              max(seconds) as seconds, cast(any_value(usd) as decimal(38,12)) as usd, {_any(MEASURES)}
            from ({pairs}) group by 1, 2"""
    )
    found = {file for (file,) in engine.execute("select distinct file from matched").fetchall()}
    return [part for file, part in parts.items() if file in found]


def _label(change: Change, engine: Any, part: Part, target: Path) -> int:
    """Write the runs' labels into lines of a part that lack them."""
    file = str(change.store.folder / part.file)
    table = change.store.rows_of_files([file], numbered=True)
    described = engine.execute(
        f"describe select * from read_parquet({literal(file)}, hive_partitioning=false)"
    ).fetchall()
    others = [f"line.{ident(name)}" for name, *_ in described if name not in LABELS]
    labels = [f"coalesce(line.{ident(c)}, run.{ident(c)}) as {ident(c)}" for c in LABELS]
    lacking = " or ".join(f"(line.{ident(c)} is null and run.{ident(c)} is not null)" for c in LABELS)
    of_runs = f"select run_id, {_any_labels()} from runs group by run_id"
    joined = f"""{table} line
        left join matched on matched.file = {literal(file)} and matched.row = line.file_row_number
        left join ({of_runs}) run on run.run_id = matched.run_id"""
    ((count,),) = engine.execute(f"select count(*) from {joined} where {lacking}").fetchall()
    if count:
        body = ", ".join([*others, *labels])
        engine.execute(f"copy (select {body} from {joined}) to {literal(target)} {PARQUET}")
        staged = Staged(period=part.period, source=part.source, kind=part.kind, path=target)
        change.put(staged, part.import_id)
    return int(count)


def _any_labels() -> str:
    one = f"case when min({ACCELERATOR}) = max({ACCELERATOR}) then min({ACCELERATOR}) end as {ACCELERATOR}"
    return f"{_any(tuple(LABEL_COLUMNS.values()))}, {one}"


def _any(columns: Sequence[str], of: str = "") -> str:
    return ", ".join(f"any_value({of}{ident(c)}) as {ident(c)}" for c in columns)


def _drifts(engine: Any) -> list[RunDrift]:
    told = ", ".join(f"count({column}) > 0 as {column}" for column in MEASURES)
    rows = engine.execute(
        f"""with held as (
             select run_id, sum(usd) as usd, sum(epoch(ended) - epoch(began)) as seconds from runs group by 1),
           found as (select run_id, sum(usd) as usd, sum(seconds) as seconds, {told} from matched group by 1)
           select held.run_id, held.usd, coalesce(found.usd, 0), coalesce(found.seconds, 0), held.seconds,
             {", ".join(MEASURES)}
           from held left join found using (run_id) order by 1"""
    ).fetchall()
    drifts = []
    for run_id, metered, billed, found_s, held_s, *stated in rows:
        covered = min(1.0, found_s / held_s) if held_s > 0 else 0.0
        drifts.append(
            RunDrift(
                run_id=run_id,
                metered_usd=money(metered),
                billed_usd=money(billed),
                covered=covered,
                billed=covered >= COVERED,
                stated=tuple(column for column, told in zip(MEASURES, stated, strict=True) if told),
            )
        )
    return drifts
