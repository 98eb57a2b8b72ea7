"""What a change of kind leaves: it serves on beside its successor, because callers move later."""

from datetime import datetime, timedelta

from m2s.base.labels import RETIRE, is_set
from m2s.domain.deployments import LiveDeployment
from m2s.domain.versions import Key
from m2s.plan.changes import Change, Create, Delete, Unchanged
from m2s.plan.plan import Plan


def unretired(plan: Plan, after: float | None, now: datetime) -> tuple[Change, ...]:
    """Return a plan's changes; what nobody has retired stays.

    An object is retired by its annotation, or ``after`` its successor is so many seconds old; None
    is never. On the command line ``--prune`` retires it.
    """
    lives = (each.live for each in plan.changes if not isinstance(each, Create) and each.live)
    made = {live.key: _made(live) for live in lives}
    return tuple(_kept(each, made, after, now) for each in plan.changes)


def _kept(
    change: Change, made: dict[Key, datetime | None], after: float | None, now: datetime
) -> Change:
    if not isinstance(change, Delete) or not change.successor or not change.moved:
        return change
    since = made.get(change.successor)
    old = after is not None and since is not None and now - since >= timedelta(seconds=after)
    if old or is_set(change.live.annotations.get(RETIRE)):
        return change
    why = f"{change.reason}; stays until `m2s prune`, or its annotation {RETIRE}=true"
    return Unchanged(change.live, why, ordered=after is None)


def _made(live: LiveDeployment) -> datetime | None:
    """Return when an object was made; None in a folder, which does not tell."""
    try:
        found = datetime.fromisoformat(live.created)
    except ValueError:
        return None
    return found if found.tzinfo else None
