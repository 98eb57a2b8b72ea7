"""The result of one pass of ``m2s watch``, for the observers: logs, metrics, Events."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from m2s.domain.deployments import LiveDeployment
from m2s.domain.versions import Key
from m2s.engine.outcomes import NOT_ATTEMPTED, Outcome, Status
from m2s.plan.changes import Create
from m2s.plan.plan import Plan

Result = Literal["success", "failed", "error", "refused"]
"""All done; some change failed or is blocked; a side could not be read; a safety check said no."""


@dataclass(frozen=True)
class PassReport:
    """One pass, finished.

    ``started`` is in UTC, ``seconds`` how long it took, ``trigger`` what set it off (start,
    interval, cluster, webhook, reload, leader: this replica just took over). ``plan`` is the one
    that was carried out, None where a side could not be read; ``message`` is one line without
    secrets, empty on success. ``repeats``: nothing had moved, so that the plan and the outcomes are
    those of the pass before.
    """

    started: datetime
    seconds: float
    trigger: str
    result: Result
    message: str
    plan: Plan | None
    outcomes: tuple[Outcome, ...] = ()
    repeats: bool = False

    @property
    def complete(self) -> bool:
        """Whether both sides were read, and everything was written that could be.

        A single change that is blocked or fails is not a failed pass: it is counted by itself.
        """
        return (
            self.plan is not None
            and self.result in ("success", "failed")
            and not any(outcome.message.startswith(NOT_ATTEMPTED) for outcome in self.outcomes)
        )

    @property
    def news(self) -> tuple[Outcome, ...]:
        """The outcomes that the observers have not reported yet."""
        return () if self.repeats else self.outcomes

    def left(self) -> dict[Key, LiveDeployment]:
        """Return every deployment, anybody's, that the plan is about, as the pass left it."""
        there: dict[Key, LiveDeployment] = {}
        for change in self.plan.changes if self.plan else ():
            if not isinstance(change, Create) and change.live:
                there[change.key] = change.live
        for outcome in self.outcomes:
            if outcome.applied:
                there[outcome.change.key] = outcome.applied
            elif outcome.status is Status.DELETED:
                there.pop(outcome.change.key, None)
        return there
