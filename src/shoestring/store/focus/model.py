"""The FOCUS 1.4 columns as data: names, types, allowed values. Facts from the specification, CC BY 4.0."""

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

COST_AND_USAGE = "Cost and Usage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column of a FOCUS dataset.

    Attributes:
        type: ``String`` | ``Decimal`` | ``Date/Time`` | ``JSON``.
        level: ``Mandatory`` | ``Recommended`` | ``Conditional`` (then ``condition`` says on what).
        introduced: the FOCUS version that brought it, e.g. ``1.3``.
        allowed: the only values it may have; None where any will do.
    """

    name: str
    type: str
    level: str
    nulls: bool
    introduced: str
    format: str
    min: float | None
    max: float | None
    allowed: tuple[str, ...] | None
    condition: str | None


@cache
def columns(dataset: str = COST_AND_USAGE) -> dict[str, Column]:
    """The columns of a FOCUS 1.4 dataset by name, in the specification's (alphabetical) order."""
    model = _model()
    fields = model["fields"]
    found = {}
    for row in model["datasets"][dataset]:
        values = dict(zip(fields, row, strict=True))
        values["allowed"] = None if values["allowed"] is None else tuple(values["allowed"])
        found[values["name"]] = Column(**values)
    return found


def datasets() -> tuple[str, ...]:
    """The names of the FOCUS 1.4 datasets."""
    return tuple(_model()["datasets"])


@cache
def subcategory_parents() -> dict[str, str]:
    """For each ServiceSubcategory the ServiceCategory it belongs to."""
    return dict(_model()["subcategory_parents"])


def version_key(version: str) -> tuple[int, ...]:
    """A FOCUS version as something that compares.

    >>> version_key("1.10") > version_key("1.4") > version_key("0.5")
    True
    """
    return tuple(int(part) for part in version.split("."))


# Columns that older versions have and 1.4 no longer does, and where their values live now.
REMOVED = {"ProviderName": "ServiceProviderName", "PublisherName": "HostProviderName"}


@cache
def columns_of_version(version: str) -> tuple[str, ...]:
    """Names of the Cost and Usage columns that a FOCUS version has.

    >>> "ProviderName" in columns_of_version("1.2"), "ProviderName" in columns_of_version("1.4")
    (True, False)
    """
    key = version_key(version)
    names = [c.name for c in columns().values() if version_key(c.introduced) <= key]
    if key < version_key("1.4"):
        names += list(REMOVED)
    return tuple(sorted(names))


@cache
def _model() -> dict[str, Any]:
    text = resources.files("shoestring.store.focus").joinpath("focus_1_4.json").read_text(encoding="utf-8")
    model: dict[str, Any] = json.loads(text)
    return model
