"""A price sheet laid over a catalog: its prices win, and every row says where its price comes from."""

from collections.abc import Iterable
from decimal import Decimal
from difflib import get_close_matches

from shoestring.catalog.load import Catalog
from shoestring.catalog.sheet import Discount, Sheet, SheetPrice
from shoestring.domain.errors import BadInput

FAR = 8.0  # a price so many times above or below every known price of its instance needs ``sure: true``
DIFFERS = 2.0  # and so many times is shown
_IDENTITY = ("provider", "instance_type", "region", "zone", "market")


def overlaid(catalog: Catalog, sheet: Sheet) -> Catalog:
    """A new catalog: discounts on list prices first, then prices of the sheet, which are taken as they are.

    Raises:
        BadInput: an unknown provider, instance or accelerator; a price far from all known ones; two
            discounts on one offer; a discount that fits nothing.
    """
    rows = [dict(catalog.row(i)) for i in range(len(catalog))]
    origin = list(catalog.origin)
    for index, discount in _discounted(catalog, sheet).items():
        usd = Decimal(rows[index]["price_usd_per_hour"]) * (100 - discount.percent) / 100
        rows[index] |= {
            "price_usd_per_hour": str(usd),
            "source": f"{sheet.source}: {discount.percent:g} % off {rows[index]['source']}",
        }
        origin[index] = sheet.source
    at = {tuple(row[c] for c in _IDENTITY): i for i, row in enumerate(rows)}
    for price in sheet.prices:
        known = [i for i, row in enumerate(rows) if _same_machine(row, price)]
        row = _priced(rows, known, price, sheet, catalog)
        index = at.setdefault(tuple(row[c] for c in _IDENTITY), len(rows))
        if index == len(rows):
            rows.append(row)
            origin.append(sheet.source)
        else:
            rows[index], origin[index] = row, sheet.source
    columns = {name: tuple(row[name] for row in rows) for name in catalog.columns}
    return Catalog(columns, catalog.accelerators, tuple(origin))


def _same_machine(row: dict[str, str], price: SheetPrice) -> bool:
    return row["provider"] == price.provider and row["instance_type"] == price.instance_type


def _priced(
    rows: list[dict[str, str]], known: list[int], price: SheetPrice, sheet: Sheet, catalog: Catalog
) -> dict[str, str]:
    if not known:
        raise _unknown(sheet, price, catalog)
    usd = float(price.usd_per_hour)
    alike = [i for i in known if (rows[i]["market"] == "spot") == (price.market == "spot")] or known
    listed = [float(rows[i]["price_usd_per_hour"]) for i in alike]
    if not price.sure and not min(listed) / FAR <= usd <= max(listed) * FAR:
        raise BadInput(
            f"price sheet {sheet.source}: {price.where}: {usd:g} $/h for {price.instance_type}, which is known "
            f"at {min(listed):g} to {max(listed):g}",
            next_step="usd_per_hour is for the whole instance; if it is right, add `sure: true`",
        )
    odd = usd < min(listed) / DIFFERS or usd > max(listed) * DIFFERS
    return rows[known[0]] | {
        "region": price.region,
        "zone": price.zone,
        "market": price.market,
        "price_usd_per_hour": str(price.usd_per_hour),
        "source": sheet.source,
        "as_of": sheet.as_of.isoformat(),
        "as_of_kind": "exact",
        "kind": "list",
        "flag": "differs_from_list" if odd else "",
    }


def _unknown(sheet: Sheet, price: SheetPrice, catalog: Catalog) -> BadInput:
    providers = sorted(set(catalog.columns["provider"]))
    if price.provider not in providers:
        return BadInput(
            f"price sheet {sheet.source}: {price.where}: provider {price.provider!r} is not in the catalog",
            next_step=f"one of {', '.join(providers)}",
        )
    c = catalog.columns
    types = {t for p, t in zip(c["provider"], c["instance_type"], strict=True) if p == price.provider}
    near = get_close_matches(price.instance_type, sorted(types), n=3, cutoff=0.3)
    return BadInput(
        f"price sheet {sheet.source}: {price.where}: {price.provider} has no {price.instance_type!r} that is known",
        next_step=f"near it: {', '.join(near) or 'nothing'}; see shoestring catalog --provider {price.provider}",
    )


def _discounted(catalog: Catalog, sheet: Sheet) -> dict[int, Discount]:
    found: dict[int, Discount] = {}
    for discount in sheet.discounts:
        keys = _accelerator_keys(catalog, sheet, discount)
        rows = list(_fitting(catalog, discount, keys))
        if not rows:
            raise BadInput(
                f"price sheet {sheet.source}: {discount.where}: fits no offer of the catalog",
                next_step="see shoestring catalog --provider NAME for the names",
            )
        for index in rows:
            if index in found:
                raise BadInput(
                    f"price sheet {sheet.source}: {discount.where} and {found[index].where} both fit "
                    f"{catalog.offer_id(index)}",
                    next_step="make one of them narrower; discounts are not added up",
                )
            found[index] = discount
    return found


def _accelerator_keys(catalog: Catalog, sheet: Sheet, discount: Discount) -> frozenset[str] | None:
    if discount.accelerator is None:
        return None
    keys = frozenset(key for key, _ in catalog.names.keys_of(discount.accelerator))
    devices = catalog.accelerators.items()
    keys = keys or frozenset(name for name, device in devices if device.family == discount.accelerator)
    if not keys:
        raise BadInput(
            f"price sheet {sheet.source}: {discount.where}: accelerator {discount.accelerator!r} is unknown",
            next_step="shoestring catalog --hardware; a family of them, e.g. Hopper, is known too",
        )
    return keys


def _fitting(catalog: Catalog, d: Discount, keys: frozenset[str] | None) -> Iterable[int]:
    c = catalog.columns
    wanted = (
        ("provider", d.provider),
        ("instance_type", d.instance_type),
        ("region", d.region),
        ("market", d.market),
    )
    for index in range(len(catalog)):
        fits = all(text is None or _fits(text, c[name][index]) for name, text in wanted)
        if fits and (keys is None or c["accelerator"][index] in keys):
            yield index


def _fits(pattern: str, value: str) -> bool:
    return value.startswith(pattern[:-1]) if pattern.endswith("*") else value == pattern
