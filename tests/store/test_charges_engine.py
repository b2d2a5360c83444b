"""Connections of one folder share an engine, and nothing that one of them makes."""

import pytest

pytest.importorskip("duckdb")

import duckdb

from shoestring.store.charges_engine import connect


def test_what_one_connection_makes_the_other_does_not_see(tmp_path):
    with connect(tmp_path) as one, connect(tmp_path) as other:
        one.execute("create temp table mine as select 1")
        with pytest.raises(duckdb.CatalogException):
            other.execute("select * from mine")


def test_a_connection_is_good_after_another_was_closed(tmp_path):
    connect(tmp_path).close()
    with connect(tmp_path) as engine:
        assert engine.execute("select current_setting('TimeZone')").fetchone() == ("UTC",)


def test_a_function_stays_with_the_one_that_is_alone(tmp_path):
    for answer in (1, 2):
        with connect(tmp_path, alone=True) as engine:
            engine.create_function("told", lambda _: answer, ["INT"], "INT")  # noqa: B023  asked at once
            assert engine.execute("select told(0)").fetchone() == (answer,)


def test_an_engine_spills_into_its_own_folder(tmp_path):
    for name in ("a", "b"):
        with connect(tmp_path / name) as engine:
            spill = engine.execute("select current_setting('temp_directory')").fetchone()
            assert spill == (str(tmp_path / name),)
