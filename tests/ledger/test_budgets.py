"""Budgets: a tree of limits, where each stands, and what it leaves to a run."""

from datetime import date, timedelta
from decimal import Decimal

import pytest

from shoestring.ledger.budgets import Budget, Commitment, Spending, allowances_for, status_of, tree
from shoestring.ledger.forecast import forecast

TODAY = date(2026, 1, 11)
VISION = {"team": "vision", "project": "eyes"}


def budget(limit="100", **kwargs):
    scope = {k: kwargs.pop(k) for k in ("team", "project", "experiment") if k in kwargs}
    return Budget(scope=scope, limit_usd=Decimal(limit), **kwargs)


def spend(day, usd, labels=VISION, **kwargs):
    return Spending(day=date(2026, 1, day), labels=labels, usd=Decimal(usd), **kwargs)


def status(b, *spending, commitments=()):
    return status_of(b, spending, commitments, TODAY)


def test_only_what_carries_the_labels_counts():
    other = spend(3, "50", {"team": "nlp"})
    assert status(budget(team="vision"), spend(2, "10"), other).spent_usd == 10
    assert status(budget(), spend(2, "10"), other).spent_usd == 60


def test_a_month_begins_anew_and_a_one_off_does_not():
    december = Spending(day=date(2025, 12, 31), labels=VISION, usd=Decimal(70))
    assert status(budget(), december, spend(1, "10")).spent_usd == 10
    assert status(budget(period="once"), december, spend(1, "10")).spent_usd == 80
    assert status(budget(period="once", since=date(2026, 1, 1)), december, spend(1, "10")).spent_usd == 10


def test_forecast_and_day_of_breach_follow_the_daily_rate():
    s = status(budget("150"), *(spend(day, "10") for day in range(1, 11)))
    assert s.forecast_usd == 310
    assert s.breach_on == date(2026, 1, 15)  # ten days spent 100; the 150th dollar is the fifteenth's last


def test_today_counts_when_it_has_already_cost_more_than_the_rate():
    assert status(budget("150"), spend(1, "10"), spend(11, "400")).forecast_usd == 410


def test_a_budget_that_is_passed_is_breached_today():
    s = status(budget("5"), spend(2, "10"))
    assert (s.breached, s.remaining_usd, s.breach_on) == (True, -5, TODAY)


def test_nothing_can_be_forecast_without_a_whole_day():
    first = status_of(budget(), [spend(1, "10")], (), date(2026, 1, 1))
    assert (first.forecast_usd, first.breach_on) == (None, None)


def test_a_one_off_has_no_end_but_a_day_on_which_it_will_be_used_up():
    s = status(budget("1000", period="once"), *(spend(day, "10") for day in range(1, 11)))
    assert (s.forecast_usd, s.breach_on) == (
        None,
        date(2026, 4, 10),
    )  # ninety days more, from the eleventh on
    never = status(budget("10000", period="once"), *(spend(day, "10") for day in range(1, 11)))
    assert never.breach_on is None


def test_the_first_day_of_a_month_learns_from_the_month_before():
    past = [spend(day, "10") for day in range(1, 32)]
    s = status_of(budget(), [], (), date(2026, 2, 1), past)
    assert (s.spent_usd, s.forecast_usd, s.breach_on) == (0, 280, date(2026, 2, 10))


def test_the_forecast_is_the_outlooks():
    daily = [100 + 7 * n + (50 if n % 7 < 5 else 0) for n in range(10 + 60)]
    start = TODAY - timedelta(days=len(daily))
    past = [Spending(day=start + timedelta(days=n), labels={}, usd=Decimal(v)) for n, v in enumerate(daily)]
    s = status_of(budget(), past, (), TODAY)
    told = forecast([float(v) for v in daily], 21)
    assert float(s.forecast_usd) == pytest.approx(sum(daily[-10:]) + told.total)


def test_what_running_jobs_will_cost_and_what_others_spent_is_shown_beside():
    s = status(
        budget(team="vision"),
        spend(2, "10"),
        spend(3, "7", ours=False),
        commitments=[Commitment(labels=VISION, usd=Decimal(30)), Commitment(labels={}, usd=Decimal(9))],
    )
    assert (s.spent_usd, s.outside_usd, s.committed_usd) == (17, 7, 30)


def test_a_run_gets_every_allowance_on_its_path():
    statuses = [
        status(budget("100", on_breach="suspend"), spend(2, "10")),
        status(budget("50", team="vision", on_breach="hold"), spend(2, "10")),
        status(budget("9", team="nlp"), spend(2, "10")),
    ]
    left = [(a.scope, a.remaining_usd, a.on_breach) for a in allowances_for(VISION, statuses)]
    assert left == [("organization", 90.0, "suspend"), ("team=vision", 40.0, "hold")]


def test_the_tree_follows_from_the_scopes():
    budgets = [budget(team="vision", project="eyes"), budget(team="nlp"), budget(), budget(team="vision")]
    assert [(depth, b.name) for depth, b in tree(budgets)] == [
        (0, "organization"),
        (1, "team=nlp"),
        (1, "team=vision"),
        (2, "team=vision/project=eyes"),
    ]


@pytest.mark.parametrize("bad", [{"on_breach": "kill"}, {"period": "day"}, {"limit": "-1"}, {"limit": "NaN"}])
def test_budgets_that_make_no_sense_are_refused(bad):
    with pytest.raises(ValueError):
        budget(**bad)


def test_a_budget_is_used_up_with_its_last_cent_and_nothing_is_a_budget_too():
    assert status(budget("10"), spend(2, "10")).breached
    assert not status(budget("10"), spend(2, "9.50")).breached
    assert status(budget("10"), spend(2, "10")).breach_on == TODAY
    assert budget("0").limit_usd == 0 and status(budget("0")).breached
    assert budget("0.50").limit_usd == Decimal("0.50")


def test_a_month_that_ends_just_at_its_limit_is_used_up_on_its_last_day():
    ten_days = [spend(day, "10") for day in range(1, 11)]
    assert status(budget("310.01"), *ten_days).breach_on is None
    assert status(budget("310"), *ten_days).breach_on == date(2026, 1, 31)
    assert status(budget("300"), *ten_days).breach_on == date(2026, 1, 30)


def test_a_month_in_which_nothing_is_spent_goes_on_so():
    quiet = status(budget("10"), *(spend(day, "0") for day in range(1, 11)))
    assert (quiet.forecast_usd, quiet.breach_on) == (0, None)


def test_one_whole_day_is_enough_to_go_by():
    first = status_of(budget(), [spend(1, "10")], (), date(2026, 1, 2))
    assert first.forecast_usd == 310


def test_each_teams_projects_stand_below_it_and_before_the_next_team():
    teams = [budget(team="zoo"), budget(team="vision"), budget(team="vision", project="eyes")]
    assert [b.name for _, b in tree(teams)] == ["team=vision", "team=vision/project=eyes", "team=zoo"]


def test_the_end_of_a_one_off_is_looked_for_a_year_ahead():
    """Ten dollars a day, a hundred are spent: 366 days from today on take 3,660 more."""
    ten_days = [spend(day, "10") for day in range(1, 11)]
    assert status(budget("3760", period="once"), *ten_days).breach_on == TODAY + timedelta(days=365)
    assert status(budget("3760.01", period="once"), *ten_days).breach_on is None
