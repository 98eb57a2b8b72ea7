"""What ``m2s watch`` connects to: whatever must not wait for a pass has a connection of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from m2s.cli import run
from m2s.cluster import Cluster
from m2s.settings import Settings
from m2s.watch.passes import Edges
from m2s.watch.quiet import Quiet

if TYPE_CHECKING:
    from m2s.cluster.events import Events
    from m2s.cluster.lease import Lease
    from m2s.cluster.watching import Seen
    from m2s.registry.tagging import Tagging

_LEASE_TIMEOUT = 3.0
"""Seconds for a request about the Lease: some of them fit between two renewals' deadline."""


def edges(chosen: Settings, seen: Seen | None) -> Edges:
    """Connect to both sides and, where it can be watched, watch the cluster."""
    whole, cluster = run.connect_registry(chosen), run.connect_cluster(chosen)
    templates = run.connect_templates(chosen)
    if seen is None:
        return Edges(whole, cluster, templates=templates)
    registry = whole.incremental(chosen.resync)
    if chosen.folder:
        return Edges(registry, cluster, templates=templates, forget=registry.forget)
    from m2s.cluster.kubernetes import connect
    from m2s.cluster.watching import Watching

    own = connect(chosen.namespace, chosen.kubeconfig, chosen.context, workers=1)
    watching = Watching(own.api, own.namespace, chosen.owners, seen)
    watching.start()
    quiet = Quiet(registry, watching.unbroken, templates)
    return Edges(registry, cluster, watching.stop, templates, registry.forget, quiet)


def events(chosen: Settings) -> Events | None:
    """Return where Events go, over a connection of their own so that no pass waits for them."""
    if chosen.folder:
        return None
    from m2s.cluster.events import Events
    from m2s.cluster.kubernetes import connect

    return Events(connect(chosen.namespace, chosen.kubeconfig, chosen.context, workers=1).api)


def tagging(chosen: Settings) -> Tagging | None:
    """Return where MLflow is told what is live, over a connection that no pass waits for."""
    return run.connect_registry(chosen).tagging() if chosen.write_back else None


def candidate(chosen: Settings, cluster: Cluster, changed: Callable[[], None]) -> Lease | None:
    """Return who contends for the Lease; ``changed`` is called once it leads."""
    if not chosen.leader_elect:
        return None
    from m2s.cluster.kubernetes import connect
    from m2s.cluster.lease import Lease, identity

    api = connect(
        chosen.namespace,
        chosen.kubeconfig,
        chosen.context,
        request_timeout=min(chosen.request_timeout, _LEASE_TIMEOUT),
        workers=1,
    ).api
    return Lease(api, cluster.namespace, chosen.lease, identity(), changed=changed)
