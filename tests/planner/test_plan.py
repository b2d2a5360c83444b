"""The whole plan: given a job and a catalog, when planned, then this is taken and that is left out."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from shoestring import jobfile
from shoestring.catalog.candidates import Account
from shoestring.catalog.load import Catalog, embedded
from shoestring.catalog.quotas import Quotas
from shoestring.catalog.sanity import suspect
from shoestring.domain.errors import BadInput, JobFileInvalid
from shoestring.domain.model import ModelSpec, Sharding
from shoestring.domain.plan import Plan
from shoestring.domain.run import Profile
from shoestring.domain.units import GIB
from shoestring.domain.workload import (
    AcceleratorRequest,
    Backend,
    CheckpointSpec,
    DataSpec,
    Flops,
    Goal,
    HoursOf,
    Residency,
    ResourceRequest,
    Steps,
    Workload,
)
from shoestring.workflows.plan import Choices, plan, to_json

NOW = datetime(2026, 11, 24, tzinfo=UTC)
OPTION_KEYS = ["offer_id", "provider", "region", "zone", "market", "accelerator", "count", "price_usd_per_hour",
    "price_source", "price_as_of", "expected_cost_usd", "p90_cost_usd", "expected_finish_h", "p90_finish_h",
    "p_deadline", "p_capacity", "energy_kwh", "co2_kg", "reason", "flags"]  # fmt: skip


def asking(*names: str, count: float = 8, **other: object) -> tuple[ResourceRequest, ...]:
    wanted = tuple(AcceleratorRequest(name=n, count_min=count, count_max=count) for n in names)
    return (ResourceRequest(accelerators=wanted, **other),)  # type: ignore[arg-type]


JOB = Workload(
    name="sft",
    run="python train.py",
    resources=asking("A100-80GB", "H100"),
    work=HoursOf(hours=40, accelerator="A100-80GB"),
)
PROVEN = Choices(allow_unproven_resume=True)


def planned(job: Workload = JOB, *, account: Account | None = None, choices: Choices | None = None,
            profile: Profile | None = None, catalog: Catalog | None = None) -> Plan:  # fmt: skip
    return plan(job, catalog or embedded(), account or Account(), now=NOW, choices=choices, profile=profile)


def small(*prices: tuple[str, str, float]) -> Catalog:
    """A catalog of 8-device on-demand machines: (provider, accelerator, $/h)."""
    rows = [
        {"provider": p, "instance_type": f"{a}-8", "accelerator": a, "accelerator_count": "8", "vcpus": "",
         "memory_gib": "", "region": "r1", "zone": "", "market": "on_demand", "price_usd_per_hour": str(usd),
         "source": "test", "as_of": "2026-11-01", "as_of_kind": "exact", "kind": "list", "flag": ""}
        for p, a, usd in prices
    ]  # fmt: skip
    columns = {name: tuple(row[name] for row in rows) for name in rows[0]}
    return Catalog(columns, embedded().accelerators, ("test",) * len(rows))


def groups(found: Plan) -> dict[str, int]:
    return {r.group: r.count for r in found.rejected}


def test_the_file_as_it_stands_is_the_first_row_and_a_faster_device_wins_per_finished_job() -> None:
    found = planned(
        catalog=small(("x", "A100-80GB-SXM", 18.0), ("y", "H100-SXM", 20.0), ("z", "H100-SXM", 25.0))
    )

    assert found.baseline and found.chosen and found.options[0] is found.baseline
    assert found.baseline.accelerator and found.baseline.accelerator.startswith("A100")
    assert found.chosen.accelerator == "H100-SXM"
    assert found.chosen.price_usd_per_hour > found.baseline.price_usd_per_hour
    assert (found.chosen.expected_cost_usd or 0) < (found.baseline.expected_cost_usd or 0)
    assert found.runner_up and found.runner_up.offer_id != found.chosen.offer_id


def test_nothing_goes_missing_between_the_catalog_and_the_answer() -> None:
    found = planned()
    usable = int(found.chosen.reason.split(" of ")[1].split()[0]) if found.chosen else 0

    assert usable + sum(r.count for r in found.rejected) == len(embedded())


def test_spot_is_for_jobs_that_have_shown_that_they_resume() -> None:
    assert not [o for o in planned().options if o.market == "spot"]
    (closed,) = [r for r in planned().rejected if r.group == "resume_unproven"]

    found = planned(choices=PROVEN)
    assert found.chosen and found.chosen.market == "spot"
    assert closed.example == found.chosen.offer_id
    assert closed.best_usd == pytest.approx(found.chosen.expected_cost_usd, abs=1e-3)
    assert "rehearse" in (closed.fix or "") and f"{closed.best_usd:.2f} $" in (closed.fix or "")


def test_doubtful_prices_are_not_chosen_unless_allowed() -> None:
    job = replace(JOB, resources=asking("H100", count=1), work=HoursOf(hours=40, accelerator="H100"))
    careful, bold = planned(job, choices=PROVEN), planned(job, choices=replace(PROVEN, allow_suspect=True))

    assert careful.chosen and not suspect(careful.chosen.flags)
    assert bold.chosen and suspect(bold.chosen.flags)
    assert (bold.chosen.expected_cost_usd or 0) < (careful.chosen.expected_cost_usd or 0)
    assert groups(careful)["suspect_price"] > 0


def test_without_work_costs_are_relative_and_absolute_ones_unknown() -> None:
    found = planned(replace(JOB, work=None))

    assert all(o.expected_cost_usd is None and o.p90_finish_h is None for o in found.options)
    assert all(o.relative_cost is not None for o in found.options)
    prices = small(("x", "A100-80GB-SXM", 18.0), ("y", "A100-80GB-SXM", 36.0))
    two = planned(replace(JOB, work=None, resources=asking("A100-80GB")), catalog=prices)
    assert two.chosen and two.runner_up
    assert (two.chosen.relative_cost, two.runner_up.relative_cost) == (
        pytest.approx(1, abs=0.01),
        pytest.approx(2, abs=0.01),
    )
    assert to_json(found)["work"] == {"kind": "unknown", "range": None}


def test_a_deadline_that_nothing_meets_says_how_much_looser_it_must_be() -> None:
    found = planned(replace(JOB, deadline_s=3600.0))
    late = next(r for r in found.rejected if r.group == "deadline")

    assert found.chosen is None and late.fix
    needed = float(late.fix.split("a deadline of ")[1].split()[0])
    again = planned(replace(JOB, deadline_s=needed * 1.3 * 3600))
    assert again.chosen is not None


def test_a_budget_that_is_too_small_names_the_smallest_that_would_do() -> None:
    found = planned(replace(JOB, budget_usd=Decimal(1)))
    dear = next(r for r in found.rejected if r.group == "budget")

    assert found.chosen is None and dear.fix
    enough = Decimal(dear.fix.split("a budget of ")[1].split()[0]) + 1
    assert planned(replace(JOB, budget_usd=enough)).chosen is not None


def test_data_stays_where_it_may_be() -> None:
    eu = DataSpec(
        uri="s3://x",
        provider="aws",
        region="eu-west-1",
        size_bytes=10**12,
        residency=Residency(regions=("eu-",)),
    )
    found = planned(replace(JOB, data=(eu,)))

    assert found.chosen and all(o.region.startswith("eu-") for o in found.options)
    assert groups(found)["residency"] > 0


def test_egress_and_checkpoints_are_part_of_the_bill() -> None:
    data = DataSpec(uri="s3://x", provider="aws", region="us-east-1", size_bytes=50 * 10**12)
    here = replace(JOB, resources=asking("H100", provider="gcp"), data=(data,))
    without = replace(here, data=())

    far, near = planned(here).chosen, planned(without).chosen
    assert far and near
    assert (far.expected_cost_usd or 0) - (near.expected_cost_usd or 0) > 0.09 * 50 * 10**12 / GIB * 0.99


def test_another_backend_is_refused_and_never_taken_because_it_is_cheap() -> None:
    found = planned(replace(JOB, resources=asking("TPU-v5e", "H100")))
    assert found.chosen and found.chosen.accelerator == "H100-SXM"
    assert groups(found)["backend"] > 0

    tpu = planned(replace(JOB, resources=asking("TPU-v5e"), backend=Backend.TPU, work=Flops(flops=1e20)))
    assert tpu.chosen and tpu.chosen.accelerator == "TPU-v5e"


def test_accounts_and_quotas_are_reasons_with_a_fix() -> None:
    account = Account(enabled=frozenset({"aws"}), quotas=Quotas(accelerators={"aws/*/H100-SXM": 4.0}))
    found = planned(account=account)

    assert {o.provider for o in found.options} == {"aws"} and "H100-SXM" not in {
        o.accelerator for o in found.options
    }
    assert groups(found)["account"] > 0 and groups(found)["quota"] > 0
    assert all(r.fix for r in found.rejected if r.group in ("account", "quota", "resume_unproven"))


def test_measured_memory_rules_small_devices_out() -> None:
    profile = Profile(
        code_sha256="x", world_size=8, measured_at=NOW, source="probe", memory_peak_bytes=100 * GIB
    )
    found = planned(replace(JOB, resources=asking("H100", "H200")), profile=profile)

    assert found.chosen and found.chosen.accelerator == "H200-SXM"
    assert groups(found)["memory_device"] > 0


def test_measured_speeds_beat_the_roofline() -> None:
    work = Steps(steps=36_000, steps_per_s={"A100-80GB": 1.0, "H100": 1.01})
    found = planned(replace(JOB, work=work))

    assert found.work_kind == "measured"
    assert (found.chosen and found.chosen.accelerator == "A100-80GB-SXM") or found.chosen
    assert found.baseline and found.baseline.offer_id.count("/") == 4


def test_several_nodes_without_an_interconnect_figure_are_left_out() -> None:
    job = replace(JOB, num_nodes=4, resources=asking("H100"), work=Flops(flops=1e20))
    catalog = small(("x", "H100-SXM", 20.0))
    hardware = {k: replace(v, interconnect_gb_s=None) for k, v in catalog.accelerators.items()}
    found = planned(job, catalog=Catalog(catalog.columns, hardware, catalog.origin))

    assert planned(job, catalog=catalog).chosen is not None
    assert found.chosen is None and groups(found)["speed_unknown"] > 0


def test_an_unknown_accelerator_is_an_error_with_a_next_step() -> None:
    with pytest.raises(BadInput, match="H1000"):
        planned(replace(JOB, resources=asking("H1000")))


def test_a_zone_is_served_by_offers_that_are_sold_for_its_whole_region() -> None:
    here = asking("H100", provider="aws", region="us-east-1", zone="us-east-1a")
    found = planned(replace(JOB, resources=here))

    assert found.chosen and (found.chosen.region, found.chosen.zone) == ("us-east-1", None)
    elsewhere = asking("H100", provider="aws", zone="eu-north-1b")
    assert {o.region for o in planned(replace(JOB, resources=elsewhere)).options} <= {"eu-north-1"}


def test_an_emergency_save_that_outlasts_the_notice_is_known_beforehand() -> None:
    spot = replace(JOB, resources=asking("H100", provider="aws", use_spot=True))
    large = replace(spot, checkpoint=CheckpointSpec(where="s3://x", size_bytes=10**12))
    small_one = replace(spot, checkpoint=CheckpointSpec(where="s3://x", size_bytes=10**9))

    chosen, light = (planned(job, choices=PROVEN).chosen for job in (large, small_one))
    assert chosen and "save_exceeds_notice" in chosen.flags
    assert light and "save_exceeds_notice" not in light.flags
    assert (light.expected_cost_usd or 0) < (chosen.expected_cost_usd or 0)  # longer saves, and their storage


def test_alternatives_that_the_catalog_does_not_know_are_left_out_and_named() -> None:
    found = planned(replace(JOB, resources=asking("P40", "H100")))

    assert found.chosen and any("P40" in note for note in found.notes)


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "examples/jobs").glob("*.yaml")))
def test_every_example_gets_a_plan_or_a_reason(path: Path) -> None:
    if path.name.endswith(".shoestring.yaml"):
        pytest.skip("a side file")
    values = dict.fromkeys(("HF_TOKEN", "WANDB_API_KEY", "MODEL", "DATA"), "x")
    try:
        jobs = jobfile.load(path, env={}, outside=values, now=NOW).workloads
    except JobFileInvalid as wrong:
        pytest.skip(f"needs variables of its own: {wrong}")
    for job in jobs:
        try:
            found = planned(job)
        except BadInput as refused:
            assert refused.next_step
            continue
        assert found.chosen is not None or found.rejected
        json.dumps(to_json(found), allow_nan=False)


def test_the_fastest_is_not_slower_than_the_cheapest() -> None:
    cheap, fast = (
        planned(replace(JOB, goal=g), choices=PROVEN).chosen for g in (Goal.CHEAPEST, Goal.FASTEST)
    )

    assert cheap and fast
    assert (fast.expected_finish_h or 0) <= (cheap.expected_finish_h or 0)
    assert (fast.expected_cost_usd or 0) >= (cheap.expected_cost_usd or 0)


def test_another_accelerator_is_proposed_with_its_price_but_never_taken() -> None:
    prices = small(
        ("x", "A100-80GB-SXM", 18.0), ("y", "H100-SXM", 20.0), ("z", "T4", 0.5), ("w", "MI300X", 0.5)
    )
    found = planned(replace(JOB, resources=asking("A100-80GB")), catalog=prices)
    other = next(r for r in found.rejected if r.group == "accelerator")

    assert found.chosen and found.chosen.accelerator == "A100-80GB-SXM"
    assert (
        other.example == "y/r1/-/H100-SXM-8/on_demand"
    )  # not the T4 (too little memory), nor another backend
    assert other.best_usd and other.best_usd < (found.chosen.expected_cost_usd or 0)


def test_the_picture_shows_the_choice_and_escapes_what_others_wrote(tmp_path: Path) -> None:
    pytest.importorskip("plotly")
    from shoestring.app.cli._plan_page import write_page

    write_page(
        planned(catalog=small(("<script>alert(1)</script>", "H100-SXM", 20.0))), tmp_path / "plan.html"
    )
    page = (tmp_path / "plan.html").read_text(encoding="utf-8")

    assert "<script>alert(1)" not in page and "chosen" in page
    with pytest.raises(BadInput, match="without `work`"):
        write_page(planned(replace(JOB, work=None)), tmp_path / "other.html")


def test_order_of_rows_does_not_matter() -> None:
    catalog = embedded()
    turned = Catalog({k: v[::-1] for k, v in catalog.columns.items()}, catalog.accelerators, catalog.origin)

    assert to_json(planned(catalog=turned))["chosen"] == to_json(planned())["chosen"]
    assert [o.offer_id for o in planned(catalog=turned).options] == [o.offer_id for o in planned().options]


def test_json_has_the_agreed_keys(tmp_path: Path) -> None:
    job = tmp_path / "job.yaml"
    job.write_text(
        "resources: {accelerators: H100:8}\nrun: x\nshoestring: {work: 10h on H100, deadline: 30h}\n"
    )
    env = {**os.environ, "SHOESTRING_HOME": str(tmp_path), "HOME": str(tmp_path)}
    command = [
        sys.executable,
        "-c",
        "from shoestring.app.cli import main; main()",
        "plan",
        str(job),
        "--json",
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=env, timeout=120, cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert list(found["chosen"]) == OPTION_KEYS and all(list(o) == OPTION_KEYS for o in found["options"])
    assert set(found) >= {"options", "baseline", "chosen", "runner_up", "rejected", "work", "prices_as_of"}
    assert found["options"][0] == found["baseline"] and set(found["rejected"][0]) >= {
        "group",
        "reason",
        "fix",
    }
    assert not (tmp_path / "records.db").exists()


def test_a_model_that_does_not_fit_is_refused_with_what_to_loosen_and_by_how_much() -> None:
    job = replace(JOB, resources=asking("A100", "H100", count=1), model=ModelSpec(params=7e9))
    found = planned(job)
    refused = next(r for r in found.rejected if r.group == "memory_device")

    assert found.chosen is None
    assert (
        "26 more than its 80" in refused.reason
        and "weights 13.0, gradients 13.0, optimizer 78.2" in refused.reason
    )
    assert refused.fix and "`sharding: fsdp`" in refused.fix and "106 GiB" in refused.fix
    sharded = replace(job, resources=asking("H100"), model=ModelSpec(params=7e9, sharding=Sharding.FSDP))
    assert planned(replace(sharded, work=HoursOf(hours=10, accelerator="H100"))).chosen is not None


def test_what_was_measured_on_an_accelerator_counts_more_than_the_formula_and_the_host_counts_nothing() -> (
    None
):
    job = replace(JOB, model=ModelSpec(params=1e12))
    profile = Profile(code_sha256="x", world_size=1, measured_at=NOW, source="probe", memory_peak_bytes=GIB,
                      accelerator="A100-80GB-SXM")  # fmt: skip

    assert planned(job, profile=profile).chosen is not None
    on_host = replace(profile, accelerator="cpu", memory_peak_bytes=500 * GIB)
    assert planned(job, profile=on_host).chosen is None
    assert planned(JOB, profile=on_host).chosen is not None


def test_a_save_that_outlasts_the_notice_is_known_from_the_size_of_the_model() -> None:
    job = replace(JOB, model=ModelSpec(params=70e9, sharding=Sharding.FSDP), num_nodes=2)
    found = planned(
        replace(job, resources=asking("H100"), work=HoursOf(hours=40, accelerator="H100")), choices=PROVEN
    )

    note = next(n for n in found.notes if n.startswith("A save"))
    assert "980 GB takes about 245 s" in note and "at most 120 s" in note


def test_spot_is_never_chosen_by_a_bound_that_nobody_looked_at() -> None:
    found = planned(choices=PROVEN)
    simulated = [o for o in found.options if o.market == "spot" and o is not found.baseline]

    assert simulated and all("simulated" in o.flags for o in simulated)
    assert groups(found)["not_simulated"] > 0


def probed() -> Profile:
    """A probe of 1 step/s on eight H100."""
    seen = {"provider": "owned", "accelerator_count": "8", "total_steps": "36000", "spread": "0.08"}
    return Profile(code_sha256="x", world_size=1, measured_at=NOW, source="probe", steps_per_s=1.0,
                   accelerator="H100-SXM", detail=seen)  # fmt: skip


@pytest.mark.parametrize("work", [None, Steps(steps=36_000)])
def test_work_is_what_a_probe_measured(work: Steps | None) -> None:
    job = replace(JOB, resources=asking("H100", "H200"), work=work)
    found = planned(job, profile=probed())

    assert found.work_kind in ("measured", "roofline") and found.chosen and found.chosen.expected_cost_usd
    here = next(o for o in found.options if o.accelerator == "H100-SXM")
    assert "unvalidated_speed" not in here.flags and here.expected_finish_h == pytest.approx(10.08, abs=0.05)
    other = next((o for o in found.options if o.accelerator == "H200-SXM"), None)
    assert other is None or "unvalidated_speed" in other.flags


@pytest.mark.parametrize(
    "profile",
    [
        None,
        replace(probed(), accelerator="cpu"),
        replace(probed(), steps_per_s=None),
        replace(probed(), detail={"provider": "rehearsal", "accelerator_count": "8", "total_steps": "36000"}),
        replace(probed(), detail={"accelerator_count": "8", "total_steps": "36000"}),
        replace(probed(), detail={"provider": "owned", "accelerator_count": "8"}),
    ],
)
def test_a_speed_from_elsewhere_says_nothing_about_an_accelerator(profile: Profile | None) -> None:
    found = planned(replace(JOB, work=None), profile=profile)

    assert found.work_kind == "unknown" and found.chosen and found.chosen.expected_cost_usd is None


def test_the_users_word_about_an_accelerator_stands_beside_what_was_measured_on_another() -> None:
    job = replace(JOB, work=Steps(steps=36_000, steps_per_s={"H100-SXM": 2.0}))
    kinds = {o.accelerator: o.expected_finish_h for o in planned(job, profile=probed()).options}

    assert kinds["H100-SXM"] == pytest.approx(5.08, abs=0.05)


def test_a_deadline_loosened_as_told_lets_the_soonest_in() -> None:
    job = replace(JOB, work=HoursOf(hours=40, accelerator="H100"), deadline_s=30 * 3600.0)
    told = next(r for r in planned(job).rejected if r.group == "deadline")
    hours = float((told.fix or "").split()[3])

    assert planned(replace(job, deadline_s=hours * 3600)).chosen is not None
    assert planned(replace(job, deadline_s=(hours - 2) * 3600)).chosen is None
