"""``m2s rollback``, ``pause``, ``resume`` and ``history``: orders for one deployment, and its past.

The cluster's own record is all that is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2s.base.errors import UsageError
from m2s.cli import connect, run
from m2s.cli.choosing import chosen_by
from m2s.domain.notes import Note
from m2s.domain.scope import Scope
from m2s.engine import detail, ordering, status
from m2s.engine.rollback import make_rollback, make_unpin
from m2s.plan.plan import Plan
from m2s.platforms import catalogue
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
    note = run.noted(cluster, chosen, "unpinned" if unpin else "rolled back", message)
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
    note = run.noted(cluster, chosen, "resumed" if resume else "paused", message or "")
    make = ordering.make_resume if resume else ordering.make_pause
    made = make(cluster, chosen, name, note or Note(what=""))
    run.show(made, output)
    return run.carry_out(made, cluster, chosen, output, yes=yes, note=note)


def _carry_out(
    made: Plan, cluster: Cluster, chosen: Settings, output: str, note: Note | None, *, yes: bool
) -> int:
    made = ordering.with_note(made, note) if note else made
    run.show(made, output)
    return run.carry_out(made, cluster, chosen, output, yes=yes, note=note)


def history(flags: Mapping[str, Any], config: str | None, output: str, name: str) -> int:
    """Print what a deployment served, and what people ordered for it."""
    from m2s.cli import streams
    from m2s.output import detail_view, tables

    chosen = chosen_by(flags, config)
    scope = Scope(chosen.owners, chosen.models)
    kinds = catalogue.kinds_in(name)
    found = status.only(detail.overview(connect.cluster(chosen), scope, kinds), name)
    streams.put(
        output,
        lambda: status.document(found),
        lambda: detail_view.history_markdown(found),
        lambda: detail_view.history(found, tables.width()),
    )
    return 0
