"""How fast the ledger takes bills in and answers, beside plain DuckDB and Polars doing the same work.

    python bench/ledger.py [--rows 5000000] [--work DIR] [--polars PYTHON] [--json out.json]
    python bench/ledger.py --huge [--rows 50000000] [--part-rows 2000000] [--work DIR] [--json out.json]

Every figure is the wall time of a new process, imports included, and its peak memory. The peers do the same
typing (DECIMAL(38,12), timestamps), the same label columns out of the tags' JSON and the same compression, and
nothing else: no checks, no quarantine, no cube, no manifest. ``--polars`` names an interpreter that has polars;
without it that column stays empty.

``--huge`` asks a ledger of many bills, shoestring alone: one is imported and written again as other months and
accounts (bench/_ledger_parts.py). With ``--work`` what it makes is kept there and asked again the next time.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
MONEY = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost", "ListUnitPrice", "ConsumedQuantity",
         "PricingQuantity")  # fmt: skip
MOMENTS = ("BillingPeriodEnd", "BillingPeriodStart", "ChargePeriodEnd", "ChargePeriodStart")
HUGE = (  # dimensions, since, conditions
    ("team", "all"), ("team,experiment", "all"), ("experiment,day", "all"), ("source,month", "all"),
    ("resource", "all"), ("resource", "2026-09"), ("resource", "2026-09", "team=team-3"),
)  # fmt: skip
LABELS = ("team", "project", "experiment", "run", "model", "dataset", "user", "cost_center")


def header_of(csv: str) -> list[str]:
    with Path(csv).open() as file:
        return file.readline().strip().split(",")


def ours_import(csv: str, out: str) -> None:
    from datetime import UTC, datetime

    from shoestring.store.charges import ChargeStore
    from shoestring.workflows.bills import bring_in

    done = bring_in(ChargeStore(Path(out)), [Path(csv)], now=datetime.now(UTC), user="bench")
    assert done.delivery is not None
    assert done.delivery.rows_quarantined == 0


def duckdb_import(csv: str, out: str) -> None:
    import duckdb

    engine = duckdb.connect(config={"memory_limit": "1GB", "preserve_insertion_order": False})
    header = header_of(csv)
    types = dict.fromkeys(header, "VARCHAR")
    types |= dict.fromkeys(MONEY, "DECIMAL(38,12)") | dict.fromkeys(MOMENTS, "TIMESTAMP")
    labels = ", ".join(f"json_extract_string(Tags, '$.{label}') as x_{label}" for label in LABELS)
    read = f"read_csv('{csv}', columns = {types}, header = true, auto_detect = false)"
    engine.execute(f"copy (select *, {labels} from {read}) to '{out}' (format parquet, compression zstd)")


def polars_import(csv: str, out: str) -> None:
    import polars as pl

    header = header_of(csv)
    frame = pl.scan_csv(csv, schema=dict.fromkeys(header, pl.String))
    frame = frame.with_columns(
        *(pl.col(c).cast(pl.Decimal(38, 12)) for c in MONEY),
        *(pl.col(c).str.to_datetime("%Y-%m-%d %H:%M:%S") for c in MOMENTS),
        *(pl.col("Tags").str.json_path_match(f"$.{label}").alias(f"x_{label}") for label in LABELS),
    )
    frame.sink_parquet(out, compression="zstd")


def ours_parts(folder: str, part_rows: str, parts: str) -> dict[str, int]:
    from _ledger_parts import make_parts

    return make_parts(Path(folder), int(part_rows), int(parts))


def ours_costs(store: str, by: str, since: str = "all", *where: str) -> None:
    """The command itself, as people start it: option parsing and table included."""
    from contextlib import redirect_stdout
    from io import StringIO

    from shoestring.app.cli import main as shoestring

    asked = [word for condition in where for word in ("--where", condition)]
    sys.argv = ["shoestring", "costs", "--ledger", store, "--by", by, "--since", since, *asked]
    with redirect_stdout(StringIO()) as told:
        try:
            shoestring()
        except SystemExit as end:
            assert not end.code, told.getvalue()
    assert "SHARE" in told.getvalue()


def duckdb_costs(parquet: str, by: str) -> None:
    import duckdb

    columns = {"team": "x_team", "experiment": "x_experiment", "resource": "ResourceId"}
    keys = ", ".join(columns.get(name, "cast(ChargePeriodStart as date)") for name in by.split(","))
    assert duckdb.sql(f"select {keys}, sum(EffectiveCost) from '{parquet}' group by all").fetchall()


def polars_costs(parquet: str, by: str) -> None:
    import polars as pl

    columns = {"team": "x_team", "experiment": "x_experiment", "resource": "ResourceId"}
    keys = [
        pl.col(columns[n]) if n in columns else pl.col("ChargePeriodStart").dt.date().alias("day")
        for n in by.split(",")
    ]
    assert len(pl.scan_parquet(parquet).group_by(keys).agg(pl.col("EffectiveCost").sum()).collect())


def ours_check(csv: str, _: str) -> None:
    from shoestring.store.focus.check import check_file

    assert check_file(Path(csv), "1.4").rows


def ours_report(store: str, page: str) -> None:
    from datetime import UTC, date, datetime

    from shoestring.app.report.page import render
    from shoestring.catalog.load import embedded
    from shoestring.store.charges import ChargeStore
    from shoestring.workflows.report import Period, report

    period = Period(since=date(2026, 9, 1), until=None, today=date(2026, 9, 29))
    now = datetime(2026, 9, 29, tzinfo=UTC)
    document = report(ChargeStore(Path(store)), [], period, now=now, catalog=embedded())
    assert document["tie_out"]["holds"]
    Path(page).write_text(render(document), encoding="utf-8")


def peak_gb() -> float:
    """Peak memory of this process since its start; ru_maxrss has the peak of whoever started it in it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e9


def measure(python: str, task: str, *arguments: str) -> dict[str, float]:
    """Wall seconds and peak memory (GB) of a task in a process of its own, and what it tells."""
    started = time.perf_counter()
    out = subprocess.run(
        [python, str(HERE / "ledger.py"), "--task", task, *arguments],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    wall = time.perf_counter() - started
    return {"wall_s": round(wall, 2), **json.loads(out.stdout.splitlines()[-1])}


def contest(rows: int, work: Path, polars: str | None) -> dict[str, dict[str, dict[str, float]]]:
    """Every task by every contender, one after the other."""
    sys.path.insert(0, str(HERE))
    from focus_rows import write_rows

    csv = work / f"focus-{rows}.csv"
    if not csv.exists():
        write_rows(csv, rows=rows)
    store, plain, other = work / "ledger", work / "duckdb.parquet", work / "polars.parquet"
    shutil.rmtree(store, ignore_errors=True)
    found: dict[str, dict[str, dict[str, float]]] = {}

    def run(name: str, task: str, targets: dict[str, str], *rest: str) -> None:
        found[name] = {}
        for contender, target in targets.items():
            python = polars if contender == "polars" else sys.executable
            if python is not None:
                found[name][contender] = measure(python, f"{contender}_{task}", target, *rest)

    inputs = dict.fromkeys(("ours", "duckdb", "polars"), str(csv))
    found["import"] = {}
    for contender, target in {"ours": store, "duckdb": plain, "polars": other}.items():
        python = polars if contender == "polars" else sys.executable
        if python is not None:
            found["import"][contender] = measure(
                python, f"{contender}_import", inputs[contender], str(target)
            )
    outputs = {"ours": str(store), "duckdb": str(plain), "polars": str(other)}
    for by in ("team", "team,experiment", "experiment,day", "resource"):
        run(f"costs --by {by}", "costs", outputs, by)
    run("report", "report", {"ours": str(store)}, str(work / "report.html"))
    run("focus check", "check", {"ours": str(csv)}, "")
    return found


def huge(rows: int, part_rows: int, work: Path) -> tuple[dict[str, float], dict[str, dict[str, float]]]:
    """How the ledger of many parts was made, and every question to it."""
    folder = work / f"ledger-{rows}-of-{part_rows}"
    told = folder / "made.json"
    if not told.exists():
        shutil.rmtree(folder, ignore_errors=True)
        made = measure(sys.executable, "ours_parts", str(folder), str(part_rows), str(rows // part_rows))
        told.write_text(json.dumps(made))
    store = str(folder / "ledger")
    asked = {" ".join(q): measure(sys.executable, "ours_costs", store, *q) for q in HUGE}
    return json.loads(told.read_text()), asked


def show_huge(made: dict[str, float], found: dict[str, dict[str, float]]) -> None:
    """What was made and how, and a line for each question."""
    print(
        f"{made['rows']:,} rows in {made['parts']} parts of {made['months']} months, {made['cubes']} with a cube;\n"
        f"{made['bytes'] / 1e9:.2f} GB on disk, made in {made['wall_s']:.0f} s, peak {made['rss_gb']:.2f} GB.\n"
        "One part was generated and imported; the others have its rows as other months and accounts: amounts,\n"
        "labels and resources repeat. Files were just written: what fits the page cache is read from there.\n"
    )
    print(f"{'costs --by, --since, --where':<40}{'wall s':>8}{'CPU s':>8}{'peak GB':>9}")
    for question, took in found.items():
        print(f"{question:<40}{took['wall_s']:>8.2f}{took['cpu_s']:>8.2f}{took['rss_gb']:>9.2f}")


def show(rows: int, found: dict[str, dict[str, dict[str, float]]]) -> None:
    """One line for each task: seconds and gigabytes, side by side."""
    print(f"{rows:,} rows; wall seconds of a new process / CPU seconds of the task / peak GB")
    print(f"{'':<28}{'shoestring':>22}{'DuckDB':>22}{'Polars':>22}")
    for task, by in found.items():
        cells = [
            f"{by[c]['wall_s']:.2f} / {by[c]['cpu_s']:.2f} / {by[c]['rss_gb']:.2f}" if c in by else "-"
            for c in ("ours", "duckdb", "polars")
        ]
        print(f"{task:<28}" + "".join(f"{cell:>22}" for cell in cells))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, help="5,000,000; with --huge 50,000,000")
    parser.add_argument("--huge", action="store_true", help="many bills, shoestring alone")
    parser.add_argument("--part-rows", type=int, default=2_000_000, help="of each bill of --huge")
    parser.add_argument("--work", type=Path)
    parser.add_argument("--polars", help="an interpreter that has polars")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--task", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.task:
        name, *arguments = given.task
        cpu = time.process_time()
        told = globals()[name](*arguments) or {}
        used = {"cpu_s": round(time.process_time() - cpu, 2), "rss_gb": round(peak_gb(), 2)}
        print(json.dumps({**used, **told}))
        return
    rows = given.rows or (50_000_000 if given.huge else 5_000_000)
    if given.huge and not 0 < given.part_rows <= rows:
        parser.error(f"--part-rows must be 1 to --rows ({rows:,})")
    with tempfile.TemporaryDirectory() as scratch:
        work = given.work or Path(scratch)
        work.mkdir(parents=True, exist_ok=True)
        if given.huge:
            made, questions = huge(rows, given.part_rows, work)
            show_huge(made, questions)
            result = {"made": made, "questions": questions}
        else:
            found = contest(rows, work, given.polars)
            show(rows, found)
            result = {"rows": rows, "tasks": found}
    if given.json:
        from _machine import describe

        given.json.write_text(json.dumps({"machine": describe("duckdb", "polars"), **result}, indent=1))


if __name__ == "__main__":
    main()
