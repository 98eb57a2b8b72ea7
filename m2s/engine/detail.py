"""Asks the cluster what is served and, of one deployment, everything that says why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any

from m2s.base.errors import M2sError
from m2s.domain.deployments import LiveDeployment
from m2s.domain.happenings import Happening
from m2s.domain.scope import Scope
from m2s.domain.serving import Condition, conditions
from m2s.domain.versions import Unchecked
from m2s.engine import status
from m2s.engine.status import Overview
from m2s.targets.cluster import Cluster

LAST = 8
"""How many Events are told, the newest ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """What is told of one deployment only.

    ``waits`` is what its roll-out waits for, or why that cannot be told; "" where it serves.
    """

    conditions: tuple[Condition, ...] = ()
    events: tuple[Happening, ...] = ()
    waits: str = ""
    unread: str = ""


def overview(cluster: Cluster, scope: Scope, kinds: Collection[str] = ()) -> Overview:
    """Return what is served in a namespace, and what is not, and why; of these kinds, if any."""
    listed, told = cluster.list(kinds), cluster.happenings()
    unread = told.reason if isinstance(told, Unchecked) else ""
    happenings = () if isinstance(told, Unchecked) else told
    found = status.of(cluster.identity, cluster.namespace, listed, scope, happenings)
    return replace(found, unread=f"Events are not shown: {unread}" if unread else "")


def of(cluster: Cluster, found: Overview) -> Detail:
    """Return the rest of what is known of the only deployment of ``found``."""
    (one,) = (*found.deployments, *found.missing)
    live = cluster.get(one.key) if found.deployments else None
    told = cluster.happenings(one.key.name)
    return Detail(
        conditions=conditions(live) if live else (),
        events=() if isinstance(told, Unchecked) else told[-LAST:],
        waits=_waits(cluster, live) if live else "",
        unread=found.unread,
    )


def _waits(cluster: Cluster, live: LiveDeployment) -> str:
    if live.deleting or live.fault:
        return ""
    try:
        rollout = cluster.rollout(live)
    except M2sError as error:
        return f"not known: {error}"
    return "" if rollout.serving else rollout.message


def document(detail: Detail) -> dict[str, Any]:
    """Return JSON values, not masked yet."""
    return {
        "conditions": [
            {
                "type": one.type, "status": one.status, "reason": one.reason,
                "message": one.message, "since": one.since or None,
            }
            for one in detail.conditions
        ],
        "events": [
            {
                "reason": one.reason, "message": one.message, "warning": one.warning,
                "source": one.source, "first": one.first or None, "last": one.last or None,
                "count": one.count,
            }
            for one in detail.events
        ],
        "waits_for": detail.waits or None,
    }  # fmt: skip
