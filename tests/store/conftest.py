"""Shared by the tests of the store."""

from tests.faults.conftest import quick_folder

__all__ = ["quick_folder"]
