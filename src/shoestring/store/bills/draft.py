"""A first map of a bill that nobody has described yet: which of its columns look like what, for a person to check."""

import re
from collections.abc import Mapping, Sequence

import yaml

from shoestring.store.bills.format import plain

# What invoices call things, the surest word first: alone, then within a longer name.
COLUMNS: dict[str, tuple[str, ...]] = {
    "BilledCost": ("billedcost", "totalcost", "totalamount", "lineamount", "netamount", "amount", "cost", "total",
                   "charges", "charge", "fee", "usd", "eur"),
    "ChargePeriodStart": ("chargeperiodstart", "usagestart", "periodstart", "starttime", "startdate", "startedat",
                          "start", "from", "usagedate", "timestamp", "date", "day", "time"),
    "ChargePeriodEnd": ("chargeperiodend", "usageend", "periodend", "endtime", "enddate", "endedat", "stoppedat", "end",
                        "until"),
    "BillingCurrency": ("billingcurrency", "currencycode", "currency"),
    "ContractedUnitPrice": ("unitprice", "priceperhour", "hourlyrate", "pricehour", "unitcost", "hourlyprice", "rate"),
    "ConsumedQuantity": ("consumedquantity", "usagequantity", "quantity", "gpuhours", "hours", "duration", "usage",
                         "units"),
    "ConsumedUnit": ("consumedunit", "unitofmeasure", "usageunit", "uom", "unit"),
    "ResourceId": ("resourceid", "instanceid", "podid", "machineid", "serverid", "vmid", "nodeid", "instancename",
                   "instance", "pod", "machine", "server", "resource"),
    "ChargeDescription": ("gputype", "gputypeid", "gpumodel", "instancetype", "machinetype", "flavor", "description",
                          "item", "sku", "gpu", "product", "type"),
    "ServiceName": ("servicename", "service", "category"),
    "RegionId": ("regionid", "region", "location", "datacenter", "zone"),
    "InvoiceId": ("invoiceid", "invoicenumber", "invoice"),
    "BillingAccountId": ("billingaccountid", "accountid", "customerid", "organizationid", "account", "customer"),
}  # fmt: skip
LABELS: dict[str, tuple[str, ...]] = {
    "team": ("team", "department", "group"),
    "project": ("projectname", "project", "workspace"),
    "experiment": ("experiment",),
    "run": ("runid", "jobid"),
    "user": ("useremail", "username", "user", "owner", "email"),
    "cost_center": ("costcenter", "costcentre"),
}  # fmt: skip
WITHIN_LEAST = 4  # letters: shorter words stand in too many others


def draft_map(name: str, header: Sequence[str], first: Mapping[str, str | None]) -> str:
    """YAML of a map for ``--map``, with what the first row says beside each column.

    Args:
        name: of the format; a file's name without its ending.
        first: column -> its text in the first row that has any.
    """
    left = list(header)
    columns = _guessed(COLUMNS, left)
    labels = _guessed(LABELS, left)
    lines = [
        "# A draft: check each line against the file, then `shoestring bills import FILE --map THIS`.",
        f"name: {_scalar(name)}",
        "# provider: who sends it      # where the file does not say",
    ]
    if "BillingCurrency" not in columns:
        lines.append("currency: USD                # the file does not say; put the invoice's here")
    lines.append("columns:                     # FOCUS column: column of the file, or {value: a constant}")
    lines += [
        f"  # {wanted}: ???              # needed; no column looks like it"
        for wanted in ("BilledCost", "ChargePeriodStart")
        if wanted not in columns
    ]
    lines += [_line(wanted, header_of, first) for wanted, header_of in columns.items()]
    if "ConsumedQuantity" in columns and "ConsumedUnit" not in columns:
        hours = "hour" in plain(columns["ConsumedQuantity"])
        lines.append(f"  ConsumedUnit: {{value: Hours}}{'' if hours else '  # is it?'}")
    if labels:
        lines.append("labels:")
        lines += [_line(wanted, header_of, first) for wanted, header_of in labels.items()]
    if left:
        lines.append(f"# kept as x_Source_...: {', '.join(_one_line(h) for h in left)}")
    return "\n".join(lines) + "\n"


def _guessed(words: Mapping[str, Sequence[str]], left: list[str]) -> dict[str, str]:
    """What is wanted -> the header that looks most like it; taken headers leave ``left``. Whole names go first."""
    found: dict[str, str] = {}
    for whole in (True, False):
        for wanted, names in words.items():
            if wanted in found:
                continue
            hits = (h for word in names for h in left if _like(plain(h), word, whole=whole))
            if (hit := next(hits, None)) is not None:
                found[wanted] = hit
                left.remove(hit)
    return {wanted: found[wanted] for wanted in words if wanted in found}


def _like(header: str, word: str, *, whole: bool) -> bool:
    return header == word if whole else len(word) >= WITHIN_LEAST and word in header


def _line(wanted: str, header: str, first: Mapping[str, str | None]) -> str:
    said = first.get(header)
    beside = "" if said is None else f"  # e.g. {_one_line(said)[:40]}"
    return f"  {wanted}: {_scalar(header)}{beside}"


def _scalar(text: str) -> str:
    """A text as YAML writes it on one line."""
    return yaml.safe_dump(text, width=10_000, allow_unicode=True).splitlines()[0]


def _one_line(text: str) -> str:
    return re.sub(r"[^\x20-\x7e\u00a0-\uffff]+|[\u2028\u2029\u202a-\u202e\u2066-\u2069]", " ", text)
