"""Which runs held which machines, as the ledger knows it: whom a run shared its machine with."""

import json
from collections.abc import Collection
from datetime import UTC
from typing import Any

from shoestring.ledger.side_by_side import Stay
from shoestring.store.charges import ChargeStore
from shoestring.store.charges_engine import literals


def booked_stays(store: ChargeStore, machines: Collection[str] | None = None) -> tuple[Stay, ...]:
    """Stays of all runs that are booked, on some machines or all that are known.

    Instances of a market are machines of their own, which nobody can share; they are not among them.
    """
    metered = [p for p in store.manifest().parts if p.kind == "metered"]
    if not metered or (machines is not None and not machines):
        return ()
    among = "" if machines is None else f"and list_contains({literals(sorted(machines))}, ResourceId)"
    with store.reading() as engine:
        rows = engine.execute(
            f"""select x_RunId, x_AttemptId, ResourceId, any_value(x_Devices),
                  min(ChargePeriodStart), max(ChargePeriodEnd)
                from {store.rows_sql(metered)}
                where x_UsageId like '%/compute' and x_Market = 'owned' {among}
                group by all order by all"""
        ).fetchall()
    return tuple(_stay(*row) for row in rows)


def _stay(run_id: str, attempt_id: str, machine: str, devices: str | None, start: Any, end: Any) -> Stay:
    return Stay(
        run_id=run_id,
        attempt_id=attempt_id,
        machine=machine,
        devices=None if devices is None else tuple(json.loads(devices)),
        start=start.replace(tzinfo=UTC),
        end=end.replace(tzinfo=UTC),
    )
