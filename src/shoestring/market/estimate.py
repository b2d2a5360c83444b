"""From evidence to a modelled market: rates shrunk to the pooled prior, and what other zones are worth.

Shrinkage is Gamma-Poisson at three levels, each a ratio of what was seen to what was expected, with pseudo
counts: all zones together by age class (is this market like the prior?), one zone over all ages (is this
zone like the market?), one zone and age class. Source of the estimator: Efron and Morris (1973), empirical
Bayes; the pseudo counts were chosen on the fitting traces (docs/decisions, deadline policy).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shoestring.market.memory import Memory
from shoestring.market.prior import CERTAIN, RARE, prior_hazard
from shoestring.market.value import Outlook

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Learning:
    """How much evidence it takes to leave the prior, as pseudo events.

    Attributes:
        market, zone, zone_age: at the three levels of shrinkage. cover: losses, for the chance that another
            zone takes over. relight: steps, for the chance that another zone comes up.
        standing: share of ``lands`` that counts again at each step while down, where moves are paid: a job
            that waits for its own zone can still leave for one that stayed up.
        reach_h: a zone that costs so many hours of on-demand to move to is counted on as a refuge 1/e as much as one
            that costs nothing. What is promised to a job that leaves later is an average over zones as they usually
            are; a job that believes in it whatever the price never leaves, and calls every first zone as good as
            the next.
        independence: share of the chances of other zones that is believed before anything was seen of them
            together: zones of one provider go down together.
    """

    market: float = 60.0
    zone: float = 12.0
    zone_age: float = 30.0
    cover: float = 20.0
    relight: float = 80.0
    independence: float = 0.6
    standing: float = 0.3
    reach_h: float = 1.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What launching costs, in the order of the memory's zones.

    Attributes:
        restart_s: work lost at each launch. spot_usd_per_hour, on_demand_usd_per_hour: by zone.
        move_usd: ``move_usd[i][j]`` dollars to take the checkpoint from zone i to zone j; 0 if i is j.
        free_if_lost_within_s: by zone, an instance lost so soon after its launch costs nothing; empty: no
            zone has such a rule.
    """

    restart_s: float
    spot_usd_per_hour: tuple[float, ...]
    on_demand_usd_per_hour: tuple[float, ...]
    move_usd: tuple[tuple[float, ...], ...]
    free_if_lost_within_s: tuple[float, ...] = ()


def hazards(memory: Memory, learning: Learning) -> Floats:
    """Chance per step that a state ends, shape (zones, 2, classes)."""
    rate = np.broadcast_to(prior_hazard(memory.ages), memory.exposure.shape).copy()
    seen, exposure = memory.switches, memory.exposure
    rate *= _ratio(memory.pooled_switches, rate[0] * memory.pooled_exposure, learning.market)
    rate *= _ratio(seen.sum(2), (rate * exposure).sum(2), learning.zone)[:, :, None]
    rate *= _ratio(seen, rate * exposure, learning.zone_age)
    return np.clip(rate, RARE, CERTAIN)


def _ratio(seen: Floats, expected: Floats, pseudo: float) -> Floats:
    return (seen + pseudo) / (expected + pseudo)


def outlook(memory: Memory, terms: Terms, learning: Learning) -> Outlook:
    """The modelled market of a memory."""
    hazard = hazards(memory, learning)
    up_mix, down_mix, share_up = stationary(hazard, memory.ages.advance)
    step_s = memory.ages.step_s
    loss, back = (up_mix * hazard[:, 0]).sum(1), (down_mix * hazard[:, 1]).sum(1)
    rank = _ranked(np.array(terms.spot_usd_per_hour), loss * terms.restart_s / step_s, terms)
    moves = np.array(terms.move_usd)
    zones = memory.zones
    landing, lighting = np.zeros((zones, zones)), np.zeros((zones, zones))
    lands, lit = np.zeros(zones), np.zeros(zones)
    for here in range(zones):
        others = [zone for zone in rank if zone != here]
        if others:
            free = np.cumprod([1.0, *(1 - share_up[others])])
            landing[here, others] = free[:-1] * share_up[others] / (1 - free[-1])
            lands[here] = learning.independence * (1 - free[-1])
            weight = back[others] * (1 - share_up[others]) + RARE
            lighting[here, others] = weight / weight.sum()
            lit[here] = learning.independence * (1 - np.prod(1 - back[others]))
    lands = (memory.covered + learning.cover * lands) / (memory.losses + learning.cover)
    lit = (memory.relit + learning.relight * lit) / (memory.dark + learning.relight)
    refuge = np.exp(
        -moves / np.maximum(learning.reach_h * np.array(terms.on_demand_usd_per_hour)[:, None], RARE)
    )
    lands, landing = _within_reach(lands, landing, refuge)
    lit, lighting = _within_reach(lit, lighting, refuge)
    landing = landing[:, :, None] * up_mix
    lit, lighting = _offered_while_down(lit, lighting, lands, landing, moves, learning)
    hour = step_s / 3600
    return Outlook(
        step_s=step_s,
        restart_s=terms.restart_s,
        hazard=hazard,
        advance=memory.ages.advance,
        spot_usd=np.array(terms.spot_usd_per_hour) * hour,
        on_demand_usd=np.array(terms.on_demand_usd_per_hour) * hour,
        lands=lands,
        landing=landing,
        lit=lit,
        lighting=lighting,
        landing_move_usd=(landing.sum(2) * moves).sum(1),
        lighting_move_usd=(lighting.sum(2) * moves).sum(1),
    )


def _offered_while_down(
    lit: Floats, lighting: Floats, lands: Floats, landing: Floats, moves: Floats, learning: Learning
) -> tuple[Floats, Floats]:
    """Chance per step, and where: a zone that came up just now (youngest age), or one that stayed up.

    Where moves are free a job does not wait for its own zone while another is up, so there the second is
    left out.
    """
    stays = np.where((landing.sum(2) * moves).sum(1) > 0, learning.standing * lands, 0.0)
    where = np.zeros(landing.shape)
    where[:, :, 0] = lighting
    share = (stays / np.maximum(lit + stays, RARE))[:, None, None]
    return 1 - (1 - lit) * (1 - stays), (1 - share) * where + share * landing


def _within_reach(chance: Floats, where: Floats, refuge: Floats) -> tuple[Floats, Floats]:
    """Chance of another zone, and which, with each counted on only as far as it is cheap to move to."""
    kept = where * refuge
    share = kept.sum(1)
    return chance * share, kept / np.maximum(share, np.finfo(float).tiny)[:, None]


def stationary(hazard: Floats, advance: Floats) -> tuple[Floats, Floats, Floats]:
    """Long-run shares of the age classes while up (z, c) and while down (z, c), and of time up (z,).

    A state begins in the youngest class; what leaves a class neither ended nor stayed grows into the next.
    """
    zones, _, classes = hazard.shape
    time, flow = np.empty(hazard.shape), np.ones((zones, 2))
    for k in range(classes):
        end = hazard[:, :, k]
        time[:, :, k] = flow / (end + (1 - end) * advance[k])
        flow = time[:, :, k] * (1 - end) * advance[k]
    total = time.sum(2)
    mix = time / total[:, :, None]
    return mix[:, 0], mix[:, 1], total[:, 0] / total.sum(1)


def _ranked(price: Floats, restarts_per_step: Floats, terms: Terms) -> list[int]:
    """Zones by what an hour of work costs there, restarts included; the order of zones breaks no tie that
    matters: equal zones are interchangeable."""
    cost = price * (1 + restarts_per_step)
    return sorted(range(len(price)), key=lambda zone: (cost[zone], price[zone]))
