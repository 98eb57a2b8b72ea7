"""Pure: what a deployment of ours serves, and how it does, in the words people look for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from m2s.base.labels import SELECTOR
from m2s.domain import history
from m2s.domain.deployments import LiveDeployment
from m2s.domain.history import Entry
from m2s.domain.versions import Key, Served


@dataclass(frozen=True, slots=True)
class Serving:
    """One deployment, as the cluster has it.

    ``selector`` is as its annotation has it (``stage=Staging``). ``state`` and ``message`` are the
    Seldon operator's word ("Available", "Creating", "Failed"), "" before it said any and in a
    folder; ``endpoint`` the URL it gives, for use inside the cluster. ``since`` is from when on
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


def of(live: LiveDeployment) -> Serving:
    """Return what ``live`` serves."""
    status = _mapping(live.body.get("status"))
    return Serving(
        key=live.key,
        owner=live.owner or "",
        selector=live.annotations.get(SELECTOR, ""),
        served=live.served,
        state=_text(status.get("state")),
        message=_text(status.get("description")),
        endpoint=_text(_mapping(status.get("address")).get("url")),
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


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
