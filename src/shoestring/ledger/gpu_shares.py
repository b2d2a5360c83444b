"""Who holds how much of a GPU: MIG slices, time slices, ranks. Counts of one whole, with what nobody holds."""

import re
from collections.abc import Mapping, Sequence
from fractions import Fraction

from shoestring.ledger.split import fractions_of_one

# What a share is measured by, as the charge itself says it.
BASIS = {"mig": "MIG compute slices", "time_slices": "GPU time slices", "ranks": "GPU ranks"}
PROFILE = re.compile(r"(\d+)g\.\d+gb(\+\w+(\.\w+)*)?")
MIG_SLICES = 7  # of A100, H100, H200, B200; an A30 has 4 (NVIDIA MIG User Guide, "Supported MIG Profiles")


def mig_slices(profile: str) -> int:
    """Compute slices of a MIG profile, by its name.

    >>> mig_slices("3g.20gb"), mig_slices("1g.10gb+me")
    (3, 1)

    Raises:
        ValueError: no profile's name.
    """
    match = PROFILE.fullmatch(profile.strip().lower().removeprefix("mig-"))
    if match is None:
        raise ValueError(f"{profile!r} is no MIG profile; write e.g. 3g.20gb")
    return int(match[1])


def held_slices(holders: Mapping[str, int], whole: int) -> dict[str, int]:
    """How many of ``whole`` equal parts each holds, and nobody: they add up to the whole, always.

    >>> held_slices({"vision": 3, "nlp": 3}, 7)
    {'vision': 3, 'nlp': 3, '(remainder)': 1}

    Raises:
        ValueError: a count below 0, no whole, or more held than there is.
    """
    if whole < 1:
        raise ValueError(f"a GPU of {whole} parts")
    fractions = fractions_of_one({name: Fraction(count, whole) for name, count in holders.items()})
    return {name: int(part * whole) for name, part in fractions.items() if name in holders or part}


def held_mig(holders: Mapping[str, Sequence[str]], whole: int = MIG_SLICES) -> dict[str, int]:
    """The same for MIG instances by their profiles.

    Memory is not looked at: two of 3g.20gb fill an A100's memory, and its seventh compute slice is the remainder,
    which costs money although nobody can have it.

    >>> held_mig({"vision": ["3g.20gb"], "nlp": ["2g.10gb", "1g.5gb"]})
    {'vision': 3, 'nlp': 3, '(remainder)': 1}
    """
    return held_slices({name: sum(map(mig_slices, profiles)) for name, profiles in holders.items()}, whole)
