"""What an unfinished run promises to cost."""

from decimal import Decimal

import pytest

from shoestring.app.commitments import promised_usd
from shoestring.store.memory import MemoryJournal
from shoestring.supervisor.book import Book, RunBook
from shoestring.testing import a_workload, submit


def a_run(budget_usd: Decimal | None) -> RunBook:
    journal = MemoryJournal()
    submit(journal, a_workload(budget_usd=budget_usd))
    return Book(fact for _, fact in journal.asked()).runs["run"]


@pytest.mark.parametrize(
    ("row", "budget", "promised"),
    [
        ({"spent_usd": 2.0, "finish_usd": 9.5}, Decimal(5), 7.5),
        ({"spent_usd": 2.0, "finish_usd": None}, Decimal(5), 3.0),
        ({"spent_usd": 9.0, "finish_usd": None}, Decimal(5), 0.0),
        ({"spent_usd": 2.0}, None, None),
        ({"spent_usd": None, "finish_usd": 9.5}, Decimal(5), None),
    ],
)
def test_what_is_left_to_pay(
    row: dict[str, float | None], budget: Decimal | None, promised: float | None
) -> None:
    assert promised_usd(row, a_run(budget)) == promised
