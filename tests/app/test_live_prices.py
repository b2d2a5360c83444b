"""Given a provider's price service, when refreshed and planned, then plans use it, say so, and do without it too."""

import json
from pathlib import Path
from typing import Any

import pytest

from shoestring.app.cli import main
from tests.catalog.feeds import shapes
from tests.catalog.feeds.server import Answer, serving

JOB = """
name: sft
resources: {accelerators: "H100:8"}
run: python train.py
shoestring: {work: {hours: 20, accelerator: H100}, deadline: 48h}
"""


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SHOESTRING_HOME", str(tmp_path / "home"))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "GOOGLE_API_KEY", "GCP_API_KEY", "RUNPOD_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "job.yaml"
    file.write_text(JOB)
    return file


def settings(tmp_path: Path, **urls: str) -> None:
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "home/config.yaml").write_text(
        json.dumps({"clouds": ["azure", "lambda"], "price_urls": urls})
    )


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str
) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["shoestring", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    out, err = capsys.readouterr()
    return int(ended.value.code or 0), out, err


def test_refreshed_prices_are_used_offline_and_told(
    job: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(Answer(shapes.azure_page(shapes.azure_item(retailPrice=70)))) as service:
        settings(tmp_path, azure=service.url)
        code, out, err = run(capsys, monkeypatch, "catalog", "refresh", "azure")
        assert (
            code == 0 and "azure: 1 prices, 0 of new offers, 1 changed" in out and "asking 127.0.0.1" in err
        )
        asked = len(service.asked)
        code, out, _ = run(capsys, monkeypatch, "plan", str(job), "--json")
        assert len(service.asked) == asked, "a plan asks nobody"

    plan = json.loads(out)
    option = next(o for o in plan["options"] if o["offer_id"].startswith("azure/eastus"))
    assert (option["price_usd_per_hour"], plan["price_layers"][option["offer_id"]]) == (70, "cache")
    assert option["price_source"].startswith("cache: 127.0.0.1")
    assert [p["name"] for p in plan["prices"]] == ["cache", "embedded"]


def test_a_live_plan_asks_first_and_goes_on_without_those_that_do_not_answer(
    job: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMBDA_API_KEY", "s3cret")
    types = shapes.lambda_types(cents=2100, name="gpu_8x_h100_sxm5")
    with serving(Answer({}, status=500)) as broken, serving(Answer(types)) as service:
        settings(tmp_path, azure=broken.url, **{"lambda": service.url})
        code, out, _ = run(capsys, monkeypatch, "plan", str(job), "--live")

    assert code == 0 and "s3cret" not in out
    text = " ".join(out.split())
    assert "✔ lambda/us-east-1/-/gpu_8x_h100_sxm5/on_demand" in text
    assert "prices: live (" in text and "No live prices of azure: 127.0.0.1 answered 500" in text
    assert "no_capacity" in text


def test_a_damaged_cache_is_told_and_left_out(
    job: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings(tmp_path)
    (tmp_path / "home/prices").mkdir()
    (tmp_path / "home/prices/azure.json").write_text("{")
    code, out, _ = run(capsys, monkeypatch, "plan", str(job), "--json")

    plan = json.loads(out)
    assert code == 0 and [p["name"] for p in plan["prices"]] == ["embedded"]
    assert any("catalog refresh azure" in note for note in plan["notes"])


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("refresh", "oracle"), "no live prices of it are known"),
        (("refresh", "runpod"), "account holders only"),
        (("refresh", "azure", "--accelerator", "H1000"), "not in the catalog"),
    ],
)
def test_what_cant_be_asked_is_refused(
    words: tuple[str, ...],
    says: str,
    job: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    code, _, err = run(capsys, monkeypatch, "catalog", *words)

    assert code == 2 and says in err


def test_a_key_never_goes_to_an_address_that_a_project_folder_brought(
    job: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LAMBDA_API_KEY", "s3cret")
    urls: dict[str, Any] = {"price_urls": {"lambda": "https://lambdalabs.com.evil.example"}}
    (tmp_path / ".shoestring.yaml").write_text(json.dumps(urls))
    code, _, err = run(capsys, monkeypatch, "catalog", "refresh", "lambda")

    assert code == 2 and "neither lambdalabs.com nor this machine" in err
