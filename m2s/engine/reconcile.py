"""The engine's reading half: both sides become a Plan. Knows neither edge; writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from m2s import desired
from m2s.base import mask
from m2s.base.bounds import after
from m2s.base.errors import Rejected, UsageError
from m2s.base.workers import Begin, Workers, silently
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Desired, Skipped, Templates
from m2s.domain.scope import Scope
from m2s.domain.versions import Description, Key, ModelVersion, Selector, Unreadable, Whereabouts
from m2s.engine.inspection import inspect
from m2s.engine.locating import resolved
from m2s.objects.body import Body
from m2s.plan import removals, writes
from m2s.plan.changes import Change
from m2s.plan.orders import overruled
from m2s.plan.plan import Plan
from m2s.plan.proof import changes_nothing
from m2s.plan.writes import Write
from m2s.settings.build import Settings
from m2s.sources.source import Registry, TemplateSource
from m2s.targets.cluster import Cluster

LONGEST = 3600.0
"""Seconds that making a plan takes at the most."""


def make_plan(
    registry: Registry,
    cluster: Cluster,
    settings: Settings,
    folder: TemplateSource | None = None,
    memo: desired.Memo | None = None,
    begin: Begin = silently,
) -> Plan:
    """Read all sides and return what would make the cluster serve what the registry says.

    ``memo`` keeps what need not be worked out again by a process that makes plan after plan.
    ``begin`` is told how far it is.

    Raises:
        RegistryError, ClusterError, TemplatesError: when a side could not be read completely;
            nothing may be concluded then, so there is no plan.
        M2sError: it took longer than an hour.
        UsageError: there is no folder of templates, and there never was one.
    """
    scope = Scope(settings.owners, settings.models)
    templates = folder.read() if folder else Templates("")
    with ThreadPoolExecutor(settings.concurrency) as pool:
        workers = Workers(pool, settings.concurrency, begin, after(LONGEST))
        reading = pool.submit(cluster.list)
        chosen = _choose(registry, settings, scope)
        built, unchecked = _build(registry, cluster, settings, templates, chosen, workers, memo)
        live = {item.key: item for item in reading.result()}
        narrowed = writes.narrowed(built, live, scope)
        manifests = overruled(narrowed, live.values(), scope, registry.paused())
        sides = _Sides(registry, cluster, settings, folder)
        changes = _compare(sides, manifests, live, scope, workers)
    skipped = tuple(item for item in manifests if isinstance(item, Skipped))
    made = _plan(
        registry.identity, cluster, settings, changes, skipped, live.values(), chosen.offered
    )
    question = removals.untemplated(templates, built, live.values(), scope)
    if templates.missing and not question:
        raise UsageError(f"--templates {templates.folder}: there is no such folder; correct it")
    return replace(made, unchecked=(*unchecked, *cluster.unread()), untemplated=question)


@dataclass(frozen=True)
class _Sides:
    """Everybody who is asked while a plan is made."""

    registry: Registry
    cluster: Cluster
    settings: Settings
    folder: TemplateSource | None


def _build(
    registry: Registry,
    cluster: Cluster,
    settings: Settings,
    templates: Templates,
    chosen: _Chosen,
    workers: Workers,
    memo: desired.Memo | None,
) -> tuple[tuple[Desired, ...], tuple[str, ...]]:
    """Return what is wanted, looked at by preflight, and what that could not look at."""
    read = settings.describing != "ignored"
    needed = chosen.needed(templates)

    def describe(version: ModelVersion) -> Description | Unreadable:
        return registry.describe(version, read=read)

    found = workers.each("Reading descriptions", describe, needed)
    described = dict(zip(needed, found, strict=True))
    tagged = desired.serves_undescribed(described.values(), settings)
    built = desired.build(
        chosen.wanted,
        described,
        settings,
        cluster.namespace,
        registry.model_tags() if tagged else {},
        templates,
        chosen.every,
        memo,
    )
    built = resolved(built, registry, settings, workers)
    return inspect(built, described.values(), registry, cluster, settings, workers)


def _compare(
    sides: _Sides,
    manifests: tuple[Desired, ...],
    live: Mapping[Key, LiveDeployment],
    scope: Scope,
    workers: Workers,
) -> tuple[Change, ...]:
    """Ask the cluster what each manifest would come to, and the registry about what leaves."""
    sorted_out = writes.writes(manifests, live, scope, sides.settings, now(sides.settings))
    previews: dict[Key, Body | str] = {
        item.manifest.key: item.live.body
        for item in sorted_out
        if isinstance(item, Write) and item.live and changes_nothing(item.manifest, item.live)
    }
    asked = [
        item for item in sorted_out if isinstance(item, Write) and item.manifest.key not in previews
    ]
    looked = workers.each("Comparing", lambda item: preview(sides.cluster, item), asked)
    previews |= zip([item.manifest.key for item in asked], looked, strict=True)
    written = writes.judge(sorted_out, previews, sides.settings.ignore)
    gone = removals.candidates(manifests, written, live.values(), scope)

    def look(item: LiveDeployment) -> Whereabouts:
        return locate(sides.registry, sides.settings, item, sides.folder)

    places = workers.each("Looking up what nothing wants", look, gone)
    whereabouts = dict(zip([item.key for item in gone], places, strict=True))
    return removals.assemble(manifests, written, live.values(), whereabouts, scope)


def now(settings: Settings) -> str:
    """Return what goes on record as the time, in UTC; "" in a folder, which keeps no times."""
    return "" if settings.folder else datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def make_teardown(cluster: Cluster, settings: Settings) -> Plan:
    """Return the deletion of everything in scope; the registry is not asked."""
    live = cluster.list()
    changes = removals.teardown(live, Scope(settings.owners, settings.models))
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
    mine = [item.owner for item in live if scope.includes(item) and not item.deleting]
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
        show_env=settings.show_env,
    )


@dataclass(frozen=True)
class _Chosen:
    """What the selectors name: how many versions by owner, and of each model the one to serve.

    ``every`` is of the whole registry, ``wanted`` of the models that are looked at.
    """

    offered: dict[str, int]
    every: tuple[desired.Wanted, ...]
    wanted: tuple[desired.Wanted, ...]

    def needed(self, templates: Templates) -> list[ModelVersion]:
        """Return the versions whose descriptions are needed; templates may name any model."""
        texts = [file.text for file in templates.files]
        named = [w for w in self.every if any(w.version.model in text for text in texts)]
        return list(dict.fromkeys(v for w in (*self.wanted, *named) for v in w.versions))


def _choose(registry: Registry, settings: Settings, scope: Scope) -> _Chosen:
    offered: dict[str, int] = {}
    every: list[desired.Wanted] = []
    for selector in settings.selectors:
        versions = registry.select(selector)
        owner = settings.owner_of(selector)
        offered[owner] = offered.get(owner, 0) + len(versions)
        every += desired.choose(selector, versions)
    others = [
        (share, registry.select(Selector("alias", share.alias)))
        for share in (settings.split or ())[1:]
    ]
    shared = desired.with_shares(every, others)
    wanted = tuple(want for want in shared if scope.includes_model(want.version.model))
    return _Chosen(offered, shared, wanted)


def preview(cluster: Cluster, item: Write) -> Body | str:
    """Return what the cluster would make of it, or why it refuses.

    Raises:
        ClusterError: it cannot be asked.
    """
    try:
        return cluster.preview(item.manifest, item.live)
    except Rejected as error:
        why = mask.within(str(error), item.manifest.body, item.live.body if item.live else None)
        return f"rejected by the cluster: {why}"


def locate(
    registry: Registry,
    settings: Settings,
    live: LiveDeployment,
    folder: TemplateSource | None = None,
) -> Whereabouts:
    """Look up in the registry, by name, the model that ``live`` serves, or its template.

    Raises:
        RegistryError, TemplatesError: when that does not say; the object is held then.
    """
    if live.template:
        no_folder = Whereabouts(True, "no --templates is given")
        return folder.look(live) if folder else no_folder
    if live.model is None:
        return Whereabouts(True, "its model is unknown")
    places = [
        registry.locate(selector, live.model, live.version)
        for selector in settings.selectors
        if settings.owner_of(selector) == live.owner
    ]
    return next((place for place in places if place.selected), places[0])
