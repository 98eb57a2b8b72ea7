"""Pure: what a deployment of ours serves, and how it does, in the words people look for."""

from __future__ import annotations

from dataclasses import dataclass

from m2s.base.labels import SELECTOR
from m2s.domain import history
from m2s.domain.deployments import LiveDeployment
from m2s.domain.history import Entry
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
    it is being deleted, "" where it is not, and ``finalizers`` what that waits for.
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


def of(live: LiveDeployment, state: State) -> Serving:
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
    )


def as_json(one: Served) -> dict[str, str | None]:
    """Return a version as JSON values; None is what is not known."""
    return {"model": one.model, "version": one.version or None, "alias": one.alias or None}
