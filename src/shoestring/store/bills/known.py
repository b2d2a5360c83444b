"""All bill formats that are recognized by their header."""

from shoestring.store.bills.aws import CUR
from shoestring.store.bills.azure import AZURE, AZURE_LEGACY
from shoestring.store.bills.focus_files import BESIDE, FOCUS, FOCUS_FIRST, FOCUS_PREVIEW, FOCUS_VIEW
from shoestring.store.bills.gcp import GCP
from shoestring.store.bills.opencost import OPENCOST

FORMATS = (FOCUS, FOCUS_PREVIEW, FOCUS_FIRST, CUR, GCP, AZURE, AZURE_LEGACY, OPENCOST, FOCUS_VIEW, *BESIDE)
