"""A person's orders for one deployment, with who gave them and why: pause, resume, notes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never

from m2s.base.labels import PAUSED
from m2s.domain.deployments import LiveDeployment
from m2s.domain.history import Entry
from m2s.domain.notes import Note, noted
from m2s.engine.outcomes import Outcome, Status
from m2s.engine.rollback import found, planned
from m2s.objects.body import marked
from m2s.objects.diff import FieldChange
from m2s.plan import orders
from m2s.plan.changes import Blocked, Change, Create, Delete, Unchanged, Update
from m2s.plan.plan import Plan
from m2s.settings.groups import Settings
from m2s.targets.cluster import Cluster

_DONE = (Status.UPDATED, Status.DELETED, Status.SERVING)


def make_pause(cluster: Cluster, settings: Settings, name: str, note: Note) -> Plan:
    """Return what pauses the deployment ``name``, and changes nothing else of it.

    Raises:
        M2sError: there is no such deployment of ours.
    """
    live = found(cluster, settings, name)
    if live.paused:
        return planned(cluster, settings, live, Unchanged(live, "it is paused already"))
    why = f"{note.short}; `m2s resume {name}` lifts it"
    return planned(cluster, settings, live, _marking(live, {PAUSED: "true"}, note, why))


def make_resume(cluster: Cluster, settings: Settings, name: str, note: Note) -> Plan:
    """Return what lifts the pause of the deployment ``name``; raises as :func:`make_pause`."""
    live = found(cluster, settings, name)
    if PAUSED not in live.annotations:
        why = f"it is not paused here; a tag {PAUSED} in MLflow is removed there"
        return planned(cluster, settings, live, Unchanged(live, why))
    why = f"{note.short}; the next apply or pass brings what the registry says"
    return planned(cluster, settings, live, _marking(live, {PAUSED: None}, note, why))


def _marking(live: LiveDeployment, marks: Mapping[str, str | None], note: Note, why: str) -> Update:
    merged = marked(live.body, marks)
    entry = Entry(live.served, "", "")
    fields = tuple(_field(live, name, value) for name, value in marks.items())
    wanted = orders.manifest(live, entry, merged, pin=live.pin or None, why=why)
    return Update(
        wanted, live, merged, fields, why, marks={**marks, **noted(live, note)}, only_marks=True
    )


def _field(live: LiveDeployment, name: str, value: str | None) -> FieldChange:
    path, old = ("metadata", "annotations", name), live.annotations.get(name)
    if value is None:
        return FieldChange(path, "removed", old, None)
    return FieldChange(path, "added" if old is None else "changed", old, value)


def with_note(plan: Plan, note: Note, *, adopted: bool = False) -> Plan:
    """Return a plan whose updates note who ordered them; ``adopted``: only those that adopt."""

    def with_marks(change: Change) -> Change:
        if not isinstance(change, Update) or (adopted and change.live.owner is not None):
            return change
        return replace(change, marks={**change.marks, **noted(change.live, note)})

    return replace(plan, changes=tuple(map(with_marks, plan.changes)))


def is_ordered(outcome: Outcome) -> bool:
    """Whether an outcome carried out an order that has a note, or deleted something."""
    if outcome.status not in _DONE:
        return False
    match outcome.change:
        case Update(marks=marks):
            return bool(marks)
        case Delete():
            return True
        case Create() | Unchanged() | Blocked():
            return False
        case _:
            assert_never(outcome.change)
