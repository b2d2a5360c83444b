"""What a policy has seen of the spot offers: the belief that learning policies share."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

import numpy as np

from shoestring.domain.fleet import FleetView
from shoestring.domain.offer import Offer
from shoestring.domain.units import seconds_between
from shoestring.market.memory import Memory, blank, extended, observe
from shoestring.policies.base import is_guaranteed

STEP_S = 600.0  # ages are counted in classes of this step; tables of long jobs use a multiple of it
NOTHING_SEEN = blank(0, STEP_S)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Watch:
    """The market so far. An immutable value, rebuilt from the journal by looking at the same views again.

    Attributes:
        ids: spot offers seen so far, sorted. memory: of these, at the moment ``at``.
        offers: the view's, as they were at that moment; a view's offers are never changed afterwards.
        basis: the memory that plans are made from, kept for a while so that plans can be; since ``basis_at``.
    """

    ids: tuple[str, ...] = ()
    memory: Memory = NOTHING_SEEN
    at: datetime | None = None
    offers: Mapping[str, Offer] = field(default_factory=dict)
    basis: Memory = NOTHING_SEEN
    basis_at: datetime | None = None


def watched(belief: Watch, view: FleetView, *, fresh_s: float) -> Watch:
    """The belief after one more look; what was not said to change is taken to have lasted until now.

    Args:
        fresh_s: how old the basis may grow.
    """
    watch = _seen(belief, view)
    stale = watch.basis_at is None or seconds_between(watch.basis_at, view.now) >= fresh_s
    if stale or watch.basis.zones != len(watch.ids):
        return replace(watch, basis=watch.memory, basis_at=view.now)
    return watch


def _seen(belief: Watch, view: FleetView) -> Watch:
    """The belief with every spot offer of the view brought to its moment; an unknown state stays as it was."""
    if belief.at == view.now and belief.offers is view.offers:
        return belief  # a decision looks once more at what the belief has just seen
    if belief.at is not None and belief.memory.up is not None and _same_spot(belief.ids, view.offers):
        return _aged(belief, view)
    spot = {o.id: o.available for o in view.offers.values() if not is_guaranteed(o)}
    ids = tuple(sorted({*belief.ids, *spot}))
    if not ids:
        return replace(belief, at=view.now)
    columns = tuple(belief.ids.index(i) if i in belief.ids else -1 for i in ids)
    memory, basis = extended(belief.memory, columns), extended(belief.basis, columns)
    before = np.ones(len(ids), dtype=bool) if memory.up is None else memory.up
    states = [spot.get(i, False) for i in ids]
    up = np.array([b if s is None else s for b, s in zip(before, states, strict=True)], dtype=bool)
    if memory.up is not None:  # a zone seen for the first time has not just changed
        memory = replace(memory, up=np.where(np.array(columns) < 0, up, memory.up))
    elapsed_s = 0.0 if belief.at is None else max(seconds_between(belief.at, view.now), 0.0)
    same = ids == belief.ids
    if same and elapsed_s == 0 and memory.up is not None and np.array_equal(up, memory.up):
        return belief  # the same look again
    memory = observe(memory, up, elapsed_s)
    basis = belief.basis if same else basis
    return replace(belief, ids=ids, memory=memory, at=view.now, offers=view.offers, basis=basis)


def _same_spot(ids: tuple[str, ...], offers: Mapping[str, Offer]) -> bool:
    """Whether these are the spot offers of a view, all of them and no other."""
    spot = sum(not is_guaranteed(offer) for offer in offers.values())
    return spot == len(ids) > 0 and all(i in offers and not is_guaranteed(offers[i]) for i in ids)


def _aged(belief: Watch, view: FleetView) -> Watch:
    """The same offers as before, a while later."""
    memory, offers = belief.memory, view.offers
    assert belief.at is not None and memory.up is not None
    before = memory.up.tolist()
    states = [offers[i].available for i in belief.ids]
    now = [b if s is None else s for b, s in zip(before, states, strict=True)]
    elapsed_s = max(seconds_between(belief.at, view.now), 0.0)
    if elapsed_s == 0 and now == before:
        return belief
    up = memory.up if now == before else np.array(now, dtype=bool)
    return Watch(
        ids=belief.ids,
        memory=observe(memory, up, elapsed_s),
        at=view.now,
        offers=offers,
        basis=belief.basis,
        basis_at=belief.basis_at,
    )
