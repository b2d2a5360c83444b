"""A bill format: how to know it by its header, and how its columns become FOCUS columns."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from shoestring.store.charges_engine import ident, literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """One family of bill files.

    Attributes:
        needs: headers that a file of this family always has (compared without case and punctuation).
        fields: FOCUS or ``x_`` column -> SQL over the file's columns, each written ``{header}``; a header
            that the file lacks is null. FOCUS columns not named here are taken over under their own name.
        tags: columns with tags, the ones that win first: a JSON object, one without its braces, a list of keys
            and values, or ``key=value`` pairs.
        tag_headers: pattern of columns that hold one tag each; its group is the tag's key.
        label_fields: label -> SQL, where a column says it outright; wins over tags.
        words: column of a closed set -> its words, each with how else it is written, in small letters.
        charges: whether its files hold charges at all; those that do not are left aside in a delivery that has some.
        taken: expressions whose columns are not kept beside what is made of them; None: all of them.
        lasting: SQL of how many seconds a charge's period lasts, where its end is not said.
    """

    name: str
    title: str
    needs: frozenset[str]
    fields: Mapping[str, str]
    tags: tuple[str, ...] = ()
    tag_headers: re.Pattern[str] | None = None
    label_fields: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, Sequence[str]]] = field(default_factory=dict)
    taken: Sequence[str] | None = None
    lasting: str = "null"
    charges: bool = True


def plain(header: str) -> str:
    """A header without case and punctuation: ``lineItem/UnblendedCost`` is ``line_item_unblended_cost``.

    >>> plain("lineItem/UnblendedCost") == plain("line_item_unblended_cost")
    True
    """
    return re.sub(r"[^a-z0-9]", "", header.lower())


def recognize(header: Sequence[str], formats: Sequence[Format]) -> Format | None:
    """The format with the most required headers among those whose required headers are all there."""
    present = {plain(h) for h in header}
    fitting = [f for f in formats if {plain(n) for n in f.needs} <= present]
    return max(fitting, key=lambda f: len(f.needs), default=None)


def nearest(header: Sequence[str], formats: Sequence[Format]) -> str:
    """Which format a header that is none comes nearest to, and what it lacks of it; empty if it has nothing of any."""
    present = {plain(h) for h in header}
    shares = [(sum(plain(n) in present for n in f.needs) / max(1, len(f.needs)), f) for f in formats]
    share, best = max(shares, key=lambda found: found[0], default=(0.0, None))
    if best is None or share == 0:
        return ""
    return f"; nearest: {best.title}, without {', '.join(sorted(n for n in best.needs if plain(n) not in present))}"


def resolver(header: Sequence[str]) -> Callable[[str], str]:
    """A function that puts a file's own quoted columns in the place of ``{header}``; null if it has none."""
    by_plain: dict[str, str] = {}
    for name in header:
        by_plain.setdefault(plain(name), name)

    def column(name: str) -> str:
        found = by_plain.get(plain(name))
        return "null" if found is None else ident(found)

    def chosen(match: re.Match[str]) -> str:
        """A column, or a choice among those of its columns that the file has."""
        if match[0].startswith("{"):
            return column(match[0][1:-1])
        columns = [column(name) for name in re.findall(r"\{([^{}]+)\}", match[0])]
        there = [c for c in columns if c != "null"]
        return f"coalesce({', '.join(there or columns)})" if len(there) != 1 else there[0]

    # Digits in braces are how often a pattern repeats: no column.
    named = re.compile(r"coalesce\((?:\{[^{}]+\}(?:, )?)+\)|\{(?!\d+(?:,\d*)?\})[^{}]+\}")
    return lambda sql: named.sub(chosen, sql)


def in_words_of(sql: str, words: Mapping[str, Sequence[str]]) -> str:
    """SQL of a value in the words of a closed set, however it is written; one that is none of them stays.

    The words themselves come first: a file that has them costs hardly anything more.
    """
    usual = " ".join(f"when {literal(word)} then {literal(word)}" for word in words)
    others = " ".join(
        f"when {literal(other)} then {literal(word)}"
        for word, spelled in words.items()
        for other in (word.lower(), *spelled)
    )
    return f"case {sql} {usual} else case lower(trim({sql})) {others} else {sql} end end"


def used_headers(header: Sequence[str], expressions: Sequence[str]) -> set[str]:
    """Headers of the file that any of the expressions names."""
    wanted = {plain(name) for sql in expressions for name in re.findall(r"\{([^{}]+)\}", sql)}
    return {name for name in header if plain(name) in wanted}


def doubled(header: Sequence[str], expressions: Sequence[str]) -> tuple[str, ...]:
    """Columns of a file (its header made distinct) that stand for one and the same that is looked for.

    >>> doubled(["BilledCost", "billed_cost", "Tags", "Tags_2"], ["{BilledCost}"])
    ('BilledCost', 'billed_cost')
    """
    whole = {name.lower() for name in header}
    by_plain: dict[str, list[str]] = {}
    for name in header:
        base = re.fullmatch(r"(.+)_[0-9]+", name)
        name_once = base[1] if base is not None and base[1].lower() in whole else name
        by_plain.setdefault(plain(name_once), []).append(name)
    wanted = {plain(name) for sql in expressions for name in re.findall(r"\{([^{}]+)\}", sql)}
    return next((tuple(n) for key, n in by_plain.items() if key in wanted and len(n) > 1), ())


def distinct(cells: Sequence[str]) -> tuple[str, ...]:
    """Column names without doubles (the engine does not care for case) and without empty ones.

    >>> distinct(["a", "A", ""])
    ('a', 'A_2', 'column_3')
    """
    names: list[str] = []
    taken: set[str] = set()
    for place, cell in enumerate(cells, 1):
        name = base = cell or f"column_{place}"
        count = 1
        while name.lower() in taken:
            count += 1
            name = f"{base}_{count}"
        taken.add(name.lower())
        names.append(name)
    return tuple(names)
