import itertools

import pytest

from tests.runner.given import Spooled


@pytest.fixture
def spooled(tmp_path):
    """Make spools; whatever still runs at the end of the test is ended."""
    made, numbers = [], itertools.count()

    def make(**order):
        made.append(Spooled(tmp_path / f"spool-{next(numbers)}", **order))
        return made[-1]

    yield make
    for one in made:
        one.close()
