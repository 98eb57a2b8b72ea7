"""How long something has been unwanted: a deletion waits until it was so in several passes."""

from __future__ import annotations

from dataclasses import replace

from m2s.domain.deployments import LiveDeployment
from m2s.plan.changes import Change, Delete, Unchanged
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
        unwanted = [_identity(change.live) for change in plan.changes if isinstance(change, Delete)]
        self._passes = {each: self._passes.get(each, 0) + 1 for each in unwanted}

    def forget(self) -> None:
        """Start anew: passes that somebody else made in between are unknown."""
        self._passes.clear()

    def withhold(self, plan: Plan, passes: int) -> Plan:
        """Return the plan without the deletions that have not been due for ``passes`` passes."""
        return replace(plan, changes=tuple(self._held(change, passes) for change in plan.changes))

    def _held(self, change: Change, passes: int) -> Change:
        if not isinstance(change, Delete):
            return change
        seen = self._passes.get(_identity(change.live), 0)
        if seen >= passes:
            return change
        left = passes - seen
        more = "1 more pass finds" if left == 1 else f"{left} more passes find"
        return Unchanged(change.live, f"{change.reason}; deleted when {more} it so")


def _identity(live: LiveDeployment) -> str:
    return live.uid or str(live.key)
