"""The last minutes of a job: what is left is less than a step of the tables, and is done, not put off."""

from dataclasses import replace

import pytest

from shoestring.domain.fleet import Hold, Launch
from tests.policies.test_deadline import SAFE, SPOT_A, SPOT_B, decide, job, offers, on


@pytest.mark.parametrize("left_s", [1.0, 30.0, 97.0, 300.0, 590.0])
@pytest.mark.parametrize("deadline_h", [None, 4.5])
def test_an_instance_is_kept_to_the_end(left_s: float, deadline_h: float | None) -> None:
    run = job(3, deadline_h, left_h=left_s / 3600, **on(SPOT_A), restart_s=72.0)

    assert isinstance(decide(replace(run, checkpoint_age_s=60.0), offers(), at_h=3.2), Hold)


@pytest.mark.parametrize("left_s", [1.0, 97.0, 400.0])
def test_a_run_without_a_deadline_does_not_wait_for_ever_to_do_them(left_s: float) -> None:
    run = job(3, None, left_h=left_s / 3600, restart_s=72.0, checkpoint_place="east-1a")

    up = decide(run, offers(), at_h=20.0)
    assert isinstance(up, Launch) and up.offer_id in (SPOT_A, SPOT_B)
    down = decide(run, offers(a_up=False), at_h=20.0)
    assert isinstance(down, Launch) and down.offer_id == SAFE
