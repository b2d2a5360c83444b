"""A workload in the catalog's words: names of job files become catalog keys, slices become chips."""

from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches

from shoestring.catalog.names import Names
from shoestring.domain.errors import BadInput
from shoestring.domain.workload import AcceleratorRequest, HoursOf, ResourceRequest, Steps, Work, Workload


def resolved(workload: Workload, names: Names, keys: Iterable[str]) -> Workload:
    """The same workload with catalog keys.

    Raises:
        BadInput: a request names accelerators and the catalog knows none of them.
    """
    known = tuple(keys)
    resources = tuple(_request(r, names, known) for r in workload.resources)
    return replace(workload, resources=resources, work=_work(workload.work, names, known))


def _keys(name: str, names: Names, known: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    found = names.keys_of(name)
    if not found:
        near = get_close_matches(name, known, n=3, cutoff=0.4)
        hint = f"; near it: {', '.join(near)}" if near else ""
        raise BadInput(
            f"accelerator {name!r} is not in the catalog{hint}", next_step="shoestring catalog --hardware"
        )
    return found


def absent(workload: Workload, names: Names) -> tuple[str, ...]:
    """Accelerators that the job names and the catalog does not know, sorted."""
    named = {a.name for r in workload.resources for a in r.accelerators}
    return tuple(sorted(name for name in named if not names.keys_of(name)))


def _request(request: ResourceRequest, names: Names, known: tuple[str, ...]) -> ResourceRequest:
    if any(names.keys_of(a.name) for a in request.accelerators):  # some alternative is left
        some = tuple(a for a in request.accelerators if names.keys_of(a.name))
        request = replace(request, accelerators=some)
    wanted = tuple(
        AcceleratorRequest(
            name=key,
            count_min=a.count_min * chips,
            count_max=None if a.count_max is None else a.count_max * chips,
        )
        for a in request.accelerators
        for key, chips in _keys(a.name, names, known)
    )
    return replace(request, accelerators=wanted)


def _work(work: Work | None, names: Names, known: tuple[str, ...]) -> Work | None:
    match work:
        case HoursOf(accelerator=name) if name.lower() != "cpu":
            return replace(work, accelerator=_keys(name, names, known)[0][0])
        case Steps(steps_per_s=speeds):
            mapped = {_keys(n, names, known)[0][0] if n.lower() != "cpu" else n: v for n, v in speeds.items()}
            return replace(work, steps_per_s=mapped)
    return work
