"""Books for tests: one run that was submitted, and what came of it."""

from dataclasses import replace
from typing import Any

from shoestring.domain.facts import Asked, Completed, Fact, Intended, Observed, RunSubmitted, StateChanged
from shoestring.domain.fleet import Action, Hold, Launch, Reason, Release, Replace, Suspend
from shoestring.domain.offer import Offer
from shoestring.domain.run import Exit, ExitKind, Observation, Outcome, RunState
from shoestring.supervisor.book import AttemptBook, Book, RunBook
from shoestring.testing import a_workload, an_offer
from tests.ledger.making import T0, at

OFFER = an_offer()
WHY = Reason(code="test", text="test")


def submitted(run_id: str = "r", **more: Any) -> RunSubmitted:
    """A run as it was submitted; names of a submission's fields go there, all others to the workload."""
    own = {k: more.pop(k) for k in ("profile", "allow_unproven_resume", "at") if k in more}
    fields: dict[str, Any] = {"at": T0, "executor": "sim", "policy": "p", "code_sha256": "0" * 64} | own
    return RunSubmitted(run_id=run_id, workload=a_workload(**more), **fields)


def intended(action: Action, second: float = 0, *, action_id: str = "r:1", run_id: str = "r") -> Intended:
    return Intended(run_id=run_id, at=at(second), action_id=action_id, action=action, view_digest="")


def launch(number: int = 1, second: float = 0, on: Offer = OFFER) -> Intended:
    plain = intended(Launch(run_id="r", offer_id=on.id, reason=WHY), second, action_id=f"r-{number}")
    return replace(plain, attempt_id=f"r-{number}", attempt_number=number, token=f"r-{number}", offer=on)


def hold() -> Intended:
    return intended(Hold(run_id="r", reason=WHY))


def release(second: float, to: str | None = None) -> Intended:
    return intended(Release(run_id="r", reason=WHY, to_offer_id=to), second)


def suspend(second: float, cause: str = "budget") -> Intended:
    return intended(Suspend(run_id="r", reason=WHY, cause=cause), second)


def replace_nodes(second: float, action_id: str) -> Intended:
    return intended(Replace(run_id="r", reason=WHY), second, action_id=action_id)


def seen(number: int = 1, outcome: Outcome = Outcome.RUNNING, **more: Any) -> Observation:
    return Observation(attempt_id=f"r-{number}", outcome=outcome, **more)


def observed(observation: Observation, second: float = 0) -> Observed:
    return Observed(run_id="r", at=at(second), observation=observation)


def ended(
    kind: ExitKind,
    number: int = 1,
    second: float = 100,
    *,
    code: int | None = None,
    detail: str = "",
    **more: Any,
) -> Observed:
    end = Exit(kind=kind, at=at(second), code=code, detail=detail)
    return observed(seen(number, Outcome.ENDED, exit=end, **more), second)


def completed(result: str, action_id: str = "r-1", second: float = 0) -> Completed:
    return Completed(run_id="r", at=at(second), action_id=action_id, result=result)


def state(to: RunState, second: float = 0, cause: str = "") -> StateChanged:
    return StateChanged(run_id="r", at=at(second), state=to, cause=cause)


def asked(what: str, second: float = 0, **more: Any) -> Asked:
    return Asked(run_id="r", at=at(second), what=what, user="me", **more)


def book_of(*facts: Fact, **workload: Any) -> tuple[Book, RunBook]:
    """A book of one run ``r`` and what is told of it."""
    book = Book([submitted(**workload), *facts])
    return book, book.runs["r"]


def run_of(*facts: Fact, **workload: Any) -> RunBook:
    return book_of(*facts, **workload)[1]


def live_of(*facts: Fact, **workload: Any) -> AttemptBook:
    """The live attempt of a run that was launched."""
    live = run_of(launch(), *facts, **workload).live
    assert live is not None
    return live
