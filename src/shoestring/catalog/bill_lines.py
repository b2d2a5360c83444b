"""Which hardware a line of a bill paid for: senders name it by instance type, by product text or not at all."""

import re
from dataclasses import dataclass
from functools import cached_property

from shoestring.catalog.load import Catalog

_PROVIDERS = (
    ("aws", "amazon"),
    ("gcp", "google"),
    ("azure", "microsoft"),
    ("azure", "azure"),
    ("oci", "oracle"),
)
_ACCELERATOR = re.compile(
    r"\b(?P<count>\d{1,2})?\s*(?:x\s*)?(?:nvidia\s+)?(?:tesla\s+)?"
    r"(?P<name>GH200|GB200|B[23]00|H[12]00|A100|A10G|A10|A40|L40S|L40|L4|V100|P100|T4|K80|MI[23]\d\dX?|"
    r"Gaudi\s?\d?|Trainium\s?\d?|RTX[ -]?[A-Z]?\d{4}|TPU[ -]?v\d\w*)\b(?:\D{0,6}(?P<memory>40|80)\s?GB)?",
    re.IGNORECASE,
)
_UNITS = {"hour": 1.0, "hours": 1.0, "hr": 1.0, "hrs": 1.0, "h": 1.0, "minute": 1 / 60, "minutes": 1 / 60,
          "second": 1 / 3600, "seconds": 1 / 3600, "s": 1 / 3600}  # fmt: skip
SHORTEST_TYPE = 6  # shorter names of instance types are found by accident in running text


def plain(text: str) -> str:
    """Letters and digits only, in lower case: ``Standard_ND96isr_H100_v5`` and ``nd96isr h100 v5`` meet here."""
    return re.sub(r"[^a-z0-9]", "", text.lower()).removeprefix("standard")


_BLOCK = re.compile(r"(?P<count>\d+(?:\.\d+)?)?(?P<times>[km](?=[ /]))?[ /]*(?P<unit>.*)", re.DOTALL)
_THOUSANDS = {"": 1.0, "k": 1e3, "m": 1e6}


def hours_of_unit(unit: str | None) -> float | None:
    """Hours in one unit of a bill's quantity; None if it is no time.

    >>> hours_of_unit("GPU-Hours"), hours_of_unit("100 Hours"), hours_of_unit("1K minutes"), hours_of_unit("GB")
    (1.0, 100.0, 16.666666666666668, None)
    """
    match = _BLOCK.fullmatch(str(unit or "").strip().lower())
    assert match is not None  # every text matches
    each = _UNITS.get(match["unit"].replace("gpu", "").strip(" -_"))
    return None if each is None else each * float(match["count"] or 1) * _THOUSANDS[match["times"] or ""]


def counts_accelerators(unit: str | None) -> bool:
    """Whether a unit of time is of one accelerator, not of the machine that it is in.

    >>> counts_accelerators("GPU-Hours"), counts_accelerators("100 Hours")
    (True, False)
    """
    return "gpu" in str(unit or "").lower()


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What was paid by the hour.

    Attributes:
        instance_type: None when only accelerators are named (their hosts may be lines of their own).
        count: accelerators in one hour of this line.
    """

    accelerator: str
    count: float
    instance_type: str | None = None


class Recognizer:
    """Reads hardware out of the texts of a bill's line; knows what the catalog knows."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def provider(self, name: str | None) -> str | None:
        """The catalog's word for a sender of bills; None for one it has no prices of.

        >>> from shoestring.catalog.load import embedded
        >>> Recognizer(embedded()).provider("Amazon Web Services, Inc.")
        'aws'
        """
        text = plain(name or "")
        for known in sorted(set(self._catalog.columns["provider"])):
            if text.startswith(known):
                return known
        return next((key for key, mark in _PROVIDERS if mark in text), None)

    def hardware(self, provider: str | None, *texts: str | None) -> Hardware | None:
        """The hardware that the first telling text names; None if no text names any accelerator."""
        given = [t for t in texts if t]
        for text in given:
            found = self._by_type(provider, text)
            if found is not None:
                return found
        for text in given:
            found = self._by_accelerator(text)
            if found is not None:
                return found
        return None

    def telling_parts(self) -> tuple[str, str]:
        """Regular expressions (RE2) of what tells hardware in a text: instance types, to be looked for in
        :func:`plain` texts, and accelerators, whose groups are their count, name and memory in GB. Millions of
        texts shrink to a few parts before they come here."""
        names = {name for _, name in self._types if len(name) >= SHORTEST_TYPE}
        longest_first = sorted(names, key=lambda name: (-len(name), name))
        return "|".join(map(re.escape, longest_first)), f"(?i){_ACCELERATOR.pattern}"

    def spelled(self) -> dict[str, tuple[str, float]]:
        """Instance types in small letters as bills spell them (``nd96isr_h100_v5`` and ``nd96isr h100 v5``) -> the
        accelerator's key, and how many there are."""
        found: dict[str, tuple[str, float]] = {}
        for (_, name), h in self._types.items():
            if len(name) >= SHORTEST_TYPE and h.instance_type is not None:
                kind = h.instance_type.lower().removeprefix("standard_")
                found |= dict.fromkeys((kind, kind.replace("_", " ")), (h.accelerator, h.count))
        return found

    def chips(self) -> dict[str, str]:
        """Names of accelerators, letters and digits only, with their memory if that is said too -> key."""
        found = {}
        for name in self._catalog.names.known():
            for memory in ("", "40gb", "80gb"):
                if keys := self._catalog.names.keys_of(name + memory) or self._catalog.names.keys_of(name):
                    found[name + memory] = keys[0][0]
        return found

    @cached_property
    def _types(self) -> dict[tuple[str, str], Hardware]:
        c = self._catalog.columns
        return {
            (provider, plain(kind)): Hardware(accelerator=chip, count=float(count or 0), instance_type=kind)
            for provider, kind, chip, count in zip(
                c["provider"], c["instance_type"], c["accelerator"], c["accelerator_count"], strict=True
            )
            if chip
        }

    @cached_property
    def _patterns(self) -> dict[str, re.Pattern[str]]:
        names: dict[str, list[str]] = {}
        for provider, kind in self._types:
            names.setdefault(provider, []).append(kind)
        longest_first = {p: sorted(kinds, key=lambda k: (-len(k), k)) for p, kinds in names.items()}
        return {p: re.compile("|".join(map(re.escape, kinds))) for p, kinds in longest_first.items()}

    def _by_type(self, provider: str | None, text: str) -> Hardware | None:
        if provider is None or provider not in self._patterns:
            return None
        exact = self._types.get((provider, plain(text.removeprefix("ml."))))
        if exact is not None:
            return exact
        match = self._patterns[provider].search(plain(text))
        return None if match is None or len(match[0]) < SHORTEST_TYPE else self._types[(provider, match[0])]

    def _by_accelerator(self, text: str) -> Hardware | None:
        match = _ACCELERATOR.search(text)
        if match is None:
            return None
        name, memory = match["name"].replace(" ", ""), match["memory"]
        names = self._catalog.names
        keys = (names.keys_of(f"{name}{memory}GB") if memory else ()) or names.keys_of(name)
        if not keys:
            return None
        return Hardware(accelerator=keys[0][0], count=float(match["count"] or 1))
