"""Given one bill in any mixture of the ways in which bills are written, then it is the same bill.

Each seed picks a container, a header, and a way to write amounts, moments, nothing and tags; `-m soak` lives 300.
"""

import bz2
import csv
import gzip
import io
import json
import lzma
import random
import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

pytest.importorskip("duckdb")

from shoestring.store.answers import Question, ask
from shoestring.store.charges import ChargeStore
from shoestring.workflows.bills import bring_in
from tests.store.bills.shapes import json_lines, parquet

NOW = datetime(2026, 3, 3, tzinfo=UTC)
MONEY = {"billed": "BilledCost", "effective": "EffectiveCost", "list": "ListCost"}
KEYS = {
    "service": lambda row: row["ServiceName"],
    "team": lambda row: (row["Tags"] or {}).get("team"),
    "day": lambda row: f"{row['ChargePeriodStart']:%Y-%m-%d}",
}


def words(name):
    return re.findall("[A-Z][a-z]+", name)


HEADERS = {
    "Pascal": lambda name: name,
    "lower": str.lower,
    "upper": str.upper,
    "snake": lambda name: "_".join(words(name)).lower(),
    "SNAKE": lambda name: "_".join(words(name)).upper(),
    "spaced": lambda name: " ".join(words(name)),
}
AMOUNTS = {
    "plain": lambda x: f"{x:f}",
    "padded": lambda x: f"  {x:.12f} ",
    "scientific": lambda x: f"{x:e}",
    "sign of money": lambda x: f"{'-' * (x < 0)}${abs(x):f}",
    "thousands": lambda x: f"{x:,.5f}",
    "parentheses": lambda x: f"({abs(x):f})" if x < 0 else f"{x:f}",
    "currency behind": lambda x: f"{x:f} USD",
    "currency before": lambda x: f"USD {x:f}",
    "decimal comma": lambda x: f"{x:,.5f}".translate(str.maketrans(",.", ".,")),
    "thin spaces": lambda x: f"{x:,.5f}".replace(",", "\u202f"),
    "printer's minus": lambda x: f"{x:f}".replace("-", "\u2212"),
    "minus behind": lambda x: f"{abs(x):f}{'-' * (x < 0)}",
    "plus": lambda x: f"{x:+f}",
}
MOMENTS = {
    **{
        pattern: lambda at, pattern=pattern: at.strftime(pattern)
        for pattern in (
            "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S+00:00", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S UTC",
            "%Y-%m-%dT%H:%M:%S.000Z", "%m/%d/%Y %H:%M", "%m/%d/%Y %I:%M:%S %p", "%d/%m/%Y %H:%M:%S", "%d.%m.%Y %H:%M",
            "%Y%m%dT%H%M%SZ", "%Y/%m/%d %H:%M:%S", "%Y-%m-%dT%H:%MZ", "%d-%b-%Y %H:%M:%S", "%B %d, %Y %H:%M",
        )
    },
    **{
        f"1e{power} since 1970": lambda at, power=power: str(int(at.replace(tzinfo=UTC).timestamp()) * 10**power)
        for power in (0, 3, 6, 9)
    },
    "two hours east": lambda at: (at + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%S+02:00"),
    "two hours east, apart": lambda at: (at + timedelta(hours=2)).strftime("%Y-%m-%d %H:%M:%S +0200"),
}  # fmt: skip
NOTHING = ["", "NULL", "null", "None", "nan", "\\N", "N/A", "-", "<null>"]
TAGS = {
    "object": json.dumps,
    "Python": str,
    "tuples": lambda tags: str(list(tags.items())),
    "pairs": lambda tags: json.dumps([{"Key": k, "Value": v} for k, v in tags.items()]),
    "k=v;": lambda tags: ";".join(f"{k}={v}" for k, v in tags.items()),
    "k:v,": lambda tags: ",".join(f"{k}:{v}" for k, v in tags.items()),
    "{k=v}": lambda tags: "{" + ", ".join(f"{k}={v}" for k, v in tags.items()) + "}",
    "no braces": lambda tags: ", ".join(f'"{k}": "{v}"' for k, v in tags.items()),
}
PACKED = {"": bytes, ".gz": gzip.compress, ".bz2": bz2.compress, ".xz": lzma.compress}


def bill(dice):
    """Rows as they are meant."""
    for _ in range(30):
        month, kind = dice.choice([1, 2]), dice.choice(["Usage"] * 8 + ["Credit", "Tax"])
        start = datetime(2026, month, dice.randint(1, 28), dice.randint(0, 22))
        usd = Decimal(dice.randint(1, 10**8)) / 10**4 * (-1 if kind == "Credit" else 1)
        yield {
            "BilledCost": usd,
            "EffectiveCost": usd * Decimal("0.5"),
            "ListCost": usd * 2,
            "BillingAccountId": "123456789012",
            "BillingCurrency": "USD",
            "BillingPeriodStart": datetime(2026, month, 1),
            "BillingPeriodEnd": datetime(2026, month + 1, 1),
            "ChargePeriodStart": start,
            "ChargePeriodEnd": start + timedelta(hours=1),
            "ChargeCategory": kind,
            "ChargeDescription": dice.choice(['a "quoted" thing', "comma, here", "two\nlines", None]),
            "InvoiceIssuerName": "Amazon Web Services, Inc.",
            "ServiceName": dice.choice(["EC2", "S3", "SageMaker, ML"]),
            "Tags": dice.choice([{"team": "vision", "env": "prod"}, {"team": "speech"}, None]),
        }


def written(dice, rows, folder):
    """The rows in a file, in ways that the dice choose; and which these were."""
    ways = {kind: dice.choice(list(table)) for kind, table in
            {"header": HEADERS, "amount": AMOUNTS, "moment": MOMENTS, "tags": TAGS}.items()}  # fmt: skip
    ways["nothing"] = dice.choice(NOTHING)
    header, amount = HEADERS[ways["header"]], AMOUNTS[ways["amount"]]

    def text(value):
        if value is None:
            return ways["nothing"]
        if isinstance(value, Decimal):
            return amount(value)
        if isinstance(value, datetime):
            return MOMENTS[ways["moment"]](value)
        return TAGS[ways["tags"]](value) if isinstance(value, dict) else value

    texts = [{header(name): text(value) for name, value in row.items()} for row in rows]
    ways["in"] = dice.choice(["csv", "csv", "csv", "jsonl", "parquet"])
    if ways["in"] == "jsonl":
        return ways, json_lines(folder / "bill.jsonl", texts)
    if ways["in"] == "parquet":
        return ways, parquet(folder / "bill.parquet", texts)
    ways |= {"delimiter": dice.choice(",;\t|"), "encoding": dice.choice(["utf-8", "utf-8-sig", "utf-16"]),
             "ends": dice.choice(["\n", "\r\n"]), "packed": dice.choice(list(PACKED))}  # fmt: skip
    file = io.StringIO()
    writer = csv.DictWriter(
        file, list(texts[0]), delimiter=ways["delimiter"], lineterminator=ways["ends"],
        quoting=dice.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    )  # fmt: skip
    writer.writeheader()
    writer.writerows(texts)
    path = folder / f"bill.csv{ways['packed']}"
    path.write_bytes(PACKED[ways["packed"]](file.getvalue().encode(ways["encoding"])))
    return ways, path


def is_the_same_bill(seed, folder):
    dice = random.Random(seed)
    rows = list(bill(dice))
    ways, path = written(dice, rows, folder)
    store = ChargeStore(folder / "ledger")
    delivery = bring_in(store, [path], now=NOW, user="ann").delivery

    assert (delivery.rows_stored, delivery.rows_quarantined) == (len(rows), 0), ways
    for metric, column in MONEY.items():
        for by, key in KEYS.items():
            wanted = Counter()
            for row in rows:
                wanted[key(row)] += row[column]
            found = ask(store, Question(by=(by,), metric=metric)).rows
            assert {None if r.keys[0] is None else str(r.keys[0]): r.usd for r in found} == wanted, (by, ways)


@pytest.mark.parametrize("seed", range(12))
def test_a_bill_is_the_same_in_every_mixture_of_habits(tmp_path, seed):
    is_the_same_bill(seed, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 400))
def test_many_mixtures(tmp_path, seed):
    is_the_same_bill(seed, tmp_path)
