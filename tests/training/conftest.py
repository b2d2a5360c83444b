import pytest


def pytest_configure(config: pytest.Config) -> None:
    # DCP tells everyone who trains on one process; shoestring mutes it, pytest turns it on again.
    config.addinivalue_line("filterwarnings", "ignore:torch.distributed is disabled:UserWarning")
