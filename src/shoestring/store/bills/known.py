"""All bill formats that are recognized by their header."""

from shoestring.store.bills.aws import CUR
from shoestring.store.bills.azure import AZURES
from shoestring.store.bills.focus_files import BESIDE, FOCUS, FOCUS_FIRST, FOCUS_PREVIEW, FOCUS_VIEW
from shoestring.store.bills.gcp import GCP, GCP_CONSOLE
from shoestring.store.bills.opencost import OPENCOST

FORMATS = (FOCUS, FOCUS_PREVIEW, FOCUS_FIRST, CUR, GCP, GCP_CONSOLE, *AZURES, OPENCOST, FOCUS_VIEW, *BESIDE)
