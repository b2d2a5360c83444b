"""FOCUS files themselves, 1.0 to 1.4, from whoever wrote them."""

from shoestring.store.bills.format import Format

FOCUS = Format(
    name="focus",
    title="FOCUS",
    needs=frozenset({"BilledCost", "ChargePeriodStart", "ChargeCategory"}),
    fields={
        "EffectiveCost": "{EffectiveCost}",
        "ServiceProviderName": "coalesce({ServiceProviderName}, {ProviderName}, {Provider})",
        "HostProviderName": "coalesce({HostProviderName}, {PublisherName}, {Publisher}, {ProviderName}, {Provider})",
        "InvoiceIssuerName": "coalesce({InvoiceIssuerName}, {InvoiceIssuer}, {ProviderName}, {Provider})",
        "RegionId": "coalesce({RegionId}, {Region})",
        "ServiceName": "{ServiceName}",
    },
    tags=("{Tags}",),
)
