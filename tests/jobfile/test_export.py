"""Export: SkyPilot's part of the file as it was written, and nothing of ours."""

from pathlib import Path

import pytest
import yaml

from shoestring import jobfile
from tests.jobfile.given import read

EXAMPLES = sorted(
    p
    for p in (Path(__file__).parents[2] / "examples" / "jobs").glob("*.yaml")
    if ".shoestring." not in p.name
)


def documents(text: str) -> list[object]:
    return [d for d in yaml.safe_load_all(text) if d is not None]


def without_block(text: str) -> list[object]:
    return [{k: v for k, v in d.items() if k != "shoestring"} for d in documents(text) if isinstance(d, dict)]


def test_the_block_is_cut_out_and_the_rest_stays_to_the_byte(tmp_path: Path) -> None:
    before, after = "# why\nname: a   # odd spacing\n\n", "\n# about run\nrun: |\n  x\n\n"
    text = before + "shoestring:\n  deadline: 2h  # soon\n\n  budget: 5\n" + after
    assert jobfile.plain_yaml(read(tmp_path, text)).text == before + after


@pytest.mark.parametrize(
    "text",
    [
        "{run: x, shoestring: {deadline: 2h}, name: a}",
        "run: x\nshoestring: {labels: &l {team: a}}\nresources: {labels: *l}\n",
        "run: x\nshoestring:\n  {deadline: 2h,\nbudget: 5}\nname: a\n",
        "run: x\nshoestring:\n  deadline: >-\n    2h\nname: a\n",
        "shoestring: {deadline: 2h}\nrun: x",
        "name: p\n---\nrun: x\nshoestring: {budget: 5}\n---\nrun: y\n",
        "run: |\n  cat <<EOF\n  shoestring:\n    a\n  EOF\nshoestring: {budget: 5}\n",
    ],
)
def test_skypilot_reads_the_same_whatever_the_layout(text: str, tmp_path: Path) -> None:
    exported = jobfile.plain_yaml(read(tmp_path, text)).text
    assert documents(exported) == without_block(text)
    assert [list(d) for d in documents(exported)] == [list(d) for d in without_block(text)]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda p: p.stem)
def test_every_example_exports_to_what_skypilot_would_read(path: Path) -> None:
    text = path.read_text()
    exported = jobfile.plain_yaml(jobfile.load(path, outside={})).text
    assert documents(exported) == without_block(text)
    if "shoestring:\n" not in text:
        assert exported == text


@pytest.mark.parametrize("value", ["canary", "'canary'", "|\n    canary\n    canary", ">-\n    canary"])
def test_secret_values_are_left_out_unless_asked_for(value: str, tmp_path: Path) -> None:
    file = read(tmp_path, f"run: x  # y\nsecrets:\n  A: {value}\n  B: null\nenvs: {{C: 1}}\n")
    safe = jobfile.plain_yaml(file)
    assert "canary" not in safe.text + repr(safe)
    assert documents(safe.text) == [{"run": "x", "secrets": {"A": None, "B": None}, "envs": {"C": 1}}]
    assert safe.withheld == ("A",)
    kept = jobfile.plain_yaml(file, with_secrets=True)
    assert (kept.text, kept.withheld) == (file.text, ())
