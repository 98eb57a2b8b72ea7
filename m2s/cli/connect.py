"""What the commands connect to.

Under ``m2s watch`` whatever must not wait for a pass has a connection of its own.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from m2s.base import trace
from m2s.base.errors import UsageError
from m2s.platforms import catalogue
from m2s.settings.groups import Settings
from m2s.sources.templates import TemplateFolder
from m2s.targets.cluster import Cluster

if TYPE_CHECKING:
    from m2s.observers.notify import Notifier
    from m2s.sources.mlflow.registry import MlflowRegistry
    from m2s.sources.mlflow.sharing import Shared
    from m2s.sources.mlflow.tagging import MlflowTagging
    from m2s.targets.kubernetes.events import Events
    from m2s.targets.kubernetes.lease import Lease
    from m2s.targets.kubernetes.namespace import KubernetesCluster
    from m2s.targets.kubernetes.watching import Seen
    from m2s.watch.passes import Edges

_LEASE_TIMEOUT = 3.0
"""Seconds for a request about the Lease: some of them fit between two renewals' deadline."""


def registry_uri(chosen: Settings) -> str:
    """Return where the registry is; a UsageError says how to tell."""
    uri = chosen.tracking_uri or os.environ.get("MLFLOW_TRACKING_URI", "")
    if not uri:
        raise UsageError("no registry: give --tracking-uri or set MLFLOW_TRACKING_URI")
    trace.step(f"the registry is {uri}")
    return uri


def check_follows(chosen: Settings, *, always: bool = False) -> None:
    """Raise a UsageError where a folder should be asked: by the settings, or ``always``."""
    if chosen.folder and (always or chosen.follows):
        raise UsageError(
            "nothing serves in a folder, so nothing can be verified or rolled back there: "
            "leave --target out, or --verify and --rollback-on-failure"
        )


def registry(chosen: Settings) -> MlflowRegistry:
    """Return the registry of these settings; a server is not asked anything yet."""
    from m2s.sources.mlflow.cache import Cache, default_folder
    from m2s.sources.mlflow.registry import MlflowRegistry

    uri = registry_uri(chosen)
    folder = default_folder(os.environ) if chosen.cache else None
    return MlflowRegistry(
        uri,
        request_timeout=chosen.request_timeout,
        workers=chosen.concurrency,
        workspace=chosen.workspace,
        cache=Cache(folder) if folder else None,
    )


def cluster(chosen: Settings) -> Cluster:
    """Return the cluster or the folder of these settings; it is not asked anything yet."""
    if chosen.folder:
        from m2s.targets.folder.namespace import FolderCluster

        trace.step(f"the target is the folder {chosen.folder}")
        return FolderCluster(chosen.folder, chosen.namespace or "default")
    from m2s.targets.cluster import deferred
    from m2s.targets.names import namespace_name

    if chosen.namespace:
        namespace_name(chosen.namespace)
    return deferred(lambda: _kubernetes(chosen))


def _kubernetes(chosen: Settings) -> Cluster:
    from m2s.targets.kubernetes.namespace import connect
    from m2s.targets.kubernetes.throttle import Throttle

    made = connect(
        namespace=chosen.namespace,
        kubeconfig=chosen.kubeconfig,
        context=chosen.context,
        force_conflicts=chosen.force_conflicts,
        request_timeout=chosen.request_timeout,
        workers=chosen.concurrency,
        throttle=Throttle(chosen.qps, chosen.burst),
        resources=catalogue.resources(chosen.platform, chosen.platforms),
    )
    trace.step(f"the target is namespace {made.namespace} of {made.identity}")
    return made


def templates(chosen: Settings) -> TemplateFolder | None:
    """Return the templates of these settings, if there are any; nothing is read yet."""
    if not (chosen.templates or chosen.base_template):
        return None
    return TemplateFolder(chosen.templates, chosen.base_template)


def edges(chosen: Settings, seen: Seen | None, shared: Shared | None = None) -> Edges:
    """Connect to both sides and, where it can be watched, watch the cluster.

    The registry's lists are ``shared`` between environments.
    """
    from m2s.watch.passes import Edges

    whole, target, folder = registry(chosen), cluster(chosen), templates(chosen)
    if seen is None:
        return Edges(whole, target, templates=folder)
    models = whole.incremental(chosen.resync, shared=shared)
    if chosen.folder:
        return Edges(models, target, templates=folder, forget=models.forget)
    from m2s.targets.kubernetes.watching import KindsWatch
    from m2s.watch.quiet import Quiet

    kinds = catalogue.watched(chosen.platform, chosen.platforms)
    own = _alone(chosen, connections=len(kinds))
    each = [
        KindsWatch(own.api, own.namespace, chosen.owners, seen, resource=kind) for kind in kinds
    ]
    for watching in each:
        watching.start()

    def stop() -> None:
        for watching in each:
            watching.stop()

    def unbroken() -> object | None:
        marks = tuple(watching.unbroken() for watching in each)
        return None if None in marks else marks

    quiet = Quiet(models, unbroken, folder, frozenset(kind.kind for kind in kinds))
    return Edges(models, target, stop, folder, models.forget, quiet)


def _alone(chosen: Settings, *, connections: int = 1, **options: Any) -> KubernetesCluster:
    """Return a connection, or some, that no pass waits for."""
    from m2s.targets.kubernetes.namespace import connect

    where = (chosen.namespace, chosen.kubeconfig, chosen.context)
    return connect(*where, workers=connections, told=False, **options)


def events(chosen: Settings) -> Events | None:
    """Return where Events go, over a connection of their own so that no pass waits for them."""
    if chosen.folder:
        return None
    from m2s.targets.kubernetes.events import Events

    return Events(_alone(chosen).api)


def notifier(chosen: Settings, counted: Counter[str]) -> Notifier | None:
    """Return what tells the webhooks of ``notify``, None without any."""
    if not chosen.notify:
        return None
    from m2s.observers.notify import Notifier

    return Notifier(chosen.notify, "".join(chosen.environment), counted)


def tagging(chosen: Settings) -> MlflowTagging | None:
    """Return where MLflow is told what is live, over a connection that no pass waits for."""
    return registry(chosen).tagging() if chosen.write_back else None


def candidate(chosen: Settings, target: Cluster, changed: Callable[[], None]) -> Lease | None:
    """Return who contends for the Lease; ``changed`` is called once it leads."""
    if not chosen.leader_elect:
        return None
    from m2s.targets.kubernetes.lease import Lease, identity

    api = _alone(chosen, request_timeout=min(chosen.request_timeout, _LEASE_TIMEOUT)).api
    return Lease(api, target.namespace, chosen.lease, identity(), changed=changed)
