"""Resources: every form of SkyPilot's `resources:` becomes requests, and mistakes name their line."""

from decimal import Decimal
from pathlib import Path

import pytest

from shoestring.domain.workload import AcceleratorRequest, Backend, ResourceRequest
from tests.jobfile.given import error, errors, read, workload


def requests(folder: Path, text: str) -> tuple[ResourceRequest, ...]:
    return workload(folder, "resources:\n" + "".join(f"  {line}\n" for line in text.splitlines())).resources


def accelerator(name: str, low: float = 1, high: float | None = 1) -> AcceleratorRequest:
    return AcceleratorRequest(name=name, count_min=low, count_max=high)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("H100", accelerator("H100")),
        ("h100:8", accelerator("H100", 8, 8)),
        ("H100:1..", accelerator("H100", 1, None)),
        ("H100:2+", accelerator("H100", 2, None)),
        ("A100-80GB:1..4", accelerator("A100-80GB", 1, 4)),
        ("L4:0.5", accelerator("L4", 0.5, 0.5)),
        ("{H100: 8}", accelerator("H100", 8, 8)),
        ("{H100: 4..}", accelerator("H100", 4, None)),
        ("{V100:4}", accelerator("V100", 4, 4)),
        ("tpu-v5litepod-16", accelerator("tpu-v5litepod-16")),
        ("[L40S:2]", accelerator("L40S", 2, 2)),
    ],
)
def test_one_accelerator_in_any_form(written: str, meant: AcceleratorRequest, tmp_path: Path) -> None:
    (only,) = requests(tmp_path, f"accelerators: {written}")
    assert only.accelerators == (meant,)
    assert only.rank is None


def test_a_mapping_is_a_set_and_a_list_is_an_order(tmp_path: Path) -> None:
    (either,) = requests(tmp_path, "accelerators: {L4: 1, T4: 2}")
    assert either.accelerators == (accelerator("L4"), accelerator("T4", 2, 2))
    ordered = requests(tmp_path, "accelerators: [T4:2, L4]")
    assert [(r.accelerators[0].name, r.rank) for r in ordered] == [("T4", 0), ("L4", 1)]


def test_memory_instead_of_a_name_means_devices_of_the_jobs_own_family(tmp_path: Path) -> None:
    (cuda,) = requests(tmp_path, "accelerators: 24GB..48GB:2")
    names = {a.name for a in cuda.accelerators}
    assert {"L4", "A10G", "A100-40GB-SXM", "L40S"} <= names
    assert not names & {"T4", "A100-80GB", "H100", "TPU-v3"}
    assert {(a.count_min, a.count_max) for a in cuda.accelerators} == {(2, 2)}
    rocm = workload(tmp_path, "resources: {accelerators: 192GB+}\nshoestring: {backend: rocm}").resources[0]
    assert {a.name for a in rocm.accelerators} == {"MI300X", "MI325X", "MI350X", "MI355X"}
    (named,) = requests(tmp_path, "accelerators: amd:128GB")
    assert {a.name for a in named.accelerators} == {"MI250", "MI250X"}


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("infra: aws", ("aws", None, None)),
        ("infra: AWS/us-east-1", ("aws", "us-east-1", None)),
        ("infra: aws/us-east-1/us-east-1a", ("aws", "us-east-1", "us-east-1a")),
        ("infra: '*/us-east-1'", (None, "us-east-1", None)),
        ("infra: aws/*/us-east-1a", ("aws", None, "us-east-1a")),
        ("infra: k8s", ("kubernetes", None, None)),
        ("infra: k8s/arn:aws:eks:r:1:cluster/ml", ("kubernetes", "arn:aws:eks:r:1:cluster/ml", None)),
        ("infra: slurm/hpc/gpu", ("slurm", "hpc", "gpu")),
        ("infra: ssh/office", ("ssh", "office", None)),
        ("{cloud: GCP, region: us-central1, zone: us-central1-a}", ("gcp", "us-central1", "us-central1-a")),
    ],
)
def test_places_in_any_form(written: str, place: tuple[str | None, ...], tmp_path: Path) -> None:
    text = written if written.startswith("{") else f"{{{written}}}"
    (only,) = workload(tmp_path, f"resources: {text}").resources
    assert (only.provider, only.region, only.zone) == place


def test_candidates_override_the_base(tmp_path: Path) -> None:
    base = "accelerators: H100:8\nuse_spot: true\nmemory: 512GB+\nmax_hourly_cost: 40\n"
    first, second = requests(
        tmp_path, base + "any_of:\n  - infra: aws\n  - {infra: gcp, use_spot: false, cpus: 64+}"
    )
    assert (first.provider, first.use_spot, first.cpus_min, first.rank) == ("aws", True, None, None)
    assert (second.provider, second.use_spot, second.cpus_min) == ("gcp", False, 64)
    assert first.accelerators == second.accelerators == (accelerator("H100", 8, 8),)
    assert first.memory_gib_min == 512
    assert first.max_hourly_usd == Decimal(40)
    ranked = requests(tmp_path, base + "ordered:\n  - infra: aws\n  - infra: gcp")
    assert [r.rank for r in ranked] == [0, 1]


def test_nothing_said_means_any_node_and_any_market(tmp_path: Path) -> None:
    assert workload(tmp_path, "").resources == (ResourceRequest(),)


def test_sizes_are_powers_of_two_as_skypilot_counts_them(tmp_path: Path) -> None:
    (only,) = requests(tmp_path, "disk_size: 1TB\nmemory: 1024MB\ncpus: 4")
    assert (only.disk_gib, only.memory_gib_min, only.cpus_min) == (1024, 1, 4)


def test_recovery_counts_restarts_and_exit_codes(tmp_path: Path) -> None:
    found = workload(
        tmp_path,
        "resources: {job_recovery:"
        " {strategy: FAILOVER, max_restarts_on_errors: 3, recover_on_exit_codes: 33}}",
    )
    assert (found.max_restarts_on_errors, found.recover_on_exit_codes) == (3, (33,))
    assert workload(tmp_path, "resources: {job_recovery: EAGER_NEXT_REGION}").max_restarts_on_errors == 0
    file = read(tmp_path, "run: x\nresources: {job_recovery: SHOESTRING}")
    assert "not one of SkyPilot's own" in file.warnings[0].message


def test_a_typo_in_an_accelerator_is_refused_with_the_nearest_name(tmp_path: Path) -> None:
    problem = error(tmp_path, "resources:\n  infra: aws\n  accelerators: H10O:8\n")
    assert (problem.where, problem.line) == ("resources.accelerators", 4)
    assert "H10O" in problem.message
    assert "Did you mean 'H100'?" in problem.message
    assert problem.allowed and "24GB" in problem.allowed


def test_a_cluster_of_ones_own_may_name_its_accelerators(tmp_path: Path) -> None:
    file = read(tmp_path, "run: x\nresources: {infra: slurm/hpc, accelerators: a100_3g.20gb:2}")
    assert file.workloads[0].resources[0].accelerators == (accelerator("a100_3g.20gb", 2, 2),)
    assert [w.severity for w in file.warnings] == ["warning"]


def test_only_tpus_asked_for_means_tpu_code(tmp_path: Path) -> None:
    assert workload(tmp_path, "resources: {accelerators: tpu-v4-8}").backend is Backend.TPU
    assert workload(tmp_path, "resources: {accelerators: MI300X:8}").backend is Backend.ROCM
    assert workload(tmp_path, "resources: {accelerators: {H100: 1, tpu-v4-8: 1}}").backend is Backend.CUDA
    assert workload(tmp_path, "").backend is Backend.CUDA
    assert workload(tmp_path, "shoestring: {backend: cpu}").backend is Backend.CPU


def test_a_backend_that_no_accelerator_runs_is_refused(tmp_path: Path) -> None:
    problem = error(tmp_path, "resources: {accelerators: MI300X}\nshoestring: {backend: cuda}")
    assert problem.where == "shoestring.backend"
    assert "MI300X runs rocm" in problem.message


@pytest.mark.parametrize(
    ("written", "where"),
    [
        ("accelerators: H100:0", "accelerators"),
        ("accelerators: H100:8..4", "accelerators"),
        ("accelerators: H100:many", "accelerators"),
        ("accelerators: 999GB+", "accelerators"),
        ("use_spot: often", "use_spot"),
        ("cpus: -4", "cpus"),
        ("cpus: 4GB", "cpus"),
        ("memory: lots", "memory"),
        ("memory: 0", "memory"),
        ("max_hourly_cost: -1", "max_hourly_cost"),
        ("disk_tier: fastest", "disk_tier"),
        ("ports: 99999", "ports"),
        ("ports: [80, 90-70]", "ports[1]"),
        ("image_id: '--privileged'", "image_id"),
        ("autostop: soon", "autostop"),
        ("infra: a/b/c/d", "infra"),
        ("any_of: []", "any_of"),
        ("any_of: [aws]", "any_of[0]"),
        ("any_of: [{ordered: [{infra: aws}]}]", "any_of[0].ordered"),
        ("job_recovery: {max_restarts_on_errors: -1}", "job_recovery.max_restarts_on_errors"),
        ("job_recovery: {recover_on_exit_codes: [1, 300]}", "job_recovery.recover_on_exit_codes[1]"),
    ],
)
def test_a_wrong_value_is_named_by_its_place(written: str, where: str, tmp_path: Path) -> None:
    found = errors(tmp_path, f"run: x\nresources:\n  {written}\n")
    assert list(found) == [f"resources.{where}"]
    problem = found[f"resources.{where}"]
    assert problem.line == 3
    assert problem.allowed


def test_infra_and_its_older_form_exclude_each_other(tmp_path: Path) -> None:
    assert error(tmp_path, "resources:\n  infra: aws\n  region: us-east-1").where == "resources.region"
    both = error(tmp_path, "resources: {any_of: [{infra: aws}], ordered: [{infra: aws}]}")
    assert both.where == "resources.ordered"


def test_too_many_combinations_are_refused_and_counted(tmp_path: Path) -> None:
    entries = "\n".join("    - infra: aws" for _ in range(65))
    assert "65 entries" in error(tmp_path, f"resources:\n  any_of:\n{entries}").message
