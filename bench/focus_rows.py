"""A seeded generator of FOCUS rows of a GPU estate: instances, ML services, storage, egress, commitments.

    python bench/focus_rows.py OUT.csv [--rows N] [--seed S] [--months M] [--accounts A]

Rows follow from (seed, row number) alone, so two machines make the same file. Experiments belong to one team
and one project and use one model and one data set each, as they do in life.
"""

import argparse
from pathlib import Path

import duckdb

ROWS = """
with keys as (
  select i,
    hash(i, {seed}) % 1000000007 as a,
    hash(i, {seed}, 'b') % 1000000007 as b,
    hash(i, {seed}, 'c') % 1000000007 as c
  from range({rows}) r(i)
), picked as (
  select i, a, b, c,
    cast(a % 400 as integer) as experiment,
    cast(b % 100 as integer) as kind,
    timestamp '2026-09-01' + to_months(cast(c % {months} as integer))
      + to_hours(cast(hash(c) % 672 as integer)) as began,
    round(0.02 + (hash(b, 'price') % 4000) / 1000.0, 6) as list_price,
    round(0.05 + (hash(a, 'hours') % 1000) / 1000.0, 4) as hours,
    case when a % 10 < 5 then 'Standard' when a % 10 < 8 then 'Dynamic' else 'Committed' end as category
  from keys
), priced as (
  select *,
    case category when 'Standard' then 1.0 when 'Dynamic' then 0.35 else 0.62 end as factor,
    kind >= 97 as untagged,
    case when kind < 60 then 0 when kind < 75 then 1 when kind < 88 then 2 when kind < 94 then 3 else 4 end
      as service
  from picked
)
select
  round(list_price * hours * factor, 10) as BilledCost,
  'acct-' || (experiment % {accounts}) as BillingAccountId,
  'Estate ' || (experiment % {accounts}) as BillingAccountName,
  'USD' as BillingCurrency,
  date_trunc('month', began) + interval 1 month as BillingPeriodEnd,
  date_trunc('month', began) as BillingPeriodStart,
  case when kind = 95 then 'Credit' when kind = 96 then 'Tax' else 'Usage' end as ChargeCategory,
  null as ChargeClass,
  '$' || list_price || ' per ' || ['hour of p5.48xlarge', 'ML hour', 'GB-month', 'GB', 'hour'][service + 1]
    as ChargeDescription,
  'Usage-Based' as ChargeFrequency,
  began + interval 1 hour as ChargePeriodEnd,
  began as ChargePeriodStart,
  case when category = 'Committed' then 'Used' end as CommitmentDiscountStatus,
  hours as ConsumedQuantity,
  'Hours' as ConsumedUnit,
  round(list_price * hours * 0.97, 10) as ContractedCost,
  round(list_price * hours * factor, 10) as EffectiveCost,
  'AWS' as HostProviderName,
  'Amazon Web Services, Inc.' as InvoiceIssuerName,
  round(list_price * hours, 10) as ListCost,
  list_price as ListUnitPrice,
  category as PricingCategory,
  hours as PricingQuantity,
  'Hours' as PricingUnit,
  'region-' || (experiment % 6) as RegionId,
  'arn:aws:ec2:region-' || (experiment % 6) || ':2000:instance/i-' || lpad(printf('%x', a % 40000), 8, '0')
    as ResourceId,
  ['Compute', 'AI and Machine Learning', 'Storage', 'Networking', 'Compute'][service + 1] as ServiceCategory,
  ['Amazon Elastic Compute Cloud', 'Amazon SageMaker', 'Amazon Simple Storage Service', 'AWS Data Transfer',
   'Amazon Elastic Kubernetes Service'][service + 1] as ServiceName,
  'AWS' as ServiceProviderName,
  'SKU' || lpad(cast(b % 3000 as varchar), 5, '0') as SkuId,
  'sub-' || (experiment % 30) as SubAccountId,
  case when untagged then null else
    '{{"team":"team-' || (experiment % 20) || '","project":"project-' || (experiment % 50) ||
    '","experiment":"exp-' || experiment || '","model":"model-' || (experiment % 12) ||
    '","dataset":"dataset-' || (experiment % 16) || '"}}' end as Tags
from priced
"""


def write_rows(out: Path, *, rows: int, seed: int = 0, months: int = 1, accounts: int = 1) -> None:
    """Write ``rows`` FOCUS rows as CSV."""
    query = ROWS.format(rows=int(rows), seed=int(seed), months=int(months), accounts=int(accounts))
    duckdb.connect().execute(f"copy ({query}) to '{out}' (format csv, header)")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--months", type=int, default=1)
    parser.add_argument("--accounts", type=int, default=1)
    given = parser.parse_args()
    write_rows(given.out, rows=given.rows, seed=given.seed, months=given.months, accounts=given.accounts)
