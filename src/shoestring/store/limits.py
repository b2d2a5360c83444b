"""Bounds of what a journal takes, so that no caller can fill a disk or a memory by mistake."""

FACT_BYTES_MAX = 16 << 20  # one fact as JSON; the largest real ones list thousands of offers, about 2 MiB
FACTS_MAX = 100_000  # in one transaction
RUN_ID_MAX = 200  # characters
REQUESTS_MAX = 10_000  # waiting for a leader
