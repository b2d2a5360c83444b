"""Stay in the best zone: Uniform Progress in the one zone that has looked best so far.

Where moves cost money this is what a moving policy has to beat: staying pays for no move at all.
"""

from dataclasses import dataclass, replace

from shoestring.domain.fleet import Action, FleetView, RunView
from shoestring.domain.offer import Offer
from shoestring.policies.acts import decidable
from shoestring.policies.base import is_guaranteed, usd_per_hour
from shoestring.policies.uniform_progress import UniformProgress
from shoestring.policies.watch import Watch, watched


@dataclass(frozen=True, slots=True, kw_only=True)
class BestZone:
    """Chooses a place once, before the first launch, by price and by the share of time it was up."""

    name: str = "best_zone"
    version: int = 1

    def start(self) -> Watch:
        """Nothing seen yet: all zones look alike but for the price."""
        return Watch()

    def update(self, belief: Watch, view: FleetView) -> Watch:
        """The share of time that each zone was up."""
        return watched(belief, view, fresh_s=float("inf"))

    def decide(self, belief: Watch, view: FleetView) -> tuple[Action, ...]:
        """Uniform Progress with every other zone's spot out of sight."""
        watch = watched(belief, view, fresh_s=float("inf"))
        runs = tuple(_settled(run, view, watch) for run in decidable(view.runs))
        return UniformProgress().decide(None, replace(view, runs=runs))


def _settled(run: RunView, view: FleetView, watch: Watch) -> RunView:
    offers = [view.offers[i] for i in sorted(run.eligible) if i in view.offers]
    spot, safe = [o for o in offers if not is_guaranteed(o)], [o for o in offers if is_guaranteed(o)]
    if not spot:
        return run
    place = run.checkpoint_place if run.attempt is None else run.attempt.place
    if place not in {o.place for o in spot}:
        dear = max((usd_per_hour(o, run) or 0.0 for o in safe), default=float("inf"))
        place = min(spot, key=lambda o: (_hour_usd(o, run, watch, dear), o.id)).place
    return replace(run, eligible=tuple(o.id for o in (*safe, *(o for o in spot if o.place == place))))


def _hour_usd(offer: Offer, run: RunView, watch: Watch, dear: float) -> float:
    """An hour of work: spot while the zone is up, guaranteed capacity while it is not."""
    memory, zone = watch.memory, watch.ids.index(offer.id)
    up, down = memory.exposure[zone, 0].sum() + 1.0, memory.exposure[zone, 1].sum() + 1.0
    price = usd_per_hour(offer, run)
    return dear if price is None else float(price * up + dear * down) / float(up + down)
