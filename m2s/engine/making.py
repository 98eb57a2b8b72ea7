"""A plan in the making: both sides are asked what wanted manifests, and live objects, come to."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from m2s import desired
from m2s.base import mask
from m2s.base.errors import Rejected
from m2s.base.workers import Workers
from m2s.domain import provenance
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Desired, Templates
from m2s.domain.scope import Scope
from m2s.domain.versions import (
    Census,
    Description,
    Key,
    ModelVersion,
    Unreadable,
    Whereabouts,
)
from m2s.engine import looks
from m2s.engine.inspection import inspect
from m2s.engine.locating import resolved
from m2s.engine.looks import Described, Looks
from m2s.engine.selection import Chosen
from m2s.objects.body import Body
from m2s.plan import claims, removals, second_look, ties, writes
from m2s.plan.changes import Blocked, Change, Create, Update
from m2s.plan.proof import changes_nothing
from m2s.plan.writes import Refusal, Write
from m2s.settings.build import Settings
from m2s.sources.source import Registry, TemplateSource
from m2s.targets.cluster import Cluster


class Making:
    """One plan in the making: everybody who is asked, and what both sides are known to have."""

    def __init__(
        self,
        registry: Registry,
        cluster: Cluster,
        settings: Settings,
        folder: TemplateSource | None,
        templates: Templates,
        scope: Scope,
        live: Mapping[Key, LiveDeployment],
        workers: Workers,
    ) -> None:
        self._registry, self._cluster, self._settings = registry, cluster, settings
        self._folder, self._templates, self._scope = folder, templates, scope
        self._live, self._workers = live, workers
        self._mine = [item for item in live.values() if scope.includes(item)]
        self._looks = Looks(registry, workers)
        census, accept = self._looks.census(self._mine), settings.accept_registry
        # What --model leaves out is evidence as well.
        owned = [item for item in live.values() if item.owner in scope.owners]
        self.ties = ties.judge(owned, census, registry.identity, accept=accept)
        self._filed: frozenset[tuple[str, int]] = frozenset()

    def build(
        self, chosen: Chosen, memo: desired.Memo | None
    ) -> tuple[tuple[Desired, ...], tuple[str, ...]]:
        """Return what is wanted, looked at by preflight, and what that could not look at."""
        described = self._describe(chosen)
        settings, registry, cluster = self._settings, self._registry, self._cluster
        tagged = desired.serves_undescribed(described.values(), settings)
        built = desired.build(
            chosen.wanted,
            described,
            settings,
            cluster.namespace,
            registry.model_tags() if tagged else {},
            self._templates,
            chosen.every,
            memo,
        )
        built = resolved(built, registry, settings, self._workers)
        settled = claims.settled(built, self._live, self.ties.renamed)
        return inspect(settled, described.values(), registry, cluster, settings, self._workers)

    def _describe(self, chosen: Chosen) -> Described:
        settings, registry, workers = self._settings, self._registry, self._workers
        read = settings.describing != "ignored"
        needed = chosen.needed(self._templates)

        def describe(version: ModelVersion) -> Description | Unreadable:
            return registry.describe(version, read=read)

        found = workers.each("Reading descriptions", describe, needed)
        described: Described = dict(zip(needed, found, strict=True))
        if read and (settings.describing == "optional" or self._templates.serves):
            described = looks.descriptions(
                registry, workers, settings, chosen.wanted, described, self._mine,
                self.ties.renamed, based=self._templates.base is not None,
            )  # fmt: skip
        self._filed = frozenset(
            (version.model, version.version)
            for version, each in described.items()
            if isinstance(each, Description) and each.file
        )
        return described

    def compare(self, manifests: tuple[Desired, ...]) -> tuple[Change, ...]:
        """Ask the cluster what each manifest would come to, and the registry about what leaves."""
        live, scope, settings = self._live, self._scope, self._settings
        renamed = self.ties.renamed
        sorted_out = writes.writes(manifests, live, scope, settings, now(settings), renamed)
        written = writes.judge(sorted_out, self._previews(sorted_out), settings.ignore, self.ties)
        looked = self._looks.of(second_look.names(written, renamed))
        written = second_look.checked(written, looked, renamed)
        leaves = removals.candidates(manifests, written, live.values(), scope, self.ties)
        places = self._locate([*leaves, *(each.live for each in claims.taken(written, renamed))])
        written = claims.taking(written, places, renamed)
        census = self._looks.known()
        noted = tuple(self._noted(each, census) for each in written)
        return removals.assemble(manifests, noted, live.values(), places, scope, self.ties)

    def _previews(self, items: Iterable[Write | Blocked]) -> dict[Key, Body | Refusal]:
        found: dict[Key, Body | Refusal] = {
            item.manifest.key: item.live.body
            for item in items
            if isinstance(item, Write) and item.live and changes_nothing(item.manifest, item.live)
        }
        asked = [
            item for item in items if isinstance(item, Write) and item.manifest.key not in found
        ]
        looked = self._workers.each("Comparing", lambda item: preview(self._cluster, item), asked)
        return found | dict(zip([item.manifest.key for item in asked], looked, strict=True))

    def _locate(self, items: list[LiveDeployment]) -> claims.Places:
        def look(item: LiveDeployment) -> Whereabouts | Unreadable:
            return looks.located(self._registry, self._settings, item, self._folder)

        places = self._workers.each("Looking up what nothing wants", look, items)
        return dict(zip([item.key for item in items], places, strict=True))

    def _noted(self, change: Change, census: Census) -> Change:
        """Note where what is written comes from, along with what else is to be written."""
        if not isinstance(change, Create | Update):
            return change
        manifest = change.manifest
        if manifest.pin and isinstance(change, Update) and change.key not in self.ties.accepted:
            return replace(change, manifest=provenance.recalled(manifest, change.live))
        registry = self._registry.identity
        return replace(change, manifest=provenance.noted(manifest, registry, census, self._filed))


def now(settings: Settings) -> str:
    """Return what goes on record as the time, in UTC; "" in a folder, which keeps no times."""
    return "" if settings.folder else datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def preview(cluster: Cluster, item: Write) -> Body | Refusal:
    """Return the object as the cluster would have it, or its refusal.

    Raises:
        ClusterError: it cannot be asked.
    """
    try:
        return cluster.preview(item.manifest, item.live)
    except Rejected as error:
        why = mask.within(str(error), item.manifest.body, item.live.body if item.live else None)
        return Refusal(f"rejected by the cluster: {why}")
