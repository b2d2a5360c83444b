"""The deadline policy against a market that means harm: never late, never much dearer than on-demand."""

import os
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoestring.domain.fleet import Bounds
from shoestring.policies.deadline import Deadline
from shoestring.policies.lookahead import SPOT, Option, Style, options
from tests.policies.game import Game, Luck

EXAMPLES = int(os.environ.get("SHOESTRING_EXAMPLES", "60"))
quick = settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def luck_of(draws: list[int], **fixed: int) -> Luck:
    """The adversary's choices: the drawn ones, over and over, but what is ``fixed`` always so."""
    place = 0

    def luck(what: str, n: int) -> int:
        nonlocal place
        place += 1
        return min(fixed.get(what, draws[place % len(draws)] % n), n - 1)

    return luck


draws = st.lists(st.integers(0, 11), min_size=1, max_size=400)


@quick
@given(
    draws=draws,
    zones=st.integers(1, 3),
    work_h=st.sampled_from([0.5, 2.0, 5.0]),
    slack_h=st.sampled_from([0.8, 1.5, 6.0]),
    move_usd=st.sampled_from([0.0, 1.0]),
    retries=st.integers(0, 2),
)
def test_never_late_whatever_the_market_does(
    draws: list[int], zones: int, work_h: float, slack_h: float, move_usd: float, retries: int
) -> None:
    bounds = Bounds(boot_s=600.0, launch_retries=retries, retry_s=60.0, poll_gap_s=300.0, save_s=120.0)
    game = Game(
        luck=luck_of(draws),
        work_s=work_h * 3600,
        deadline_s=(work_h + slack_h) * 3600,
        bounds=bounds,
        spot=["east-1a", "east-1b", "west-1a"][:zones],
        move_usd=move_usd,
    )

    ended_s = game.play(Deadline())

    assert ended_s <= game.deadline_s


@quick
@given(draws=draws, work_h=st.sampled_from([0.5, 2.0]), retries=st.integers(0, 2), spiteful=st.booleans())
def test_even_the_worst_option_ever_offered_is_in_time(
    draws: list[int], work_h: float, retries: int, spiteful: bool
) -> None:
    """The guard alone, without the tables' caution: what is offered as safe is taken, however foolish.

    The spiteful adversary lets spot run unsaved for as long as it is offered, and when the switch comes,
    every save, launch and boot takes all that it may.
    """
    worst = {"refuse": 1, "boot": 3, "save": 2, "unsaved": 1, "down": 0} if spiteful else {}
    luck = luck_of(draws, **worst)

    def reckless(*args: Any) -> list[Option]:
        ranked = options(*args)
        if spiteful:
            return sorted(ranked, key=lambda o: o.kind != SPOT)
        return ranked[luck("option", len(ranked)) :]

    game = Game(
        luck=luck,
        work_s=work_h * 3600,
        deadline_s=work_h * 3600 + 2000.0 + 400 * retries,
        bounds=Bounds(boot_s=600.0, launch_retries=retries, retry_s=60.0, poll_gap_s=300.0, save_s=120.0),
        spot=["east-1a", "west-1a"],
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shoestring.policies.deadline.options", reckless)
        ended_s = game.play(Deadline(style=Style(cost_cap=100.0)))

    assert ended_s <= game.deadline_s


@pytest.mark.parametrize("late_by_s", [0.0, 600.0])
def test_the_game_can_be_lost(late_by_s: float) -> None:
    """A deadline that no policy can keep is missed: the adversary has teeth."""
    game = Game(
        luck=lambda what, n: n - 1, work_s=3600.0, deadline_s=3600.0 + late_by_s,
        bounds=Bounds(boot_s=600.0, poll_gap_s=300.0), spot=["east-1a"],
    )  # fmt: skip

    assert game.play(Deadline()) > game.deadline_s
