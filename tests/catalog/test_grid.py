"""The table of grids, as the ledger asks it."""

from datetime import date

from shoestring.catalog.grid import grid
from shoestring.ledger.carbon import carbon_kg


def test_a_region_has_its_grid_and_pue_with_source_and_year():
    factor = grid()["aws", "ap-northeast-1"]
    assert (factor.kg_per_kwh, factor.pue, factor.as_of) == (0.53606, 1.27, date(2024, 12, 31))
    assert "Cloud_Region_Metadata" in factor.source
    assert carbon_kg(10, factor) == 10 * 1.27 * 0.53606


def test_what_the_table_does_not_say_stays_unknown():
    assert grid()["aws", "ap-east-1"].pue is None
    assert carbon_kg(10, grid()["aws", "ap-east-1"]) is None
    assert carbon_kg(None, grid()["aws", "ap-northeast-1"]) is None
    assert carbon_kg(10, grid().get(("nobody", "nowhere"))) is None
