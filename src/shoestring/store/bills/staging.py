"""From a source's columns to charges: the SQL that types, maps, labels and checks every row in one pass."""

from collections.abc import Mapping

from shoestring.store.bills.accelerators import COLUMNS as ACCELERATOR_COLUMNS
from shoestring.store.bills.accelerators import FOUND as FOUND_HARDWARE
from shoestring.store.bills.accelerators import HardwareWords
from shoestring.store.bills.format import Format, in_words_of, plain, resolver, used_headers
from shoestring.store.bills.source import Source
from shoestring.store.bills.tag_texts import tags_json
from shoestring.store.bills.tags import TagKeys, merged, tags_of_columns
from shoestring.store.bills.values import NOTHING, Given, plain_sql, typed_sql
from shoestring.store.charges_engine import ident, literal
from shoestring.store.charges_schema import LABEL_COLUMNS, MONEY, MONEY_COLUMNS, STORE_COLUMNS

CHECKED = (
    *MONEY_COLUMNS,
    "ChargePeriodStart",
    "PricingQuantity",
    "ConsumedQuantity",
    "ChargePeriodEnd",
    "BillingPeriodStart",
)
PROBLEM = "x_Problem"
ODDLY_WRITTEN = "written in a way that takes a longer look"
LASTING = "x_Lasting"
# Columns of the way here; no bill may have them.
OWN_NAMES = (PROBLEM.lower(), "x_found", LASTING.lower(), *FOUND_HARDWARE)


def tag_keys_sql(source: Source, form: Format, rows: int) -> str | None:
    """SQL for the tag keys in the first rows of a source; None if it has no tags."""
    raw = raw_expressions(source, form, Given())
    if "Tags" not in raw:
        return None
    return f"select distinct unnest(json_keys({raw['Tags']})) from (select * from {source.sql} limit {rows})"


def dates_sql(source: Source, form: Format, rows: int) -> str | None:
    """SQL for the texts of the moments in the first rows of a source; None if it has no moments."""
    raw = raw_expressions(source, form, Given())
    names = [name for name in CHECKED if name in raw and "Period" in name]
    if not names:
        return None
    texts = ", ".join(f"cast({raw[name]} as varchar)" for name in names)
    months = ", ".join(str(name == "BillingPeriodStart").lower() for name in names)
    first = f"(select * from {source.sql} limit {rows})"
    found = f"select unnest([{texts}]) as text, unnest([{months}]) as month from {first}"
    return f"select distinct text, month from ({found}) where text is not null"


def comma_sql(source: Source, form: Format, rows: int) -> str | None:
    """SQL for whether amounts in the first rows have decimal commas, and whether any has a decimal point.

    Only amounts that can mean but one thing count: ``1,50`` and ``1.234,5``, not ``1,234``.
    """
    raw = raw_expressions(source, form, Given())
    amounts = [
        f"trim(cast({raw[name]} as varchar))" for name in CHECKED if name in raw and "Period" not in name
    ]
    if not amounts:
        return None
    found = f"select unnest([{', '.join(amounts)}]) as text from (select * from {source.sql} limit {rows})"
    last = "([0-9]{1,2}|[0-9]{4,})[^0-9,.]*$"
    return f"""select bool_or(contains(text, ',') and (regexp_matches(text, '^[^,]*[0-9],{last}')
            or regexp_matches(text, '[0-9][.][0-9]{{3}},[0-9]'))),
        bool_or(regexp_matches(text, '^[^.]*[.]{last}')) from ({found})"""


def staging_sql(
    source: Source,
    form: Format,
    given: Given,
    *,
    import_id: str,
    rates: str | None,
    keys: TagKeys,
    hardware: HardwareWords | None = None,
    plain: bool = False,
) -> str:
    """SQL that reads a source as charges; ``x_Problem`` is null for good rows and says why for bad ones.

    Args:
        plain: read the usual notations only, much faster; a row with any other has the problem `ODDLY_WRITTEN`.
        keys: tag keys to look for.
        hardware: what tells accelerators in texts, its table made; None: they are not looked for.
        rates: name of a table (currency, day, usd_per_unit) of dated exchange rates; None if there are none.
    """
    raw = raw_expressions(source, form, given)
    kept = _kept_headers(source, form, raw)
    text = {name: ident(f"raw {name}") for name in raw}
    typed = [
        f"{plain_sql(name, sql) if plain else typed_sql(name, sql, given)} as {ident(name)}"
        for name, sql in text.items()
    ]
    found = f"json_extract_string(Tags, {keys.paths})" if "Tags" in raw else "null"
    told = hardware.layers(raw) if hardware is not None else []
    completed = (*COMPLETED, *(ACCELERATOR_COLUMNS if told else ()))
    passed = [f"staged.{ident(n)}" for n in (*raw, *kept.values()) if n not in completed]
    outer = [*passed, *_labels(raw, keys), *_completions(raw, given, rated=rates is not None)]
    if hardware is not None and told:
        outer += [_stored(sql, name) for name, sql in hardware.values(raw).items()]
    outer += [f"{literal(import_id)} as x_Import", f"staged.{PROBLEM}"]
    # Layer upon layer: the engine works an expression out wherever it stands, but a column only once.
    untyped = [f"{sql} as {text[name]}" for name, sql in raw.items()]
    untyped += [f"{ident(header)} as {ident(name)}" for header, name in kept.items()]
    untyped += [f"{resolver(source.header)(form.lasting)} as {LASTING}"]
    checked = [f"{found} as x_Found", f"{_problems(text, plain=plain)} as {PROBLEM}"]
    sql = f"select {', '.join(untyped)} from {source.sql}"
    for layer in (", ".join(typed), ", ".join(checked), *told):
        sql = f"select *, {layer} from ({sql})"
    return f"""select {", ".join(outer)} from ({sql}) staged
        {_rate_join(raw, given, rates)}"""


def raw_expressions(source: Source, form: Format, given: Given) -> dict[str, str]:
    """Store column -> SQL of its untyped value, for every column that the file can fill."""
    resolve = resolver(source.header)
    present = {plain(h): h for h in source.header}
    raw: dict[str, str] = {}
    for name in STORE_COLUMNS:
        if name in form.fields:
            sql = resolve(form.fields[name])
            if sql.strip() != "null":
                raw[name] = sql
        elif plain(name) in present and name not in ("x_Import", "x_UsdPerUnit"):
            raw[name] = ident(present[plain(name)])
    for name, words in form.words.items():
        if name in raw:
            raw[name] = in_words_of(f"cast({raw[name]} as varchar)", words)
    if (tags := _tags(source, form)) is not None:
        raw["Tags"] = tags
    for label, sql in form.label_fields.items():
        if (column := resolve(sql)) != "null":
            raw[LABEL_COLUMNS[label]] = column
    if "ServiceProviderName" not in raw and given.provider is not None:
        raw["ServiceProviderName"] = literal(given.provider)
    return raw


def _tags(source: Source, form: Format) -> str | None:
    """SQL of a row's tags as one JSON object; None where the file has none."""
    resolve = resolver(source.header)
    found = [tags_json(column) for tag in form.tags if (column := resolve(tag)) != "null"]
    single = _tag_columns(source, form)
    if single:
        found.append(tags_of_columns({key: ident(header) for header, key in single.items()}))
    return merged(found) if found else None


def _tag_columns(source: Source, form: Format) -> dict[str, str]:
    """Columns that hold one tag each -> the tag's key."""
    if form.tag_headers is None:
        return {}
    matches = {header: form.tag_headers.fullmatch(header) for header in source.header}
    return {header: match["key"] for header, match in matches.items() if match is not None}


def _kept_headers(source: Source, form: Format, raw: Mapping[str, str]) -> dict[str, str]:
    """Columns that no FOCUS column is made of, and the names they keep: nothing of a bill is thrown away."""
    spoken_for = {plain(n) for n in STORE_COLUMNS}
    used: set[str] = set(_tag_columns(source, form))
    everything = [*form.fields.values(), *form.tags, *form.label_fields.values()]
    used |= used_headers(source.header, everything if form.taken is None else form.taken)
    kept: dict[str, str] = {}
    taken = {*OWN_NAMES, *(n.lower() for n in STORE_COLUMNS)}
    for header in source.header:
        if header in used or plain(header) in spoken_for:
            continue
        name = header if header.startswith("x_") else f"x_Source_{header}"
        while name.lower() in taken:
            name = f"x_Source_{name}"
        taken.add(name.lower())
        kept[header] = name
    return kept


def _problems(text: Mapping[str, str], *, plain: bool) -> str:
    """Why a row can't be a charge: an amount or moment that can't be read, or none at all.

    Args:
        text: column -> SQL of its value as it was written; under its own name it is typed.
    """
    if plain:
        typed = [name for name in text if STORE_COLUMNS[name] in (MONEY, "DOUBLE", "TIMESTAMP")]
        unread = [
            f"case when {ident(name)} is null then case when {text[name]} is not null "
            f"then {literal(ODDLY_WRITTEN)} end end"
            for name in typed
        ]
        return f"coalesce({', '.join((*unread, _lacking(text)))})"
    # One inside the other: the engine works out all of an `and`, but only what it needs of a case.
    unread = [
        f"""case when {ident(name)} is null then case when {_says_something(text[name])}
            then {literal(f"{name} can not be read: ")} || cast({text[name]} as varchar) end end"""
        for name in CHECKED
        if name in text
    ]
    return f"coalesce({', '.join((*unread, _lacking(text)))})"


def _lacking(text: Mapping[str, str]) -> str:
    """Why a row can't be a charge although what it says was read."""
    amount = "BilledCost is null" if "BilledCost" in text else "true"
    moments = [n for n in ("ChargePeriodStart", "BillingPeriodStart") if n in text] or ["null"]
    lacking = [
        f"when {amount} then 'no BilledCost'",
        f"when {' and '.join(f'{m} is null' for m in moments)} then 'no ChargePeriodStart'",
    ]
    if moments != ["null"]:
        lacking.append(
            f"when year({moments[0]}) not between 1990 and 2200 then 'a year that can not be meant'"
        )
    if "ChargePeriodEnd" in text and "ChargePeriodStart" in text:
        lacking.append(
            "when ChargePeriodEnd < ChargePeriodStart then 'ChargePeriodEnd before ChargePeriodStart'"
        )
    return f"case {' '.join(lacking)} end"


def _says_something(sql: str) -> str:
    """SQL: whether a text is more than one of the words for nothing."""
    return f"lower(trim(cast({sql} as varchar))) not in {NOTHING}"


# Columns that get a value even where the file has none.
COMPLETED = (
    "EffectiveCost",
    "BillingCurrency",
    "BillingPeriodStart",
    "BillingPeriodEnd",
    "ChargePeriodStart",
    "ChargePeriodEnd",
    "x_CostBasis",
    "x_Market",
    "x_Source",
    *LABEL_COLUMNS.values(),
)


def _rate_join(raw: Mapping[str, str], given: Given, rates: str | None) -> str:
    """The newest rate on or before the day of the charge."""
    if rates is None:
        return ""
    currency, start = _currency(raw, given), _start(raw)
    return f"asof left join {rates} rate on {currency} = rate.currency and {start} >= rate.day"


def _have(raw: Mapping[str, str], name: str) -> str:
    return f"staged.{ident(name)}" if name in raw else "null"


def _start(raw: Mapping[str, str]) -> str:
    return f"coalesce({_have(raw, 'ChargePeriodStart')}, {_have(raw, 'BillingPeriodStart')})"


def _currency(raw: Mapping[str, str], given: Given) -> str:
    default = literal(given.currency) if given.currency is not None else "null"
    return f"upper(trim(coalesce({_have(raw, 'BillingCurrency')}, {default})))"


def _completions(raw: Mapping[str, str], given: Given, *, rated: bool) -> list[str]:
    def have(name: str) -> str:
        return _have(raw, name)

    currency, start = _currency(raw, given), _start(raw)
    period = f"coalesce({have('BillingPeriodStart')}, date_trunc('month', {start}))"
    issuer = f"coalesce({have('InvoiceIssuerName')}, {have('ServiceProviderName')}, 'unknown')"
    account = f"coalesce({have('BillingAccountId')}, 'unknown')"
    market = f"""case {have("PricingCategory")} when 'Dynamic' then 'spot' when 'Committed' then 'committed'
        when 'Standard' then 'on_demand' when 'Other' then 'other' end"""
    foreign = "rate.usd_per_unit" if rated else "null"
    made = {
        "EffectiveCost": f"coalesce({have('EffectiveCost')}, {have('BilledCost')})",
        "BillingCurrency": currency,
        "BillingPeriodStart": period,
        "BillingPeriodEnd": f"coalesce({have('BillingPeriodEnd')}, {period} + interval 1 month)",
        "ChargePeriodStart": start,
        "ChargePeriodEnd": f"""coalesce({have("ChargePeriodEnd")},
            {start} + to_microseconds(cast(staged.{LASTING} * 1e6 as bigint)), {start} + interval 1 day)""",
        "x_CostBasis": f"coalesce({have('x_CostBasis')}, 'billed')",
        "x_Market": f"coalesce({have('x_Market')}, {market})",
        "x_Source": f"coalesce({have('x_Source')}, {issuer} || '/' || {account})",
        "x_UsdPerUnit": f"case when {currency} = 'USD' then 1 else {foreign} end",
    }
    return [_stored(sql, name) for name, sql in made.items()]


def _stored(sql: str, name: str) -> str:
    """SQL of a value as its store column has it."""
    return f"cast({sql} as {STORE_COLUMNS[name]}) as {ident(name)}"


def _labels(raw: Mapping[str, str], keys: TagKeys) -> list[str]:
    """Labels: what a column says outright, else the first tag that means it; empty text is no label."""
    made = []
    for label, column in LABEL_COLUMNS.items():
        values = [f"nullif(staged.{ident(column)}, '')"] if column in raw else []
        if "Tags" in raw:
            values += [f"nullif(x_Found[{place}], '')" for place in keys.places[label]]
        if values:  # a column that would be all null is not written: readers see nulls
            made.append(f"cast(coalesce({', '.join(values)}) as varchar) as {ident(column)}")
    return made
