"""Answers in the shapes of the real services (field names and kinds as they document them; figures made up)."""

from typing import Any


def azure_item(**changes: Any) -> dict[str, Any]:
    """One item of the retail price service: an H100 node in East US, on demand."""
    item: dict[str, Any] = {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": 98.32,
        "unitPrice": 98.32,
        "armRegionName": "eastus",
        "location": "US East",
        "effectiveStartDate": "2026-10-01T00:00:00Z",
        "meterId": "5b1c3f1e-0000-0000-0000-000000000000",
        "meterName": "ND96isrH100v5",
        "productId": "DZH318Z0DGK8",
        "skuId": "DZH318Z0DGK8/003T",
        "productName": "Virtual Machines NDsrH100v5 Series",
        "skuName": "Standard_ND96isr_H100_v5",
        "serviceName": "Virtual Machines",
        "serviceId": "DZH313Z7MMC8",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": "Consumption",
        "isPrimaryMeterRegion": True,
        "armSkuName": "Standard_ND96isr_H100_v5",
    }
    return item | changes


def azure_page(*items: dict[str, Any], link: str | None = None, **changes: Any) -> dict[str, Any]:
    """One page."""
    return {
        "BillingCurrency": "USD",
        "CustomerEntityId": "Default",
        "CustomerEntityType": "Retail",
        "Items": list(items),
        "NextPageLink": link,
        "Count": len(items),
    } | changes


def lambda_types(
    cents: Any = 429, regions: Any = ("us-east-1",), name: str = "gpu_1x_h100_sxm5"
) -> dict[str, Any]:
    """Instance types of Lambda."""
    return {
        "data": {
            name: {
                "instance_type": {
                    "name": name,
                    "description": "1x H100 (80 GB SXM5)",
                    "gpu_description": "H100 (80 GB SXM5)",
                    "price_cents_per_hour": cents,
                    "specs": {"vcpus": 26, "memory_gib": 225, "storage_gib": 2816, "gpus": 1},
                },
                "regions_with_capacity_available": [{"name": r, "description": r} for r in regions],
            }
        }
    }


def runpod_types(**changes: Any) -> dict[str, Any]:
    """GPU types of RunPod."""
    row = {"id": "NVIDIA H100 80GB HBM3", "securePrice": 2.99, "communityPrice": 2.69, "secureSpotPrice": 1.75,
           "communitySpotPrice": None}  # fmt: skip
    return {"data": {"gpuTypes": [row | changes, {"id": "NVIDIA GeForce RTX 3060", "securePrice": 0}]}}


def gcp_sku(description: str, usd: float, *, usage: str = "OnDemand", unit: str = "h",
            region: str = "us-central1", **price: Any) -> dict[str, Any]:  # fmt: skip
    """One part of a machine, as the Cloud Billing catalog has it."""
    whole = int(usd)
    return {
        "name": "services/6F81-5844-456A/skus/0000-0000-0000",
        "skuId": "0000-0000-0000",
        "description": description,
        "category": {"serviceDisplayName": "Compute Engine", "resourceFamily": "Compute",
                     "resourceGroup": "CPU", "usageType": usage},
        "serviceRegions": [region],
        "pricingInfo": [
            {
                "summary": "",
                "pricingExpression": {
                    "usageUnit": unit,
                    "displayQuantity": 1,
                    "tieredRates": [
                        {
                            "startUsageAmount": 0,
                            "unitPrice": {"currencyCode": "USD", "units": str(whole),
                                          "nanos": round((usd - whole) * 1e9)} | price,
                        }
                    ],
                },
                "currencyConversionRate": 1,
                "effectiveTime": "2026-11-01T00:00:00Z",
            }
        ],
        "serviceProviderName": "Google",
    }  # fmt: skip


def gcp_l4_parts(**price: Any) -> list[dict[str, Any]]:
    """What a g2-standard machine is made of, on demand and on spot."""
    spot = {"usage": "Preemptible"}
    return [
        gcp_sku("G2 Instance Core running in Americas", 0.024988, **price),
        gcp_sku("G2 Instance Ram running in Americas", 0.002927, unit="GiBy.h"),
        gcp_sku("Nvidia L4 GPU running in Americas", 0.56004),
        gcp_sku("Spot Preemptible G2 Instance Core running in Americas", 0.00915, **spot),
        gcp_sku("Spot Preemptible G2 Instance Ram running in Americas", 0.00107, unit="GiBy.h", **spot),
        gcp_sku("Nvidia L4 GPU attached to Spot Preemptible VMs running in Americas", 0.2231, **spot),
        gcp_sku("Network Internet Egress", 0.085, unit="GiBy"),
    ]


SPOT_XML = """<?xml version="1.0" encoding="UTF-8"?>
<DescribeSpotPriceHistoryResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <requestId>00000000-0000-0000-0000-000000000000</requestId>
  <spotPriceHistorySet>{items}</spotPriceHistorySet><nextToken>{token}</nextToken>
</DescribeSpotPriceHistoryResponse>"""
SPOT_ITEM = """<item><instanceType>{kind}</instanceType><productDescription>Linux/UNIX</productDescription>
  <spotPrice>{usd}</spotPrice><timestamp>{at}</timestamp><availabilityZone>{zone}</availabilityZone></item>"""
ZONES_XML = """<?xml version="1.0" encoding="UTF-8"?>
<DescribeAvailabilityZonesResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/">
  <requestId>00000000-0000-0000-0000-000000000000</requestId>
  <availabilityZoneInfo>
    <item><zoneName>us-east-1a</zoneName><zoneId>use1-az2</zoneId><regionName>us-east-1</regionName></item>
    <item><zoneName>us-east-1b</zoneName><zoneId>use1-az4</zoneId><regionName>us-east-1</regionName></item>
  </availabilityZoneInfo>
</DescribeAvailabilityZonesResponse>"""
