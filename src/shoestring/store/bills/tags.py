"""From tags to labels: who a bill line was for, whatever the cloud calls the tag."""

from shoestring.store.charges_engine import literals

# For each label the tag keys that mean it; the first one that a line has wins. Tags that we set come first.
MEANINGS: dict[str, tuple[str, ...]] = {
    "team": ("team", "squad", "group"),
    "project": ("project", "project_id", "business_unit", "application"),
    "experiment": ("experiment", "experiment_id", "exp"),
    "run": ("run", "run_id"),
    "model": ("model", "model_name"),
    "dataset": ("dataset", "data_set"),
    "user": ("user", "owner", "created_by"),
    "cost_center": ("cost_center", "costcenter"),
}


def spellings(label: str) -> list[str]:
    """Every spelling under which clouds show a tag of this meaning.

    >>> spellings("team")[:4]
    ['shoestring_team', 'team', 'Team', 'TEAM']
    """
    found: list[str] = [f"shoestring_{label}"]
    for key in MEANINGS[label]:
        dashed, joined = key.replace("_", "-"), "".join(w.title() for w in key.split("_"))
        found += [key, joined, key.upper(), dashed, f"user:{key}", f"user_{key}", f"user:{joined}"]
    return list(dict.fromkeys(found))


def tags_json(column: str) -> str:
    """SQL for a JSON object out of any form in which bills write tags; null if it is none of them.

    Azure leaves the braces away; BigQuery gives a list of ``{"key", "value"}``.
    """
    text = f"trim(cast({column} as varchar))"
    braced = f"case when {text} like '\"%' then '{{' || {text} || '}}' else {text} end"
    pairs = f"""json_transform({text}, '[{{"key":"VARCHAR","value":"VARCHAR"}}]')"""
    listed = f"cast(to_json(map_from_entries(list_transform({pairs}, p -> (p.key, p.value)))) as varchar)"
    return f"""case when {text} like '[%' then try({listed})
        when json_valid({braced}) then {braced} end"""


def all_paths() -> tuple[str, dict[str, tuple[int, int]]]:
    """SQL list of JSON paths for all labels, and each label's slice of it (from 1, both ends inside).

    One call of json_extract_string with all paths parses a tag text once instead of once a label.
    """
    paths: list[str] = []
    slices: dict[str, tuple[int, int]] = {}
    for label in MEANINGS:
        own = [f'$."{s}"' for s in spellings(label)]
        slices[label] = (len(paths) + 1, len(paths) + len(own))
        paths += own
    return literals(paths), slices
