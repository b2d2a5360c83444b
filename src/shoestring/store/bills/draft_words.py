"""What invoices call things, in headers without case and punctuation: the surest word first. English and German."""

COLUMNS: dict[str, tuple[str, ...]] = {
    "BilledCost": ("billedcost", "netcost", "netamount", "nettobetrag", "net", "amountdue", "totalcost", "totalamount",
                   "linetotal", "lineamount", "total", "amount", "cost", "charges", "charge", "betrag", "kosten",
                   "gesamt", "summe", "montant", "importe", "fee", "usd", "eur"),
    "ListCost": ("listcost", "grosscost", "grossamount", "listamount", "retailcost", "gross", "subtotal"),
    "ChargePeriodStart": ("chargeperiodstart", "usagestart", "periodstart", "starttime", "startdate", "startedat",
                          "start", "from", "usagedate", "timestamp", "date", "day", "time", "beginn", "datum", "von",
                          "billingperiod", "billingmonth", "servicemonth", "month", "monat", "period"),
    "ChargePeriodEnd": ("chargeperiodend", "usageend", "periodend", "endtime", "enddate", "endedat", "stoppedat", "end",
                        "until", "ende", "bis"),
    "BillingCurrency": ("billingcurrency", "currencycode", "currency", "waehrung", "whrung", "devise", "moneda"),
    "ContractedUnitPrice": ("unitprice", "priceperhour", "hourlyrate", "pricehour", "unitcost", "hourlyprice",
                            "einzelpreis", "costper", "priceper", "usdper", "rate", "price"),
    "ConsumedQuantity": ("consumedquantity", "usagequantity", "quantity", "gpuhours", "hours", "duration",
                         "usagehours", "gpuminutes", "minutes", "menge", "usage", "units"),
    "ConsumedUnit": ("consumedunit", "unitofmeasure", "usageunit", "uom", "unit", "einheit"),
    "ChargeCategory": ("chargecategory", "chargetype", "linetype", "lineitemtype", "transactiontype"),
    "ResourceId": ("resourceid", "instanceid", "podid", "machineid", "serverid", "vmid", "nodeid", "instancename",
                   "instance", "pod", "machine", "server", "resource"),
    "ChargeDescription": ("gputype", "gputypeid", "gpuname", "gpumodel", "instancetype", "machinetype", "vmtype",
                          "flavor", "description", "item", "beschreibung", "sku", "gpu", "product", "type"),
    "ServiceName": ("servicename", "service", "category", "dienst"),
    "RegionId": ("regionid", "region", "location", "datacenter", "zone"),
    "InvoiceId": ("invoiceid", "invoicenumber", "invoice", "rechnungsnummer"),
    "BillingAccountId": ("billingaccountid", "accountid", "customerid", "organizationid", "account", "customer",
                         "organization"),
}  # fmt: skip
LABELS: dict[str, tuple[str, ...]] = {
    "team": ("team", "department", "group"),
    "project": ("projectname", "project", "workspace", "namespace", "projekt"),
    "experiment": ("experiment",),
    "run": ("runid", "jobid"),
    "model": ("modelname", "model"),
    "dataset": ("datasetname", "dataset"),
    "user": ("useremail", "username", "user", "owner", "email"),
    "cost_center": ("costcenter", "costcentre", "kostenstelle"),
}  # fmt: skip
# What a header must not have within it to be taken for these: a price is no cost, a cost before discounts not the bill.
NOT: dict[str, str] = {
    "BilledCost": "gross|list|subtotal|discount|before|retail|tax|vat|credit|saving|per|rate|price|unit|hour|quantity|"
    "usageamount|einzel|center|centre|tier",
    "ConsumedQuantity": "per|rate|price|cost|amount|type|unit|start|end|date|usd|eur",
    "ContractedUnitPrice": "total|list|usage",
    "ChargePeriodStart": "end|stop|due|issue",
}
# What a header of a duration says of its unit -> its name, and how many of it are an hour.
TIMES: dict[str, tuple[str, int]] = {
    "ms|msecs?|millis|milliseconds?": ("milliseconds", 3_600_000),
    "s|secs?|seconds?|sekunden": ("seconds", 3_600),
    "m|mins?|minutes?|minuten": ("minutes", 60),
    "h|hrs?|hours?|stunden": ("hours", 1),
}
