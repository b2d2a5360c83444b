"""Tags in any form in which bills write them: the SQL that makes one JSON object of a text.

Azure leaves the braces away; BigQuery gives a list of ``{"key", "value"}``, AWS one of ``{"Key", "Value"}``;
Kubernetes tools write ``key=value,key=value``, Athena ``{key=value, key=value}``, Python ``{'key': 'value'}``.
"""

from shoestring.store.charges_engine import literal

UNREAD = "x_unread"  # the key under which tags are kept that can't be read
NO_TAGS = "('', '-', 'none', 'null', 'nan', 'n/a')"
KEYS = '"(?:tag_?)?(?:key|name)"\\s*:'  # what lists of pairs call a key
VALUES = '"(?:tag_?)?value"\\s*:'
PART = "[,;|]"


def tags_json(column: str) -> str:
    """SQL for a JSON object out of the text in ``column``; text that is no tags is kept as one tag.

    An object goes first, as it is: the usual form costs hardly anything.
    """
    given = f"cast({column} as varchar)"
    usual = f"starts_with({given}, '{{') and ends_with({given}, '}}') and json_valid({given})"
    text = f"trim({given})"
    bare = f"regexp_replace({text}, '^[{{](.*)[}}]$', '\\1')"
    unread = f"cast(to_json(struct_pack({UNREAD} := {text})) as varchar)"
    objects = (f"'{{' || {text} || '}}'", f"try(json_extract_string({text}, '$'))", _from_python(text),
               f"""replace({text}, '""', '"')""")  # fmt: skip
    tried = " ".join(f"when {_is_object(sql)} then {sql}" for sql in objects)
    pairs = " ".join(
        f"when regexp_full_match({bare}, {literal(_pairs_pattern(sign))}) then {_object_of(_split(bare, sign))}"
        for sign in ("=>", "=", ":")
    )
    return f"""case when {usual} then {given}
        when {text} is null or lower({text}) in {NO_TAGS} then null
        when {text} like '[%' then coalesce(try({_listed(text)}), try({_listed(_from_python(text))}), {unread})
        {tried} {pairs} else {unread} end"""


def _is_object(sql: str) -> str:
    return f"coalesce(starts_with({sql}, '{{') and json_valid({sql}), false)"


def _from_python(text: str) -> str:
    """SQL of JSON out of a dictionary or list as Python prints it; a map of Parquet is a list of tuples there."""
    quoted = f"""regexp_replace({text}, '''([^''"\\\\]*)''', '"\\1"', 'g')"""
    valued = f"""regexp_replace({quoted}, '(:\\s*|[(]"[^"]*",\\s*)None', '\\1null', 'g')"""
    return f"""regexp_replace({valued}, '[(]("[^"]*",\\s*(?:"[^"]*"|null))[)]', '[\\1]', 'g')"""


def _pairs_pattern(sign: str) -> str:
    """Of text that is pairs of key and value and nothing else. Keys may hold a colon (``user:team=a``)."""
    key = "[^:,;|{}]+" if sign == ":" else "[^=,;|{}]+"
    pair = f"{key}{sign}[^=,;|{{}}]*"
    return f"{pair}({PART}{pair})*"


def _pair(text: str, sign: str) -> str:
    """SQL of one pair as a struct of key and value, without the quotes around them."""
    key, value = f"split_part({text}, '{sign}', 1)", f"substr({text}, strpos({text}, '{sign}') + {len(sign)})"
    return f"""struct_pack(key := trim({key}, ' "'), value := trim({value}, ' "'))"""


def _split(text: str, sign: str) -> str:
    return f"list_transform(string_split_regex({text}, '{PART}'), lambda piece_: {_pair('piece_', sign)})"


def _listed(text: str) -> str:
    """SQL of an object out of a list: of pairs by name, of small objects, of lists of two, or of ``key=value``."""
    named = (
        f"regexp_replace(regexp_replace({text}, '{KEYS}', '\"key\":', 'gi'), '{VALUES}', '\"value\":', 'gi')"
    )
    said = "json_extract_string(entry_, '$')"
    pointer = "'/' || replace(replace(key_, '~', '~0'), '/', '~1')"
    entries = f"""flatten(list_transform(cast({named} as json[]), lambda entry_: case
        when json_exists(entry_, '/key') then
            [struct_pack(key := json_extract_string(entry_, '/key'), value := json_extract_string(entry_, '/value'))]
        when json_type(entry_) = 'OBJECT' then list_transform(json_keys(entry_), lambda key_:
            struct_pack(key := key_, value := json_extract_string(entry_, {pointer})))
        when json_type(entry_) = 'ARRAY' then
            [struct_pack(key := json_extract_string(entry_, '/0'), value := json_extract_string(entry_, '/1'))]
        when contains({said}, '=') then [{_pair(said, "=")}]
        when contains({said}, ':') then [{_pair(said, ":")}] else [null] end))"""
    return _object_of(entries)


def _object_of(entries: str) -> str:
    """SQL of an object out of a list of keys and values; a key that comes again has its first value."""
    first = f"list_position(list_transform({entries}, lambda known_: known_.key), pair_.key) = place_"
    return (
        f"cast(to_json(map_from_entries(list_filter({entries}, lambda pair_, place_: {first}))) as varchar)"
    )
