"""Every saving once more, from raw usage and prices: journals and bills in, dollars out, nothing of shoestring used.

    python tests/scenarios/recompute.py HOME STORAGE EGRESS [BILL.csv ...]

STORAGE and EGRESS are the rehearsal market's prices in $ per GiB-month and per GiB.

It reads what executors observed (launch, end, prices in force, steps, checkpoints) and the columns of FOCUS bills, and
works in fractions. What it prints must be what `shoestring savings --json` prints.
"""

import csv
import json
import sqlite3
import sys
from collections.abc import Iterator
from datetime import datetime
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

STEP = Fraction(1, 10**12)
HOUR = 3600
HOURS_PER_MONTH = 730  # the clouds' convention for GiB-month prices
Stretch = tuple[Fraction, Fraction]


def recompute(home: Path, bills: list[Path], *, storage: Fraction, egress: Fraction) -> dict[str, Any]:
    """The same keys as `shoestring savings --json`, and each run's paid, baseline and saving."""
    prices = {"storage": storage, "egress": egress}
    runs = [run for path in sorted(home.glob("runs/*/journal.db")) for run in told(path, prices)]
    lines = [line for run in runs for line in run["lines"]] + [
        line for bill in bills for line in billed(bill)
    ]
    finished = [run for run in runs if run["saving"] is not None]
    return {
        "runs": {run["id"]: {k: amount(run[k]) for k in ("paid", "baseline", "saving")} for run in runs},
        "avoided_usd": float(sum(run["saving"] for run in finished)),
        "realized": {name: float(usd) for name, usd in realized(lines).items()},
        "levers": {name: float(usd) for name, usd in levers(home, {run["id"]: run for run in runs}).items()},
    }


def levers(home: Path, runs: dict[str, dict[str, Any]]) -> dict[str, Fraction]:
    """What each verdict in force saved against its reference run, at the mean price paid for a machine-hour."""
    path = home / "ledger" / "levers.jsonl"
    pairs: dict[str, tuple[str, Fraction]] = {}
    for text in path.read_text().splitlines() if path.exists() else []:
        told = json.loads(text[text.index("{") : text.rindex("}") + 1])
        if told["what"] == "withdraw":
            pairs.pop(told["run"], None)
        elif (reference := told["verdict"]["reference_run"]) is not None:
            pairs[told["verdict"]["run_id"]] = (reference, Fraction(told["verdict"]["spent_usd"]))
    return {run: lever(runs[run], runs[reference]) - spent for run, (reference, spent) in pairs.items()}


def lever(own: dict[str, Any], reference: dict[str, Any]) -> Fraction:
    return (reference["useful_s"] - own["useful_s"]) * own["machine_usd"] / own["held_s"]


def realized(lines: list[dict[str, Any]]) -> dict[str, Fraction]:
    """List to paid. Unused commitments have no use that a list would price: they are a loss of their own."""
    sums = dict.fromkeys(
        ("list", "negotiated", "commitment", "spot", "other", "unused_commitment", "paid"), Fraction(0)
    )
    for line in lines:
        sums["paid"] += line["effective"]
        if line["unused"]:
            sums["unused_commitment"] += line["effective"]
            continue
        step = {"Committed": "commitment", "Dynamic": "spot"}.get(line["pricing"], "other")
        sums["list"] += line["list"]
        sums["negotiated"] += line["list"] - line["contracted"]
        sums[step] += line["contracted"] - line["effective"]
    return {f"{name}_usd": usd for name, usd in sums.items()}


def billed(path: Path) -> Iterator[dict[str, Any]]:
    """Usage and purchases of a FOCUS bill in dollars; credits, taxes and corrections are no saving."""
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            if row["ChargeCategory"] not in ("Usage", "Purchase"):
                continue
            assert row["BillingCurrency"] == "USD"
            yield {
                "list": Fraction(row["ListCost"]),
                "contracted": Fraction(row["ContractedCost"]),
                "effective": Fraction(row["EffectiveCost"]),
                "pricing": row["PricingCategory"],
                "unused": row.get("CommitmentDiscountStatus") == "Unused",
            }


def told(path: Path, prices: dict[str, Fraction]) -> Iterator[dict[str, Any]]:
    """Runs of a journal."""
    with sqlite3.connect(path) as journal:
        facts = [
            json.loads(body) for (body,) in journal.execute("select body from journal_entries order by seq")
        ]
    for submitted in (f for f in facts if f["_"] == "RunSubmitted"):
        yield one_run(submitted, facts, prices)


def one_run(
    submitted: dict[str, Any], facts: list[dict[str, Any]], prices: dict[str, Fraction]
) -> dict[str, Any]:
    run_id = submitted["run_id"]
    seen: dict[str, dict[str, Any]] = {}
    offers: dict[str, dict[str, Any]] = {}
    state, ended = "waiting", ""
    for fact in facts:
        if fact["_"] == "StateChanged" and fact["run_id"] == run_id:
            state, ended = fact["state"], fact["at"]
        if fact["_"] == "Intended" and fact["offer"] is not None:
            offers[fact["attempt_id"]] = fact["offer"]
        if fact["_"] == "Observed" and fact["observation"]["attempt_id"].startswith(f"{run_id}-"):
            seen[fact["observation"]["attempt_id"]] = fact["observation"]
    attempts = [
        seen[i] for i in sorted(seen, key=lambda i: int(i.rpartition("-")[2])) if seen[i]["launched_at"]
    ]
    nodes = submitted["workload"]["num_nodes"]
    asked = {b["name"]: b for b in submitted["baselines"]}
    lines = []
    machine_usd = held_s = Fraction(0)
    for attempt in attempts:
        paid, segments = compute(attempt, offers[attempt["attempt_id"]]["billing"], nodes)
        machine_usd += paid
        held_s += nodes * sum((seconds for seconds, _ in segments), Fraction(0))
        listed = list_price(asked.get("on_demand"), offers[attempt["attempt_id"]])
        spot = offers[attempt["attempt_id"]]["market"] == "spot"
        at_list = sum(
            (seconds * max(price, listed or price) / HOUR for seconds, price in segments), Fraction(0)
        )
        lines.append(line(at_list * nodes if spot else paid, paid, "Dynamic" if spot else "Standard"))
    keep = submitted["workload"]["checkpoint"]["keep_last"]
    lines += [line(usd, usd, "Standard") for usd in data_costs(attempts, offers, at(ended), keep, prices)]
    paid = sum((charge["effective"] for charge in lines), Fraction(0))
    baseline = baseline_cost(asked["as_asked"], attempts, nodes) if state == "succeeded" else None
    return {
        "id": run_id, "lines": lines, "paid": paid, "baseline": baseline,
        "saving": None if baseline is None else baseline - paid,
        "machine_usd": machine_usd, "held_s": held_s,
        "useful_s": nodes * sum((useful_s(a, kept(a, attempts)) for a in attempts), Fraction(0)),
    }  # fmt: skip


def line(at_list: Fraction, paid: Fraction, pricing: str) -> dict[str, Any]:
    return {"list": at_list, "contracted": at_list, "effective": paid, "pricing": pricing, "unused": False}


def data_costs(
    attempts: list[dict[str, Any]],
    offers: dict[str, dict[str, Any]],
    until: Fraction,
    keep: int,
    prices: dict[str, Fraction],
) -> Iterator[Fraction]:
    """Dollars of each checkpoint while it was kept, and of each that was fetched from another region."""
    region = {a["attempt_id"]: offers[a["attempt_id"]]["region"] for a in attempts}
    saved = sorted((at(c["at"]), c["id"], c, a["attempt_id"]) for a in attempts for c in a["checkpoints"])
    for index, (since, _, checkpoint, _) in enumerate(saved):
        gone = saved[index + keep][0] if index + keep < len(saved) else until
        hours = max(Fraction(0), min(gone, until) - since) / HOUR
        yield rounded(Fraction(checkpoint["size_bytes"], 2**30) * hours * prices["storage"] / HOURS_PER_MONTH)
    written = {checkpoint["id"]: region[attempt] for _, _, checkpoint, attempt in saved}
    for attempt in attempts:
        for restore in attempt["restores"]:
            here = region[attempt["attempt_id"]]
            if written.get(restore["checkpoint_id"], here) != here:
                yield rounded(Fraction(restore["size_bytes"], 2**30) * prices["egress"])


def list_price(on_demand: dict[str, Any] | None, offer: dict[str, Any]) -> Fraction | None:
    """The on-demand price of the same machine; None where the baseline is another one."""
    if on_demand is None or on_demand["offer"]["instance_type"] != offer["instance_type"]:
        return None
    return Fraction(on_demand["offer"]["price"]["usd_per_hour"])


def compute(
    attempt: dict[str, Any], billing: dict[str, Any], nodes: int
) -> tuple[Fraction, list[tuple[Fraction, Fraction]]]:
    """Dollars of an attempt, and (seconds, price) in order; rounded up as the provider bills."""
    start = at(attempt["launched_at"])
    end = at(attempt["terminated_at"] or attempt["exit"]["at"])
    granularity = max(1, billing["granularity_s"])
    used = max(end - start, Fraction(billing["minimum_s"]))
    stop = start + -(-used // granularity) * granularity
    free_s = billing["free_if_interrupted_within_s"]
    if free_s is not None and attempt["interrupted"] and end - start < free_s:
        return Fraction(0), []
    spans = sorted((at(s["start"]), Fraction(s["price"]["usd_per_hour"])) for s in attempt["price_spans"])
    segments = []
    for (since, price), until in zip(spans, [s for s, _ in spans[1:]] + [stop], strict=True):
        last = until == stop
        seconds = min(stop, stop if last else until) - max(start, since)
        if seconds > 0:
            segments.append((seconds, price))
    usd = nodes * sum((seconds * price for seconds, price in segments), Fraction(0)) / HOUR
    return rounded(usd), segments


def baseline_cost(baseline: dict[str, Any], attempts: list[dict[str, Any]], nodes: int) -> Fraction:
    """The same work without a break: hours as declared, else useful time and one boot, at the frozen price."""
    offer = baseline["offer"]
    seconds = Fraction(baseline["hours"]) * HOUR if baseline["hours"] is not None else measured_s(attempts)
    granularity = max(1, offer["billing"]["granularity_s"])
    seconds = max(seconds, Fraction(offer["billing"]["minimum_s"]))
    whole = -(-seconds // granularity) * granularity
    return rounded(nodes * whole * Fraction(offer["price"]["usd_per_hour"]) / HOUR)


def measured_s(attempts: list[dict[str, Any]]) -> Fraction:
    boots = [at(a["booted_at"]) - at(a["launched_at"]) for a in attempts if a["booted_at"]]
    useful = sum((useful_s(a, kept(a, attempts)) for a in attempts), Fraction(0))
    return useful + sum(boots, Fraction(0)) / len(boots)


def kept(attempt: dict[str, Any], attempts: list[dict[str, Any]]) -> int | None:
    """The step that a later attempt went on from; None: all of it counts (the run succeeded)."""
    later = attempts[attempts.index(attempt) + 1 :]
    return min((first for a in later if (first := began_at_step(a)) is not None), default=None)


def began_at_step(attempt: dict[str, Any]) -> int | None:
    if attempt["spans"]:
        return min(span["step_from"] for span in attempt["spans"])
    return (attempt["heartbeat"] or {}).get("resumed_step")


def useful_s(attempt: dict[str, Any], kept_step: int | None) -> Fraction:
    """Seconds in which steps were done that count, without the time that training stood still for a save."""
    good: list[Stretch] = silent(attempt)
    for span in attempt["spans"]:
        start, end = at(span["start"]), at(span["end"])
        steps = span["step_to"] - span["step_from"]
        lost = 0 if kept_step is None else max(0, span["step_to"] - max(span["step_from"], kept_step))
        good.append((start, end - (end - start) * Fraction(lost, steps) if lost else end))
    still = [
        (
            at(c["at"]) - exact(c["save_s"]),
            at(c["at"]) - exact(c["save_s"]) + exact(min(c["blocked_s"], c["save_s"])),
        )
        for c in attempt["checkpoints"]
    ] + [(at(r["at"]) - exact(r["restore_s"]), at(r["at"])) for r in attempt["restores"]]
    edges = sorted({edge for stretch in (*good, *still) for edge in stretch})
    return sum(
        (
            high - low
            for low, high in pairwise(edges)
            if any(a <= low and high <= b for a, b in good)
            and not any(a <= low and high <= b for a, b in still)
        ),
        Fraction(0),
    )


def silent(attempt: dict[str, Any]) -> list[Stretch]:
    """A job that tells no steps works from its begin to its end, or until its last save if it did not end well."""
    if attempt["spans"] or not attempt["booted_at"]:
        return []
    booted, end = at(attempt["booted_at"]), at(attempt["terminated_at"] or attempt["exit"]["at"])
    stop = at(attempt["exit"]["at"])
    if attempt["exit"]["kind"] != "done":
        stop = max((at(c["at"]) for c in attempt["checkpoints"]), default=booted)
    return [(booted, min(stop, end))] if booted < min(stop, end) else []


def at(text: str) -> Fraction:
    """Seconds since the epoch, exactly."""
    moment = datetime.fromisoformat(text)
    return Fraction(int(moment.replace(microsecond=0).timestamp())) + Fraction(moment.microsecond, 10**6)


def exact(seconds: float) -> Fraction:
    return Fraction(round(seconds * 10**6), 10**6)


def rounded(usd: Fraction) -> Fraction:
    """To the ledger's step, half to even."""
    return round(usd / STEP) * STEP


def amount(usd: Fraction | None) -> float | None:
    return None if usd is None else float(usd)


if __name__ == "__main__":
    _, home, storage, egress, *bills = sys.argv
    found = recompute(
        Path(home), [Path(b) for b in bills], storage=Fraction(storage), egress=Fraction(egress)
    )
    print(json.dumps(found, indent=2))
