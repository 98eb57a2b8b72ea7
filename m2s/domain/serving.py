"""Pure: what a deployment of ours serves, and how it does, in the words people look for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from m2s.base.labels import SELECTOR
from m2s.domain import history, notes, verification
from m2s.domain.deployments import LiveDeployment
from m2s.domain.happenings import Trouble
from m2s.domain.history import Entry
from m2s.domain.notes import Note
from m2s.domain.verification import Verification
from m2s.domain.versions import Key, Served

STATES = ("Failed", "Creating", "Available")
"""What a deployment is, the word to be looked at first in front."""


@dataclass(frozen=True, slots=True)
class State:
    """What a serving platform says of one of its objects, "" for what it does not say.

    ``word`` is one of :data:`STATES` where one fits, else the platform's own; ``message`` is its
    explanation, ``endpoint`` the URL for use inside the cluster.
    """

    word: str = ""
    message: str = ""
    endpoint: str = ""


@dataclass(frozen=True, slots=True)
class Serving:
    """One deployment, as the cluster has it.

    ``selector`` is as its annotation has it (``stage=Staging``). ``state``, ``message``
    and ``endpoint`` are the platform's (:class:`State`), "" in a folder. ``since`` is from when on
    these versions are served (RFC 3339, UTC), "" where that is unknown; ``deleting`` from when on
    it is being deleted, "" where it is not, and ``finalizers`` what that waits for. ``trouble`` is
    why a version that is wanted is not served, as far as the cluster's Events tell. ``verified`` is
    what was found when it was asked, None where nobody asked; ``found`` is that of every
    description on record, the newest first, and ``failed`` what gave way and is not tried again.
    """

    key: Key
    owner: str
    selector: str
    served: tuple[Served, ...]
    state: str
    message: str
    endpoint: str
    since: str
    pin: str
    paused: bool
    deleting: str
    finalizers: tuple[str, ...]
    history: tuple[Entry, ...]
    trouble: Trouble | None = None
    notes: tuple[Note, ...] = ()
    verified: Verification | None = None
    found: tuple[Verification, ...] = ()
    failed: tuple[Verification, ...] = ()


@dataclass(frozen=True, slots=True)
class Condition:
    """One of the conditions that a platform reports; ``since`` is in RFC 3339, "" if unknown."""

    type: str
    status: str
    reason: str = ""
    message: str = ""
    since: str = ""


def conditions(live: LiveDeployment) -> tuple[Condition, ...]:
    """Return ``status.conditions``, which every platform has in Kubernetes' own form."""
    status = live.body.get("status")
    listed = status.get("conditions") if isinstance(status, Mapping) else None
    names = ("type", "status", "reason", "message", "lastTransitionTime")
    return tuple(
        Condition(*(str(each.get(name) or "") for name in names))
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, Mapping) and each.get("type")
    )


def of(live: LiveDeployment, state: State, trouble: Trouble | None = None) -> Serving:
    """Return what ``live`` serves; ``state`` is what its platform says of it."""
    return Serving(
        key=live.key,
        owner=live.owner or "",
        selector=live.annotations.get(SELECTOR, ""),
        served=live.served,
        state=state.word,
        message=live.unreadable or state.message,
        endpoint=state.endpoint,
        since=history.since(live),
        pin=live.pin,
        paused=live.paused,
        deleting=live.deleting,
        finalizers=live.finalizers,
        history=history.entries(live),
        trouble=trouble,
        notes=notes.notes(live),
        verified=verification.of(live),
        found=verification.all_of(live),
        failed=verification.failures(live),
    )


def as_json(one: Served) -> dict[str, str | None]:
    """Return a version as JSON values; None is what is not known."""
    return {"model": one.model, "version": one.version or None, "alias": one.alias or None}
