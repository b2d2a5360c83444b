"""Amounts, quantities and moments, however a bill writes them: the SQL that types one value."""

from dataclasses import dataclass

from shoestring.store.charges_engine import literal
from shoestring.store.charges_schema import MONEY, STORE_COLUMNS

# Words for no amount, in small letters.
NOTHING = r"('n/a', 'na', '-', '--', 'none', 'null', 'nil', '(null)', '<null>', '', 'nan', 'nat', '<na>', '#n/a', '\n')"
CLOCKS = ("", " %H:%M:%S", " %H:%M", " %I:%M:%S %p", " %I:%M %p")
# Two digits of a year first: four do not fit there.
SLASHED = ("%m/%d/%y", *(f"%m/%d/%Y{clock}" for clock in CLOCKS), *(f"%m-%d-%Y{clock}" for clock in CLOCKS))
YEAR_FIRST = (*(f"{day}{clock}" for day in ("%Y/%m/%d", "%Y-%m-%d", "%Y.%m.%d") for clock in CLOCKS),
              *("%Y%m%d", "%Y%m%d%H", "%Y%m%d%H%M%S", "%Y%m%d %H:%M:%S", "%Y%m%dT%H:%M:%S", "%Y%m%dT%H%M%S"),
              *("%Y-%m", "%Y/%m", "%Y%m", "%Y-%m-%d %H", "%Y-%m-%dT%H", "%Y/%m/%dT%H:%M:%S"))  # fmt: skip
DOTTED = ("%d.%m.%y", *(f"%d.%m.%Y{clock}" for clock in CLOCKS))
NAMED = (*(f"{day}{clock}" for clock in CLOCKS for day in
           ("%d-%b-%y", "%d-%b-%Y", "%d %b %Y", "%d %B %Y", "%b %d, %Y", "%B %d, %Y", "%b %d, %Y,", "%B %d, %Y,")),
         *("%b %Y", "%B %Y", "%b-%y", "%b-%Y", "%a, %d %b %Y %H:%M:%S", "%a %b %d %Y %H:%M:%S"))  # fmt: skip
# A clock's zone as people write it: ``+0000 UTC``, `` +00:00``, ``Z``.
ZONE = (r"(:[0-9]{2}(?: [AP]M)?|T[0-9]{6})(?:[.][0-9]+)? ?((?:UTC|GMT)?[+-][0-9]{2}:?(?:[0-9]{2})?)?"
        r"(?: ?(?:UTC|GMT|Z)| ?[(].*[)])?$")  # fmt: skip
SINCE_1970 = {10: "1e6", 13: "1e3", 16: "1", 19: "1e-3"}  # digits of a moment -> microseconds in one
EXCEL_EPOCH = "timestamp '1899-12-30'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the caller knows about a delivery that its file may not say.

    Attributes:
        currency: for files without a currency column; None: such a file is refused row by row.
        provider: likewise for the provider's name.
        date_formats: strptime patterns tried before the usual ones.
        decimal_comma: amounts are written ``1.234,56``. decimal_point: they are surely not, so ``1,234`` is 1234.
        written_by_people: amounts may have signs of money and thousands; set by a map.
        day_first: slashed dates are ``31/01/2026``.
    """

    currency: str | None = None
    provider: str | None = None
    date_formats: tuple[str, ...] = ()
    decimal_comma: bool = False
    decimal_point: bool = False
    written_by_people: bool = False
    day_first: bool = False


def typed_sql(name: str, sql: str, given: Given) -> str:
    """SQL of a store column's value out of that of its text; null if it can't be read."""
    kind = STORE_COLUMNS[name]
    if kind in (MONEY, "DOUBLE"):
        if given.written_by_people or given.decimal_comma:
            return f"try_cast({_number(sql, comma=given.decimal_comma)} as {kind})"
        # The usual way comes first: a coalesce whose first value is there costs nothing more.
        read = _unmistakable(sql)
        if given.decimal_point:
            read = f"coalesce({read}, {_number(sql, comma=False)})"
        odd = f"case when {sql} is not null then try_cast({read} as {kind}) end"
        return f"coalesce(try_cast({sql} as {kind}), {odd})"
    if kind == "TIMESTAMP":
        return _moment(sql, given)
    return f"cast({sql} as varchar)"


def plain_sql(name: str, sql: str) -> str:
    """The same for values as the engine itself writes them; null for others, which `typed_sql` may know."""
    kind = STORE_COLUMNS[name]
    if kind in (MONEY, "DOUBLE"):
        return f"try_cast({sql} as {kind})"
    if kind == "TIMESTAMP":
        return f"""case when contains(cast({sql} as varchar), '/') then null
            when {_short(sql)} then try_cast({sql} as timestamp) else {_with_offset(sql)} end"""
    return f"cast({sql} as varchar)"


def _short(sql: str) -> str:
    return f"strlen(cast({sql} as varchar)) <= 20"


def _with_offset(sql: str) -> str:
    return f"(try_cast({sql} as timestamptz) at time zone 'UTC')"


def _moment(sql: str, given: Given) -> str:
    """SQL of a moment in UTC, however it is written; null if it can't be read.

    Most are ``2026-01-10 00:00:00`` or the same with T and Z, which the engine reads fastest as a plain
    timestamp. Longer ones may carry an offset. Slashed dates go to the patterns first: the engine would read
    1/10/26 as a day of the year 1. Digits alone are seconds or milliseconds since 1970, or a spreadsheet's days.
    """
    text = f"trim(cast({sql} as varchar))"
    slashed = (
        [f.replace("%m/%d", "%d/%m").replace("%m-%d-", "%d-%m-") for f in SLASHED]
        if given.day_first
        else SLASHED
    )
    formats = (*given.date_formats, *slashed, *YEAR_FIRST, *DOTTED, *NAMED)
    local = f"regexp_replace({text}, {literal(ZONE)}, '\\1')"
    zone = f"replace(regexp_extract({text}, {literal(ZONE)}, 2), ':', '')"
    parsed = f"try_strptime({local}, [{', '.join(map(literal, formats))}])"
    with_offset = _with_offset(sql)
    odd = f"case when {sql} is not null then coalesce({_counted(text)}, {_at_zone(parsed, zone)}) end"
    if given.date_formats:
        return f"coalesce({_at_zone(parsed, zone)}, {with_offset}, {_counted(text)})"
    # The usual way comes first: a case whose first branch takes all rows costs nothing.
    return f"""case when {_short(sql)} and not contains(cast({sql} as varchar), '/')
          then coalesce(try_cast({sql} as timestamp), {odd})
        when contains(cast({sql} as varchar), '/') then {odd}
        else coalesce({with_offset}, {odd}) end"""


def _counted(text: str) -> str:
    """SQL of a moment given as a number: since 1970 (now is 1.7 thousand million seconds), or a spreadsheet's days."""
    number = f"try_cast({text} as double)"
    since = " ".join(
        f"when {number} between 1e{digits - 1} and 2e{digits - 1} "
        f"then make_timestamp(cast({number} * {factor} as bigint))"
        for digits, factor in SINCE_1970.items()
    )
    return f"""case when {number} is null then null {since}
        when regexp_full_match({text}, '[45][0-9]{{4}}([.][0-9]+)?')
            then {EXCEL_EPOCH} + to_seconds(cast(round({number} * 86400) as bigint)) end"""


def _at_zone(moment: str, zone: str) -> str:
    """SQL of a moment in UTC from one at an offset such as ``+0100``; without one it is UTC."""
    digits = f"regexp_extract({zone}, '[0-9]+')"
    minutes = f"cast({digits}[1:2] as int) * 60 + coalesce(try_cast({digits}[3:4] as int), 0)"
    return f"""case when {zone} = '' then {moment} when contains({zone}, '-') then {moment} + to_minutes({minutes})
        else {moment} - to_minutes({minutes}) end"""


MONEY_SIGN = "(?:[A-Z]{1,2})?[$€£¥₹]"
BEFORE = (
    f"^([A-Z]{{3}} ?)?({MONEY_SIGN} ?[+-] ?|[+-]? ?{MONEY_SIGN} ?|[+-] ?|[(]([A-Z]{{3}}|{MONEY_SIGN})? ?)?"
)
SIGNS = f"{BEFORE}|-?( ?(CR|[A-Z]{{3}}|{MONEY_SIGN}))$|[)]$|-$"
LESS = f"^([A-Z]{{3}} ?)?({MONEY_SIGN})? ?-|[0-9]-( ?[A-Z]{{3}}| ?{MONEY_SIGN})?$|[0-9] ?CR$|^[(].*[)]$"


def _bare(sql: str) -> tuple[str, str]:
    """SQL of an amount's digits and of its sign, without what people write around them.

    A minus may be the printer's (U+2212) or stand behind the digits; spaces may be of the kinds that do not break.
    """
    text = f"translate(trim(cast({sql} as varchar)), '\u2212\u00a0\u202f', '-  ')"
    sign = f"case when regexp_matches({text}, {literal(LESS)}) then '-' else '' end"
    return f"regexp_replace({text}, {literal(SIGNS)}, '', 'g')", sign


def _number(sql: str, *, comma: bool) -> str:
    """SQL of a number as the engine reads it, from what people write on invoices; null if it is none.

    ``$1,234.56``, ``(12.00)`` for less, ``1.234,56 €`` where commas are decimal. ``12.34`` is no number then:
    it would be read as 1234.
    """
    bare, sign = _bare(sql)
    thousands, decimal = ("[. \u2019'']", ",") if comma else ("[, \u2019'']", "[.]")
    whole = f"([0-9]+|[0-9]{{1,3}}({thousands}[0-9]{{3}})+)?({decimal}[0-9]*)?([eE][+-]?[0-9]+)?"
    plain_digits = f"replace(regexp_replace({bare}, '{thousands}', '', 'g'), ',', '.')"
    return f"case when regexp_full_match({bare}, '{whole}') then {sign} || {plain_digits} end"


def number_sql(sql: str, *, comma: bool) -> str:
    """SQL of a number, from what people write on invoices; null if it is none."""
    return f"try_cast({_number(sql, comma=comma)} as decimal(19,9))"


def _unmistakable(sql: str) -> str:
    """SQL of a number where nobody has said how numbers are written; null where it could mean two things.

    ``1,234.50`` and ``1.234,50`` are each one number; ``1,234`` could be either.
    """
    bare, sign = _bare(sql)
    return f"""case
        when regexp_full_match({bare}, '[0-9]*[.]?[0-9]*') or regexp_full_match({bare}, '[0-9.]+[eE][+-]?[0-9]+')
          then {sign} || {bare}
        when regexp_full_match({bare}, '[0-9]{{1,3}}([, \u2019''][0-9]{{3}})+[.][0-9]*')
          or regexp_full_match({bare}, '[0-9]{{1,3}}((,[0-9]{{3}}){{2,}}|([ \u2019''][0-9]{{3}})+)')
          then {sign} || regexp_replace({bare}, '[, \u2019'']', '', 'g')
        when regexp_full_match({bare}, '[0-9]{{1,3}}([. \u2019''][0-9]{{3}})+,[0-9]+')
          or regexp_full_match({bare}, '[0-9]{{1,3}}([.][0-9]{{3}}){{2,}}')
          then {sign} || replace(regexp_replace({bare}, '[. \u2019'']', '', 'g'), ',', '.')
        when regexp_full_match({bare}, '0,[0-9]+|[0-9]+,([0-9]{{1,2}}|[0-9]{{4,}})')
          then {sign} || replace({bare}, ',', '.') end"""
