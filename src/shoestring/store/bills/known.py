"""All bill formats that are recognized by their header."""

from shoestring.store.bills.aws import CUR
from shoestring.store.bills.azure import AZURE, AZURE_LEGACY
from shoestring.store.bills.focus_files import FOCUS
from shoestring.store.bills.gcp import GCP
from shoestring.store.bills.opencost import OPENCOST

FORMATS = (FOCUS, CUR, GCP, AZURE, AZURE_LEGACY, OPENCOST)
