"""The engine's reading half: both sides become a Plan. Knows neither edge; writes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

from m2s import desired, mask, plan
from m2s.change import Blocked, Change
from m2s.cluster import Cluster
from m2s.errors import Rejected, UsageError
from m2s.inspection import inspect
from m2s.model import (
    Body,
    Key,
    LiveDeployment,
    ModelVersion,
    Selector,
    Skipped,
    Templates,
    Whereabouts,
)
from m2s.plan import Plan, Scope, Write
from m2s.registry import Registry
from m2s.settings import Settings
from m2s.shortcut import changes_nothing


class TemplateSource(Protocol):
    """The templates folder; every method raises TemplatesError when it cannot be read."""

    def read(self) -> Templates:
        """Return what is there now: all of it, or an error."""

    def look(self, live: LiveDeployment) -> Whereabouts:
        """Look a second time, before what was made from a template is deleted."""


def make_plan(
    registry: Registry,
    cluster: Cluster,
    settings: Settings,
    folder: TemplateSource | None = None,
) -> Plan:
    """Read all sides and return what would make the cluster serve what the registry says.

    Raises:
        RegistryError, ClusterError, TemplatesError: when a side could not be read completely;
            nothing may be concluded then, so there is no plan.
        UsageError: there is no folder of templates, and there never was one.
    """
    scope = Scope(settings.owners, settings.models)
    templates = folder.read() if folder else Templates("")
    with ThreadPoolExecutor(settings.concurrency) as pool:
        reading = pool.submit(cluster.list)
        chosen = _choose(registry, settings, scope)
        read = settings.describing != "ignored"
        needed = chosen.needed(templates)
        found = pool.map(lambda version: registry.describe(version, read=read), needed)
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
        )
        inspected, unchecked = inspect(built, described.values(), registry, cluster, settings, pool)
        live = {item.key: item for item in reading.result()}
        manifests = plan.narrowed(inspected, live, scope)
        writes = plan.writes(manifests, live, scope, settings)
        previews = dict(pool.map(lambda item: _preview(cluster, item), writes))
        written = plan.judge(writes, previews, settings.ignore)
        gone = plan.leaving(manifests, written, live.values(), scope)
        places = pool.map(lambda item: locate(registry, settings, item, folder), gone)
        whereabouts = dict(zip([item.key for item in gone], places, strict=True))
    changes = plan.assemble(manifests, written, live.values(), whereabouts, scope)
    skipped = tuple(item for item in manifests if isinstance(item, Skipped))
    made = _plan(
        registry.identity, cluster, settings, changes, skipped, live.values(), chosen.offered
    )
    question = plan.untemplated(templates, inspected, live.values(), scope)
    if templates.missing and not question:
        raise UsageError(f"--templates {templates.folder}: there is no such folder; correct it")
    return replace(made, unchecked=unchecked, untemplated=question)


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


def _preview(cluster: Cluster, item: Write | Blocked) -> tuple[Key, Body | str]:
    if isinstance(item, Blocked):
        return item.key, item.reason
    if item.live and changes_nothing(item.manifest, item.live):
        return item.manifest.key, item.live.body
    try:
        return item.manifest.key, cluster.preview(item.manifest, item.live)
    except Rejected as error:
        why = mask.within(str(error), item.manifest.body)
        return item.manifest.key, f"rejected by the cluster: {why}"


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
