"""What executing a change came to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum

from m2s.domain.deployments import LiveDeployment
from m2s.plan.changes import Change


class Status(Enum):
    """What executing one change came to."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    SERVING = "serving"
    UNCHANGED = "unchanged"
    HELD = "held"
    BLOCKED = "blocked"
    FAILED = "failed"


@dataclass(frozen=True)
class Outcome:
    """One change, executed. ``applied`` is the object as it was written, where one was."""

    change: Change
    status: Status
    message: str = ""
    applied: LiveDeployment | None = None

    @property
    def ok(self) -> bool:
        """Whether the change came to what the plan said."""
        return self.status not in (Status.BLOCKED, Status.FAILED)


Report = Callable[[Outcome], None]

NOT_ATTEMPTED = "not attempted: "
"""How the message of a change that was not begun starts."""


def silent(_: Outcome) -> None:
    """Report nothing."""


class Interrupted(KeyboardInterrupt):
    """Somebody pressed Ctrl-C; ``outcomes`` are of what was done, or was in hand and is by now."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        super().__init__()
        self.outcomes = tuple(outcomes)
