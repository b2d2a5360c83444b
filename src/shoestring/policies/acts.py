"""Actions with their reasons, in one line each: what policies say when they have decided."""

from collections.abc import Mapping

from shoestring.domain.fleet import Action, Hold, Launch, Phase, Reason, Release, RunView
from shoestring.domain.offer import Offer
from shoestring.domain.run import RunState

Numbers = Mapping[str, float | None]


def reason(code: str, text: str, numbers: Numbers, runner_up: str | None, saving: float | None) -> Reason:
    """A reason with the numbers that are known and finite, rounded for people and for the journal."""
    known = {k: round(v, 4) for k, v in numbers.items() if v is not None and abs(v) < 1e15}
    usd = None if saving is None or abs(saving) > 1e15 else round(saving, 6)
    return Reason(code=code, text=text, numbers=known, runner_up=runner_up, saving_usd=usd)


def go(
    run: RunView,
    to: Offer | None,
    code: str,
    text: str,
    numbers: Numbers,
    *,
    runner_up: str | None = None,
    saving: float | None = None,
) -> Action:
    """Be on ``to`` (None: on nothing) from now on: hold, launch or release, whatever that takes."""
    why = reason(code, text, numbers, runner_up, saving)
    attempt = run.attempt
    here = None if attempt is None else attempt.offer_id
    if here == (None if to is None else to.id):
        return Hold(run_id=run.run_id, reason=why)
    if here is None and to is not None:
        return Launch(run_id=run.run_id, offer_id=to.id, reason=why)
    return Release(run_id=run.run_id, to_offer_id=None if to is None else to.id, reason=why)


def leaving(run: RunView) -> bool:
    """Whether the attempt is on its way out, or nobody can say: then nothing is decided until the next look."""
    return run.attempt is not None and run.attempt.phase in (Phase.STOPPING, Phase.NOTICED, Phase.UNKNOWN)


def decidable(runs: tuple[RunView, ...]) -> list[RunView]:
    """Runs that are waiting or running, in an order that does not depend on the view's."""
    return sorted(
        (run for run in runs if run.state in (RunState.WAITING, RunState.RUNNING)), key=lambda r: r.run_id
    )
