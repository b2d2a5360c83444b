"""From tags to labels: who a bill line was for, whatever the cloud calls the tag."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shoestring.store.charges_engine import literal, literals

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
        found += [" ".join(w.title() for w in key.split("_"))]
    return list(dict.fromkeys(found))


def tags_of_columns(columns: Mapping[str, str]) -> str:
    """SQL for a JSON object of tags that have a column each: key -> SQL of the value; null where all are."""
    pairs = ", ".join(f"{literal(key)}, cast({sql} as varchar)" for key, sql in columns.items())
    made = f"json_merge_patch('{{}}', json_object({pairs}))"  # a patch takes nulls out
    return f"nullif(cast({made} as varchar), '{{}}')"


def merged(objects: Sequence[str]) -> str:
    """SQL for one JSON object out of several, the first one winning; null where all are null."""
    if len(objects) == 1:
        return objects[0]
    patched = ", ".join(f"coalesce(cast({sql} as json), '{{}}')" for sql in reversed(objects))
    return f"nullif(cast(json_merge_patch({patched}) as varchar), '{{}}')"


@dataclass(frozen=True, slots=True)
class TagKeys:
    """The tag keys that are looked for in a file.

    Looking for every spelling of every label in every row takes half of an import's time; a file uses a few
    of them. So only those are looked for that a first look found, and ``others`` is a pattern for the rest:
    a row that matches it proves the first look wrong.
    """

    paths: str
    places: Mapping[str, tuple[int, ...]]
    others: str | None

    @staticmethod
    def of(seen: set[str] | None) -> "TagKeys":
        """For the keys that were seen; None: for all spellings."""
        paths: list[str] = []
        places: dict[str, tuple[int, ...]] = {}
        unseen: list[str] = []
        for label in MEANINGS:
            own = [s for s in spellings(label) if seen is None or s in seen]
            unseen += [s for s in spellings(label) if s not in own]
            places[label] = tuple(range(len(paths) + 1, len(paths) + len(own) + 1))
            paths += [f'$."{key}"' for key in own]
        others = f'"(?:{"|".join(re.escape(k) for k in unseen)})"' if unseen else None
        return TagKeys(paths=literals(paths or ["$"]), places=places, others=others)
