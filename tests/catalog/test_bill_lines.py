"""What bills of different senders call the same hardware."""

import pytest

from shoestring.catalog.bill_lines import Recognizer
from shoestring.catalog.load import embedded

RECOGNIZER = Recognizer(embedded())


@pytest.mark.parametrize(
    ("sender", "text", "accelerator", "count"),
    [
        ("AWS", "p5.48xlarge", "H100-SXM", 8),
        ("AWS", "ml.p5.48xlarge", "H100-SXM", 8),
        (
            "Amazon Web Services, Inc.",
            "$98.32 per On Demand Linux p4d.24xlarge Instance Hour",
            "A100-40GB-SXM",
            8,
        ),
        ("Microsoft", "Standard_ND96isr_H100_v5", "H100-SXM", 8),
        ("Microsoft", "Virtual Machines ND Series - ND96isr H100 v5 - US East", "H100-SXM", 8),
        ("Google Cloud", "a3-highgpu-8g", "H100-SXM", 8),
        ("Google Cloud", "Nvidia Tesla V100 GPU running in Americas", "V100-16GB", 1),
        ("Lambda", "8x H100 SXM", "H100-SXM", 8),
        ("Lambda", "A100 80GB, on-demand", "A100-80GB-SXM", 1),
    ],
)
def test_hardware_is_recognized(sender: str, text: str, accelerator: str, count: float) -> None:
    found = RECOGNIZER.hardware(RECOGNIZER.provider(sender), None, text)

    assert found is not None and (found.accelerator, found.count) == (accelerator, count)


@pytest.mark.parametrize(
    "text",
    ["m5.large", "Standard_D4s_v5", "N2 Instance Core running in Americas", "", "S3 requests", "T400 tests"],
)
def test_other_things_are_not_taken_for_accelerators(text: str) -> None:
    for sender in ("AWS", "Microsoft", "Google Cloud", None):
        assert RECOGNIZER.hardware(RECOGNIZER.provider(sender), text) is None


def test_an_unknown_sender_has_no_prices() -> None:
    assert RECOGNIZER.provider("Nobody's Cloud") is None
