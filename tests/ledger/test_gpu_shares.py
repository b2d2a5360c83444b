"""Parts of a GPU: they add up to one, and what nobody holds is a part too."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shoestring.ledger.allocate import AllocationRule, CostLine, allocate, total_by
from shoestring.ledger.gpu_shares import BASIS, held_mig, held_slices, mig_slices
from shoestring.ledger.split import REMAINDER

PROFILES = ["1g.5gb", "1g.10gb", "1g.10gb+me", "2g.10gb", "3g.20gb", "4g.20gb", "7g.40gb", "MIG-1g.5gb"]
names = st.sampled_from(["vision", "nlp", "speech", "search"])


@pytest.mark.parametrize(("profile", "slices"), [("1g.5gb", 1), ("3G.20GB", 3), ("MIG-7g.80gb", 7)])
def test_a_profile_says_its_compute_slices(profile, slices):
    assert mig_slices(profile) == slices


@pytest.mark.parametrize("profile", ["", "3g", "g.20gb", "3g.20gb; drop", "all"])
def test_what_is_no_profile_is_refused(profile):
    with pytest.raises(ValueError, match="no MIG profile"):
        mig_slices(profile)


def test_more_than_the_whole_is_refused():
    with pytest.raises(ValueError, match="more than the whole"):
        held_mig({"a": ["4g.20gb"], "b": ["4g.20gb"]})
    with pytest.raises(ValueError, match="0 or more"):
        held_slices({"a": -1}, 4)
    with pytest.raises(ValueError, match="0 parts"):
        held_slices({}, 0)


def test_an_a30_has_four_slices():
    assert held_mig({"a": ["2g.12gb"]}, 4) == {"a": 2, REMAINDER: 2}


@given(st.dictionaries(names, st.lists(st.sampled_from(PROFILES), max_size=3)))
def test_mig_instances_and_the_remainder_are_seven_slices(holders):
    asked = sum(mig_slices(p) for profiles in holders.values() for p in profiles)
    if asked > 7:
        with pytest.raises(ValueError):
            held_mig(holders)
        return
    held = held_mig(holders)
    assert sum(held.values()) == 7
    assert held.get(REMAINDER, 0) == 7 - asked


@given(
    st.dictionaries(names, st.integers(0, 5), min_size=1),
    st.integers(0, 20),
    st.decimals(-10_000, 10_000, places=12),
    st.sampled_from(sorted(BASIS)),
)
def test_a_shared_gpus_cost_goes_to_its_holders_and_the_remainder_to_the_last_step(counts, free, usd, basis):
    slices = held_slices(counts, max(1, sum(counts.values()) + free))
    rule = AllocationRule(
        name="gpu",
        match={"resource": ("node-7",)},
        to="team",
        method="slices",
        slices=slices,
        unit=BASIS[basis],
    )
    line = CostLine(keys={"resource": "node-7", "team": None}, usd=usd)
    done = allocate([line], [rule])
    assert sum((x.usd for x in done.lines), Decimal(0)) == usd
    if abs(usd) >= 1:  # else a share may be less than the last step, and no line
        assert sum(x.sharings[0].ratio for x in done.lines) == 1
        assert {(x.sharings[0].unit, x.sharings[0].quantity) for x in done.lines} == {
            (BASIS[basis], count) for count in slices.values() if count
        }
    for team, share in total_by(done.lines, "team").items():
        assert abs(share - usd * slices[team] / sum(slices.values())) <= Decimal("1e-12")
