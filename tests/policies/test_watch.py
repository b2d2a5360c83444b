"""What a policy has seen: zones that come and go, and looks that tell nothing new."""

from datetime import timedelta

from shoestring.domain.fleet import FleetView
from shoestring.domain.offer import Market, Offer
from shoestring.policies.watch import Watch, watched
from tests.policies.game import START, offer

EAST, WEST = offer("east-1a"), offer("west-1a")
SAFE = offer("east-1a", Market.ON_DEMAND, 3.0)


def look(belief: Watch, hours: float, *offers: Offer, fresh_s: float = 1e9) -> Watch:
    view = FleetView(now=START + timedelta(hours=hours), runs=(), offers={o.id: o for o in offers})
    return watched(belief, view, fresh_s=fresh_s)


def test_a_market_without_spot_leaves_a_moment_and_no_zone() -> None:
    seen = look(Watch(), 1.0, SAFE)
    assert (seen.ids, seen.at) == ((), START + timedelta(hours=1))


def test_a_zone_that_joins_has_not_just_changed_and_one_that_goes_is_down() -> None:
    seen = look(look(Watch(), 0.0, EAST), 2.0, EAST, WEST)
    assert seen.ids == (EAST.id, WEST.id) and seen.memory.up is not None
    assert seen.memory.up.tolist() == [True, True]
    gone = look(seen, 3.0, WEST)
    assert gone.memory.up is not None and gone.memory.up.tolist() == [False, True]
    assert gone.memory.age_s.tolist()[0] == 0.0 and gone.memory.age_s.tolist()[1] > 0.0


def test_an_unknown_state_stays_as_it_was() -> None:
    down = look(look(Watch(), 0.0, EAST), 1.0, offer("east-1a", up=False))
    assert down.memory.up is not None and not down.memory.up[0]
    unsaid = look(down, 2.0, offer("east-1a", up=None))
    assert unsaid.memory.up is not None and not unsaid.memory.up[0]
    assert unsaid.memory.age_s.tolist() == [3600.0]


def test_the_same_look_again_is_the_same_belief() -> None:
    seen = look(Watch(), 1.0, EAST, WEST)
    assert look(seen, 1.0, EAST, WEST).memory is seen.memory
    both = look(look(Watch(), 1.0, EAST), 1.0, EAST, WEST)
    assert both.ids == (EAST.id, WEST.id)
    fewer = look(both, 1.0, EAST)  # known zones, of which one is no longer told
    assert fewer.memory.up is not None and fewer.memory.up.tolist() == [True, False]
    assert look(fewer, 1.0, EAST).memory is fewer.memory


def test_plans_are_made_anew_when_their_basis_is_old() -> None:
    first = look(Watch(), 0.0, EAST, fresh_s=7200.0)
    kept = look(first, 1.9, EAST, fresh_s=7200.0)
    assert kept.basis is first.basis and kept.basis_at == START
    anew = look(kept, 2.0, EAST, fresh_s=7200.0)
    assert anew.basis is anew.memory and anew.basis_at == START + timedelta(hours=2)
