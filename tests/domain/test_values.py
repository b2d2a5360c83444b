"""Domain values check themselves once, when they are made."""

from datetime import UTC, datetime
from decimal import Decimal

import pytest

from shoestring.domain.errors import JobFileInvalid, Problem
from shoestring.domain.model import ModelSpec
from shoestring.domain.offer import Price
from shoestring.domain.plan import WorkRange
from shoestring.domain.price import PricesWanted
from shoestring.domain.workload import HoursOf, Residency, Steps, Workload, work_hours

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("usd", ["-0.01", "NaN", "Infinity"])
def test_a_price_is_zero_or_more(usd: str) -> None:
    with pytest.raises(ValueError, match=r"price from bill: .* a price is 0 or more"):
        Price(usd_per_hour=Decimal(usd), source="bill", as_of=NOW)


def test_a_price_may_be_nothing_or_unknown() -> None:
    assert Price(usd_per_hour=Decimal(0), source="owned", as_of=NOW).usd_per_hour == 0
    assert Price(usd_per_hour=None, source="bill", as_of=NOW).usd_per_hour is None


@pytest.mark.parametrize("params", [0, -1, float("inf"), float("nan")])
def test_a_model_has_parameters(params: float) -> None:
    with pytest.raises(ValueError, match=r"a model of .* parameters; above 0"):
        ModelSpec(params=params)


@pytest.mark.parametrize("low_mid_high", [(0, 1, 2), (2, 1, 3), (1, 3, 2), (1, 2, float("inf"))])
def test_hours_of_work_ascend(low_mid_high: tuple[float, float, float]) -> None:
    low, mid, high = low_mid_high
    with pytest.raises(ValueError, match="ascending and above 0"):
        WorkRange(low_h=low, mid_h=mid, high_h=high, basis="a guess")
    assert WorkRange(low_h=1, mid_h=1, high_h=1, basis="measured").mid_h == 1


def test_prices_of_all_regions_are_wanted_unless_some_are_named() -> None:
    assert PricesWanted().has("eu-west-1")
    some = PricesWanted(regions=frozenset({"us-east-1"}))
    assert some.has("us-east-1") and not some.has("eu-west-1")


def test_data_stay_where_they_may_be() -> None:
    owned = Residency(owned_only=True)
    assert owned.allows("owned", "basement") and not owned.allows("aws", "eu-west-1")
    aws = Residency(providers=("aws",), regions=("eu-",))
    assert aws.allows("aws", "eu-west-1")
    assert not aws.allows("gcp", "eu-west-1") and not aws.allows("aws", "us-east-1")


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"name": ""}, "a workload needs a name"), ({"num_nodes": 0}, "num_nodes: 0; a job needs at least one"),
     ({"run": ""}, "w: nothing to run")],
)  # fmt: skip
def test_a_workload_has_a_name_a_node_and_something_to_run(fields: dict[str, object], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        Workload(**({"name": "w", "run": "true"} | fields))  # type: ignore[arg-type]


def test_hours_are_told_only_for_the_accelerator_they_are_known_of() -> None:
    assert work_hours(HoursOf(hours=5.0, accelerator="A100"), "a100") == 5.0
    assert work_hours(HoursOf(hours=5.0, accelerator="A100"), "H100") is None
    steps = Steps(steps=7200, steps_per_s={"T4": 0.5, "A100": 1.0})
    assert (work_hours(steps, "a100"), work_hours(steps, "T4"), work_hours(steps, "H100")) == (2.0, 4.0, None)
    assert work_hours(None, "A100") is None


def test_a_bad_job_file_counts_its_errors_and_names_the_first() -> None:
    told = Problem(where="run", message="missing")
    warned = Problem(where="name", message="odd", severity="warning")
    assert str(JobFileInvalid("job.yaml", (warned, told))).startswith(
        "job.yaml: 1 error; first: run: missing"
    )
    assert str(JobFileInvalid("job.yaml", (told, told))).startswith("job.yaml: 2 errors; first: run: missing")
    assert str(JobFileInvalid("job.yaml", (warned,))).startswith("job.yaml: 0 errors")
