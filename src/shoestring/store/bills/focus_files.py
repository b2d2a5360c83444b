"""FOCUS files themselves, 0.5 to 1.4, from whoever wrote them.

What 0.5 and 1.0-preview called otherwise is read as what replaced it: ``ChargeType``, ``AmortizedCost``,
``UsageQuantity``, and the ``ChargeSubcategory`` that told used from unused commitments and refunds from corrections.
Source: the change log of the FOCUS specification, 0.5 to 1.0.
"""

from collections.abc import Mapping, Sequence

from shoestring.store.bills.format import Format

# FOCUS's word -> how else it is written, in small letters.
CATEGORIES: Mapping[str, Sequence[str]] = {
    "Usage": (),
    "Purchase": (),
    "Tax": (),
    "Credit": ("refund", "discount"),
    "Adjustment": ("correction", "rounding"),
}
WORDS: Mapping[str, Mapping[str, Sequence[str]]] = {
    "ChargeCategory": CATEGORIES,
    "ChargeClass": {"Correction": ()},
    "ChargeFrequency": {
        "Usage-Based": ("usage based", "usagebased"),
        "One-Time": ("one time", "onetime"),
        "Recurring": (),
    },
    "PricingCategory": {
        "Standard": ("on-demand", "on demand", "ondemand", "on_demand"),
        "Dynamic": ("spot", "preemptible"),
        "Committed": ("commitment-based", "commitment based", "reserved", "reservation"),
        "Other": (),
    },
    "CommitmentDiscountStatus": {"Used": ("used commitment",), "Unused": ("unused commitment",)},
    "CapacityReservationStatus": {"Used": (), "Unused": ()},
}
_FIELDS = {
    "EffectiveCost": "coalesce({EffectiveCost}, {AmortizedCost})",
    "BillingCurrency": "coalesce({BillingCurrency}, {BilledCurrency})",
    "ChargeCategory": "coalesce({ChargeCategory}, {ChargeType})",
    "ConsumedQuantity": "coalesce({ConsumedQuantity}, {UsageQuantity})",
    "ConsumedUnit": "coalesce({ConsumedUnit}, {UsageUnit})",
    "ServiceProviderName": "coalesce({ServiceProviderName}, {ProviderName}, {Provider})",
    "HostProviderName": "coalesce({HostProviderName}, {PublisherName}, {Publisher}, {ProviderName}, {Provider})",
    "InvoiceIssuerName": "coalesce({InvoiceIssuerName}, {InvoiceIssuer}, {ProviderName}, {Provider})",
    "RegionId": "coalesce({RegionId}, {Region})",
}
SUBCATEGORY = "lower(trim({ChargeSubcategory}))"  # of 1.0-preview
_SUBCATEGORY_FIELDS = {
    "ChargeCategory": f"case when {SUBCATEGORY} in ('refund', 'credit') then 'Credit' else {{ChargeCategory}} end",
    "ChargeClass": f"case when {SUBCATEGORY} = 'refund' then 'Correction' end",
    "CommitmentDiscountStatus": f"case when {SUBCATEGORY} like '%used commitment' then {{ChargeSubcategory}} end",
}


def _focus(name: str, title: str, needs: str, **fields: str) -> Format:
    return Format(
        name=name,
        title=title,
        needs=frozenset({"BilledCost", "ChargePeriodStart", *needs.split()}),
        fields=_FIELDS | fields,
        words=WORDS,
        tags=("{Tags}", "{x_Tags}", "{x_Labels}"),
        taken=(),
    )


FOCUS = _focus("focus", "FOCUS", "ChargeCategory")
FOCUS_PREVIEW = _focus(
    "focus-preview", "FOCUS 1.0-preview", "ChargeCategory ChargeSubcategory", **_SUBCATEGORY_FIELDS
)
FOCUS_FIRST = _focus("focus-first", "FOCUS 0.5", "ChargeType")
# The other datasets of 1.3 and 1.4, which stand beside Cost and Usage: terms and states, no charges of their own.
BESIDE = tuple(
    Format(name=name, title=f"FOCUS {title}", needs=frozenset(needs.split()), fields={}, charges=False)
    for name, title, needs in (
        ("focus-contracts", "Contract Commitment", "ContractCommitmentId ContractCommitmentPeriodStart"),
        ("focus-invoices", "Invoice Detail", "InvoiceDetailId InvoiceIssueStatus"),
        ("focus-periods", "Billing Period", "BillingPeriodStart BillingPeriodStatus"),
    )
)
FOCUS_VIEW = _focus("focus-view", "FOCUS (some of its columns)", "")
