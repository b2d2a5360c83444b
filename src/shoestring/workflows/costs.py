"""`shoestring costs`: a question in words, an answer as lines, JSON, CSV or Parquet."""

import csv
import io
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from shoestring.domain.errors import BadInput
from shoestring.ledger.calendar import FiscalCalendar
from shoestring.store.answers import Answer, Question, Row, ask
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_engine import connect, literal
from shoestring.store.dimensions import Condition

NONE = "(none)"
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def question_of(
    *,
    today: date,
    by: str = "team",
    metric: str = "effective",
    since: str | None = None,
    until: str | None = None,
    where: Sequence[str] = (),
    fiscal_start: int = 1,
    weeks_445: bool = False,
    limit: int | None = None,
) -> Question:
    """A question from the command line's words; without ``since`` it is about the month to date."""
    try:
        calendar = FiscalCalendar(first_month=fiscal_start, weeks_445=weeks_445)
    except ValueError as error:
        raise BadInput(f"--fiscal-start: {error}") from None
    return Question(
        by=tuple(part.strip() for part in by.split(",") if part.strip()),
        metric=metric,
        since=today.replace(day=1) if since is None else day_of(since, "--since"),
        until=None if until is None else day_of(until, "--until"),
        where=tuple(Condition.parse(text) for text in where),
        calendar=calendar,
        limit=limit,
    )


def day_of(text: str, option: str) -> date | None:
    """A day in ``2026-01-31`` or the first of ``2026-01``; ``all`` means no bound."""
    if text == "all":
        return None
    try:
        return date.fromisoformat(text if len(text) > 7 else f"{text}-01")
    except ValueError:
        raise BadInput(
            f"{option} {text!r} is no day", next_step="write 2026-01-31, 2026-01, or all"
        ) from None


def costs(store: ChargeStore, question: Question) -> Answer:
    """The library call behind the verb."""
    return ask(store, question)


def answer_json(question: Question, answer: Answer) -> dict[str, Any]:
    """An answer as plain data: dollars as numbers, unknown as null."""
    return {
        "by": list(answer.by),
        "metric": answer.metric,
        "since": None if question.since is None else question.since.isoformat(),
        "until": None if question.until is None else question.until.isoformat(),
        "total_usd": float(answer.total_usd),
        "idle_usd": float(answer.idle_usd),
        "unused_usd": float(answer.unused_usd),
        "unallocated_usd": float(answer.unallocated_usd),
        "credit_usd": float(answer.credit_usd),
        "metered_usd": float(answer.metered_usd),
        "unconverted": {currency: str(total) for currency, total in answer.unconverted.items()},
        "rows": [
            {
                **dict(zip(answer.by, row.keys, strict=True)),
                "usd": None if row.usd is None else float(row.usd),
                "list_usd": None if row.list_usd is None else float(row.list_usd),
                "charges": row.charges,
                "accelerator_hours": row.accelerator_hours,
                "energy_kwh": row.energy_kwh,
                "carbon_kg": row.carbon_kg,
            }
            for row in answer.rows
        ],
        "more_rows": answer.more_rows,
    }


def answer_csv(answer: Answer) -> str:
    """An answer as CSV. Text cells that a spreadsheet would run as a formula get a leading apostrophe."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(
        [*answer.by, "usd", "list_usd", "charges", "accelerator_hours", "energy_kwh", "carbon_kg"]
    )
    for row in answer.rows:
        keys = [harmless(NONE if key is None else key) for key in row.keys]
        writer.writerow([*keys, row.usd, row.list_usd, row.charges, *_measures(row)])
    return text.getvalue()


def _measures(row: Row) -> tuple[float | None, float | None, float | None]:
    return row.accelerator_hours, row.energy_kwh, row.carbon_kg


def write_parquet(answer: Answer, path: Path) -> None:
    """An answer as a Parquet file."""
    keys = "".join(f"k{n} varchar, " for n in range(len(answer.by)))
    names = "".join(f'k{n} as "{name}", ' for n, name in enumerate(answer.by))
    with connect() as engine:
        engine.execute(
            f"create table answer ({keys} usd decimal(38,12), list_usd decimal(38,12), charges bigint, "
            "accelerator_hours double, energy_kwh double, carbon_kg double)"
        )
        marks = ", ".join("?" * (len(answer.by) + 6))
        if answer.rows:
            engine.executemany(
                f"insert into answer values ({marks})",  # noqa: S608 - marks are question marks
                [[*row.keys, row.usd, row.list_usd, row.charges, *_measures(row)] for row in answer.rows],
            )
        target = literal(path)
        engine.execute(
            f"copy (select {names} usd, list_usd, charges, accelerator_hours, energy_kwh, "  # noqa: S608 - our own names
            f"carbon_kg from answer) to {target} (format parquet)"
        )


def harmless(text: str) -> str:
    """Text as a spreadsheet may open it.

    >>> harmless("=HYPERLINK(1)"), harmless("vision")
    ("'=HYPERLINK(1)", 'vision')
    """
    return f"'{text}" if text.startswith(FORMULA) else text
