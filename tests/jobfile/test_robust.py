"""Whatever a file holds, the door answers with a job or with problems, and never with anything else."""

import os
from pathlib import Path

import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shoestring import jobfile
from shoestring.domain.errors import JobFileInvalid
from shoestring.jobfile.block import KEYS
from shoestring.jobfile.skypilot import RESOURCE_KEYS, TASK_KEYS
from shoestring.workflows.validate import summary
from tests.jobfile.given import NOW, write

EXAMPLES = [p.read_text() for p in sorted((Path(__file__).parents[2] / "examples" / "jobs").glob("*.yaml"))]
COUNT = int(os.environ.get("SHOESTRING_JOBFILE_FUZZ", "150"))
many = settings(
    max_examples=COUNT,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=20), st.dates(), st.datetimes(),
    st.sampled_from(["H100:8", "aws/us-east-1", "24GB+", "1..8", "36h", "25 USD", "s3://b/x", "${A}", ".."]),
)  # fmt: skip
keys = st.sampled_from(
    sorted({*TASK_KEYS, *RESOURCE_KEYS, *KEYS, "uri", "where", "hours", "steps", "url", "metric"})
)
values = st.recursive(
    scalars, lambda v: st.one_of(st.lists(v, max_size=3), st.dictionaries(keys, v, max_size=4)), max_leaves=12
)
documents = st.dictionaries(st.one_of(keys, st.just("shoestring")), values, max_size=6)


def answer(path: Path) -> None:
    try:
        job = jobfile.load(path, outside={}, now=NOW)
    except JobFileInvalid as refused:
        assert any(p.severity == "error" for p in refused.problems)
        return
    jobfile.plain_yaml(job)
    assert all(summary(w) for w in job.workloads)


@many
@given(document=documents)
def test_any_values_under_the_known_keys(document: object, tmp_path: Path) -> None:
    answer(write(tmp_path, yaml.safe_dump({"run": "x", **document})))  # type: ignore[dict-item]


@many
@given(
    text=st.sampled_from(EXAMPLES),
    at=st.integers(0, 4000),
    length=st.integers(0, 12),
    put=st.one_of(
        st.text(max_size=6), st.sampled_from([": ", "\n", "- ", "{", "]", "&a ", "*a", "|\n", "!!x ", "\t"])
    ),
)
def test_examples_with_something_broken_in_them(
    text: str, at: int, length: int, put: str, tmp_path: Path
) -> None:
    at %= len(text)
    answer(write(tmp_path, (text[:at] + put + text[at + length :]).encode("utf-8", "surrogatepass")))


@many
@given(data=st.binary(max_size=200))
def test_any_bytes(data: bytes, tmp_path: Path) -> None:
    answer(write(tmp_path, data))
