"""The engine's reading half: both sides become a Plan. Knows neither edge; writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from m2s import desired, plan
from m2s.change import Blocked, Change
from m2s.cluster import Cluster
from m2s.errors import Rejected
from m2s.model import Body, Key, LiveDeployment, Skipped, Whereabouts
from m2s.plan import Plan, Scope, Write
from m2s.registry import Registry
from m2s.settings import Settings


def make_plan(registry: Registry, cluster: Cluster, settings: Settings) -> Plan:
    """Read both sides and return what would make the cluster serve what the registry says.

    Raises:
        RegistryError, ClusterError: when either side could not be read completely; nothing may
            be concluded then, so there is no plan.
    """
    scope = Scope(settings.owners, settings.models)
    with ThreadPoolExecutor(settings.concurrency) as pool:
        reading = pool.submit(cluster.list)
        offered, wanted = _choose(registry, settings, scope)
        described = list(pool.map(registry.describe, [want.version for want in wanted]))
        manifests = desired.build(
            list(zip(wanted, described, strict=True)), settings, cluster.namespace
        )
        live = {item.key: item for item in reading.result()}
        writes = plan.writes(manifests, live, scope, settings)
        previews = dict(pool.map(lambda item: _preview(cluster, item), writes))
        written = plan.judge(writes, previews, settings.ignore)
        gone = plan.leaving(manifests, written, live.values(), scope)
        places = pool.map(lambda item: locate(registry, settings, item), gone)
        whereabouts = dict(zip([item.key for item in gone], places, strict=True))
    changes = plan.assemble(manifests, written, live.values(), whereabouts, scope)
    skipped = tuple(item for item in manifests if isinstance(item, Skipped))
    return _plan(registry.identity, cluster, settings, changes, skipped, live.values(), offered)


def make_teardown(cluster: Cluster, settings: Settings) -> Plan:
    """Return the deletion of everything in scope; the registry is not asked."""
    live = cluster.list()
    changes = plan.teardown(live, Scope(settings.owners, settings.models))
    return _plan("", cluster, settings, changes, (), live, None)


def _plan(
    registry: str,
    cluster: Cluster,
    settings: Settings,
    changes: tuple[Change, ...],
    skipped: tuple[Skipped, ...],
    live: Iterable[LiveDeployment],
    offered: Mapping[str, int] | None,
) -> Plan:
    scope = Scope(settings.owners, settings.models)
    mine = [item.owner for item in live if scope.includes(item)]
    return Plan(
        registry=registry,
        target=cluster.identity,
        namespace=cluster.namespace,
        selectors=settings.selectors,
        scope=scope,
        changes=changes,
        skipped=skipped,
        owned={owner: mine.count(owner) for owner in sorted(scope.owners)},
        offered=offered,
    )


def _choose(
    registry: Registry, settings: Settings, scope: Scope
) -> tuple[dict[str, int], list[desired.Wanted]]:
    offered: dict[str, int] = {}
    wanted: list[desired.Wanted] = []
    for selector in settings.selectors:
        versions = registry.select(selector)
        owner = settings.owner_of(selector)
        offered[owner] = offered.get(owner, 0) + len(versions)
        narrowed = [version for version in versions if scope.includes_model(version.model)]
        wanted += desired.choose(selector, narrowed)
    return offered, wanted


def _preview(cluster: Cluster, item: Write | Blocked) -> tuple[Key, Body | str]:
    if isinstance(item, Blocked):
        return item.key, item.reason
    try:
        return item.manifest.key, cluster.preview(item.manifest, item.live)
    except Rejected as error:
        return item.manifest.key, f"rejected by the cluster: {error}"


def locate(registry: Registry, settings: Settings, live: LiveDeployment) -> Whereabouts:
    """Look up in the registry, by name, the model that ``live`` serves.

    Raises:
        RegistryError: when the registry does not say; the object is held then.
    """
    if live.model is None:
        return Whereabouts(True, "its model is unknown")
    places = [
        registry.locate(selector, live.model, live.version)
        for selector in settings.selectors
        if settings.owner_of(selector) == live.owner
    ]
    return next((place for place in places if place.selected), places[0])
