"""What has been seen of the zones: how long each has been up or down, and how often that ended at which age.

An immutable value: :func:`observe` gives the next one. Old evidence fades with a half-life, because zones
drift from week to week.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from shoestring.market.ages import AgeClasses, age_classes

UP, DOWN = 0, 1
UNDERWAY_S = 3 * 3600.0  # a run found under way is older than it looks: it is taken to have begun then
HALF_LIFE_H = 24.0  # a zone's own level drifts from day to day
POOLED_HALF_LIFE_H = 480.0  # how ends depend on age is a trait of the market and drifts slowly

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Memory:
    """Evidence about ``zones`` zones, in columns of a fixed order.

    Attributes:
        ages: the classes that ages are counted in.
        up: state at the last look; None before the first.
        age_s: seconds that state had lasted then.
        exposure: steps spent at each age, shape (zones, 2, classes): [:, UP] and [:, DOWN].
        switches: how often the state ended at that age.
        pooled_exposure, pooled_switches: the same over all zones, remembered for longer, shape (2, classes).
        losses, covered: losses of a zone, and those of them when another zone was up right after.
        dark, relit: steps with every zone down but possibly this one, counted while all were down, and
            those of them after which another zone came up.
    """

    ages: AgeClasses
    up: Bools | None
    age_s: Floats
    exposure: Floats
    switches: Floats
    pooled_exposure: Floats
    pooled_switches: Floats
    losses: Floats
    covered: Floats
    dark: Floats
    relit: Floats

    @property
    def zones(self) -> int:
        return len(self.age_s)

    def phase(self) -> NDArray[np.intp]:
        """Index of each zone's phase: its age class when up, ``classes`` + age class when down."""
        assert self.up is not None, "observe first"
        return np.where(self.up, 0, self.ages.count) + self.ages.index(self.age_s)


def blank(zones: int, step_s: float) -> Memory:
    """Before anything was seen."""
    ages, none = age_classes(step_s), np.zeros(zones)
    table = np.zeros((zones, 2, ages.count))
    return Memory(
        ages=ages, up=None, age_s=none, exposure=table, switches=table, pooled_exposure=np.zeros((2, ages.count)),
        pooled_switches=np.zeros((2, ages.count)), losses=none, covered=none, dark=none, relit=none,
    )  # fmt: skip


def observe(memory: Memory, up: Bools, elapsed_s: float, *, half_life_h: float = HALF_LIFE_H) -> Memory:
    """The memory after one more look, ``elapsed_s`` seconds after the last; the old state is taken to have
    lasted until then.

    Args:
        up: shape (zones,). elapsed_s: ignored at the first look.
        half_life_h: evidence that is so old counts half.
    """
    if memory.up is None:
        return replace(memory, up=up.copy(), age_s=np.full(memory.zones, UNDERWAY_S))
    if up is memory.up or np.array_equal(up, memory.up):
        return _lasted(memory, elapsed_s, half_life_h)
    before, steps = memory.up, elapsed_s / memory.ages.step_s
    fade = 0.5 ** (elapsed_s / (half_life_h * 3600))
    changed = up != before
    zone, state = np.arange(memory.zones), np.where(before, UP, DOWN)
    age_s = memory.age_s + elapsed_s
    spent, ended = np.zeros_like(memory.exposure), np.zeros_like(memory.switches)
    spent[zone, state] = _time_in_classes(memory.ages, memory.age_s, age_s) / memory.ages.step_s
    ended[zone, state, memory.ages.index(age_s - 1.0)] = changed
    slow_fade = 0.5 ** (elapsed_s / (POOLED_HALF_LIFE_H * 3600))
    others_before, others_now = before.sum() - before > 0, up.sum() - up > 0
    lost, all_dark = before & ~up, ~before & ~others_before
    return Memory(
        ages=memory.ages,
        up=up.copy(),
        age_s=np.where(changed, 0.0, age_s),
        exposure=memory.exposure * fade + spent,
        switches=memory.switches * fade + ended,
        pooled_exposure=memory.pooled_exposure * slow_fade + spent.sum(0),
        pooled_switches=memory.pooled_switches * slow_fade + ended.sum(0),
        losses=memory.losses * fade + lost,
        covered=memory.covered * fade + (lost & others_now),
        dark=memory.dark * fade + all_dark * steps,
        relit=memory.relit * fade + (all_dark & others_now),
    )


def _lasted(memory: Memory, elapsed_s: float, half_life_h: float) -> Memory:
    """:func:`observe` where no state has changed, which is most looks: the same arithmetic, bit by bit."""
    up, ages = memory.up, memory.ages
    assert up is not None
    fade = 0.5 ** (elapsed_s / (half_life_h * 3600))
    slow_fade = 0.5 ** (elapsed_s / (POOLED_HALF_LIFE_H * 3600))
    age_s = memory.age_s + elapsed_s
    spent = _time_in_classes(ages, memory.age_s, age_s) / ages.step_s
    exposure, pooled = memory.exposure * fade, memory.pooled_exposure * slow_fade
    states = up.tolist()
    by_state = np.zeros_like(memory.exposure)
    for zone, is_up in enumerate(states):
        by_state[zone, UP if is_up else DOWN] = spent[zone]
    exposure += by_state
    pooled += by_state.sum(0)
    dark = memory.dark * fade
    if not any(
        states
    ):  # with more than one up, nobody is in the dark; with one up, only that one's others are
        dark += elapsed_s / ages.step_s
    return Memory(
        ages=ages,
        up=up,
        age_s=age_s,
        exposure=exposure,
        switches=memory.switches * fade,
        pooled_exposure=pooled,
        pooled_switches=memory.pooled_switches * slow_fade,
        losses=memory.losses * fade,
        covered=memory.covered * fade,
        dark=dark,
        relit=memory.relit * fade,
    )


def extended(memory: Memory, columns: tuple[int, ...]) -> Memory:
    """The memory of a choice of zones, in a new order; -1 stands for a zone never seen, up since long."""
    if columns == tuple(range(memory.zones)):
        return memory
    rows, unseen = list(columns), blank(1, memory.ages.step_s)

    def pick(seen: Floats, never: Floats) -> Floats:
        return np.asarray(np.concatenate([seen, never])[rows])

    return Memory(
        ages=memory.ages,
        up=None if memory.up is None else np.append(memory.up, True)[rows],
        age_s=np.append(memory.age_s, UNDERWAY_S)[rows],
        exposure=pick(memory.exposure, unseen.exposure),
        switches=pick(memory.switches, unseen.switches),
        pooled_exposure=memory.pooled_exposure,
        pooled_switches=memory.pooled_switches,
        losses=pick(memory.losses, unseen.losses),
        covered=pick(memory.covered, unseen.covered),
        dark=pick(memory.dark, unseen.dark),
        relit=pick(memory.relit, unseen.relit),
    )


def recount(memory: Memory, step_s: float) -> Memory:
    """The same evidence in the age classes of another step."""
    if step_s == memory.ages.step_s:
        return memory
    ages, factor = age_classes(step_s), memory.ages.step_s / step_s
    into = np.zeros((memory.ages.count, ages.count))
    into[np.arange(memory.ages.count), ages.index(memory.ages.middle_s())] = 1.0
    return replace(
        memory,
        ages=ages,
        exposure=memory.exposure @ into * factor,
        switches=memory.switches @ into,
        pooled_exposure=memory.pooled_exposure @ into * factor,
        pooled_switches=memory.pooled_switches @ into,
        dark=memory.dark * factor,
    )


def remember(history: Bools, step_s: float) -> Memory:
    """The memory of a whole history at once; equals observing it row by row.

    Args:
        history: shape (looks, zones), oldest first, one step apart.
    """
    memory = blank(history.shape[1], step_s)
    for row in history:
        memory = observe(memory, row, step_s)
    return memory


def _time_in_classes(ages: AgeClasses, from_s: Floats, to_s: Floats) -> Floats:
    """Seconds of each zone's ages ``from_s`` to ``to_s`` that fall into each class, shape (zones, classes)."""
    overlap = np.minimum(to_s[:, None], ages.to_s) - np.maximum(from_s[:, None], ages.from_s)
    return np.asarray(np.maximum(overlap, 0.0))
