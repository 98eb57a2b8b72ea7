"""Counts the passes in which an object was unwanted: a deletion waits for several in a row."""

from collections.abc import Callable
from dataclasses import replace

from m2s.domain.deployments import LiveDeployment
from m2s.plan import claims
from m2s.plan.changes import Change, Delete, Unchanged, Update
from m2s.plan.plan import Plan


class Absences:
    """Counts, for each object, the consecutive complete passes in which nothing wanted it.

    In memory only: a restart counts anew, which deletes later, never sooner. A pass that could
    not read both sides has no plan, so it neither counts nor resets.
    """

    def __init__(self) -> None:
        self._passes: dict[str, int] = {}

    def count(self, plan: Plan) -> None:
        """Count one complete pass; what is wanted again starts from nothing."""
        unwanted = [_identity(change.live) for change in plan.losing]
        self._passes = {each: self._passes.get(each, 0) + 1 for each in unwanted}

    def forget(self) -> None:
        """Start anew: passes that somebody else made in between are unknown."""
        self._passes.clear()

    def withhold(self, plan: Plan, passes: int) -> Plan:
        """Return the plan without what has not been due for ``passes`` passes.

        That is deletions, and takeovers of a name.
        """

        def waits(change: Delete | Update) -> str:
            left = passes - self._passes.get(_identity(change.live), 0)
            more = "1 more pass finds" if left == 1 else f"{left} more passes find"
            return f"when {more} it so" if left > 0 else ""

        def taken(change: Update) -> str:
            when = waits(change)
            return f"{change.manifest.models[0]} takes the name over {when}" if when else ""

        kept = claims.untaken(plan.changes, taken)
        return replace(plan, changes=tuple(_held(change, waits) for change in kept))


def _held(change: Change, waits: Callable[[Delete | Update], str]) -> Change:
    when = waits(change) if isinstance(change, Delete) else ""
    if not isinstance(change, Delete) or not when:
        return change
    return Unchanged(change.live, f"{change.reason}; deleted {when}")


def _identity(live: LiveDeployment) -> str:
    return live.uid or str(live.key)
