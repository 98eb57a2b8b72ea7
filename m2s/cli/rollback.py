"""``m2s rollback``, ``pause`` and ``resume``: orders for one deployment.

The cluster's own record is all that is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2s.base.errors import UsageError
from m2s.cli import carrying, connect, planning
from m2s.cli.choosing import chosen_by
from m2s.domain.notes import Note
from m2s.engine import ordering
from m2s.engine.rollback import make_rollback, make_unpin
from m2s.plan.plan import Plan
from m2s.settings.groups import Settings
from m2s.targets.cluster import Cluster


def rollback(
    flags: Mapping[str, Any],
    config: str | None,
    output: str,
    name: str,
    to: str | None,
    *,
    unpin: bool,
    yes: bool,
    message: str | None = None,
) -> int:
    """Pin a deployment to a version it served, or with ``unpin`` lift the pin."""
    if unpin and to:
        raise UsageError("--unpin and --to exclude each other")
    chosen = chosen_by(flags, config)
    cluster = connect.cluster(chosen)
    lifted = make_unpin(cluster, chosen, name) if unpin else None
    made = lifted or make_rollback(cluster, chosen, name, to)
    note = carrying.noted(cluster, chosen, "unpinned" if unpin else "rolled back", message)
    made = ordering.with_note(made, note) if note else made
    return _carry_out(made, cluster, chosen, output, note, yes=yes)


def pause(
    flags: Mapping[str, Any],
    config: str | None,
    output: str,
    name: str,
    *,
    resume: bool,
    yes: bool,
    message: str | None,
) -> int:
    """Leave a deployment as it is from now on, or with ``resume`` no longer."""
    chosen = chosen_by(flags, config)
    cluster = connect.cluster(chosen)
    note = carrying.noted(cluster, chosen, "resumed" if resume else "paused", message or "")
    make = ordering.make_resume if resume else ordering.make_pause
    made = make(cluster, chosen, name, note or Note(what=""))
    return _carry_out(made, cluster, chosen, output, note, yes=yes)


def _carry_out(
    made: Plan, cluster: Cluster, chosen: Settings, output: str, note: Note | None, *, yes: bool
) -> int:
    planning.show(made, output)
    return carrying.carry_out(made, cluster, chosen, output, yes=yes, note=note)
