"""Metered energy to CO2: known only where all three factors are."""

from dataclasses import replace
from datetime import date

import pytest

from shoestring.ledger.carbon import GridFactor, carbon_kg

GRID = GridFactor(kg_per_kwh=0.3, pue=1.2, source="a table", as_of=date(2024, 12, 31))


def test_two_kilowatt_hours_with_what_cools_them():
    assert carbon_kg(2.0, GRID) == pytest.approx(0.72)  # 2 kWh x 1.2 x 0.3 kg/kWh
    assert carbon_kg(0.0, GRID) == 0.0


@pytest.mark.parametrize(("kwh", "grid"), [(None, GRID), (2.0, None), (2.0, replace(GRID, pue=None))])
def test_what_is_not_known_is_not_guessed(kwh, grid):
    assert carbon_kg(kwh, grid) is None
