"""Metering a script that runs without the runner."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from shoestring.domain.run import MeterTotals
from shoestring.meters.node import NodeMeter
from shoestring.meters.process import ProcessTree
from shoestring.meters.sampler import SHORTEST_S, Sampler
from shoestring.ports import Meter


class _Metered:
    """Stands in where the runner meters this process already: a node has one meter."""

    def totals(self) -> MeterTotals:
        return MeterTotals()


@contextmanager
def track(*, every_s: float = SHORTEST_S) -> Iterator[Meter]:
    """Meter this process and all that it starts, while the block runs; the totals stay readable after it.

        with track() as meter:
            train()
        print(meter.totals().cpu_s)

    Inside a run (``SHOESTRING_SPOOL`` is set) the runner meters the node already: nothing is started and all
    figures are None.

    Args:
        every_s: shortest time between two looks.
    """
    if os.environ.get("SHOESTRING_SPOOL"):
        yield _Metered()
        return
    sampler = Sampler(NodeMeter(tree=ProcessTree(own=True)), every_s=every_s).start()
    try:
        yield sampler
    finally:
        sampler.stop()
