"""The engine's reading half: both sides become a Plan. Knows neither edge; writes nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from m2s import desired
from m2s.base import trace
from m2s.base.bounds import after
from m2s.base.errors import ClusterError, ClusterUnavailable, UsageError
from m2s.base.workers import Begin, Workers, silently
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Skipped, Templates
from m2s.domain.scope import Scope
from m2s.engine.looks import locate
from m2s.engine.selection import choose
from m2s.engine.sides import Sides
from m2s.engine.stages import build, compare, describe, know, now, preview
from m2s.plan import removals
from m2s.plan.changes import Change
from m2s.plan.plan import Plan
from m2s.platforms import catalogue
from m2s.settings.groups import Settings
from m2s.sources.source import Registry, TemplateSource
from m2s.targets.cluster import Cluster

__all__ = ["locate", "make_plan", "make_teardown", "now", "preview"]
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
    trace.step(f"reading {', '.join(map(str, settings.selectors))} of {registry.identity}")
    templates = folder.read() if folder else Templates("")
    with ThreadPoolExecutor(settings.concurrency) as pool:
        workers = Workers(pool, settings.concurrency, begin, after(LONGEST))
        sides = Sides(
            registry=registry, cluster=cluster, settings=settings, workers=workers,
            folder=folder, templates=templates, memo=memo,
        )  # fmt: skip
        reading = pool.submit(cluster.list)
        chosen = choose(registry, settings, sides.scope)
        lives = reading.result()
        described = describe(sides, chosen)
        # The kinds that only descriptions name.
        looked = catalogue.resources(settings.platform, settings.platforms)
        others = described.kinds({one.kind for one in looked})
        others -= {one.key.kind for one in lives}
        more, unlisted = _listed(cluster, others)
        lives += more
        known = know(sides, lives, unlisted)
        built = build(sides, described, known)
        changes = compare(sides, built, known)
    made = _plan(cluster, settings, changes, lives)
    question = removals.untemplated(templates, built.every, lives, sides.scope)
    if templates.missing and not question:
        raise UsageError(f"--templates {templates.folder}: there is no such folder; correct it")
    return replace(
        made,
        registry=registry.identity,
        skipped=tuple(item for item in built.wanted if isinstance(item, Skipped)),
        offered=chosen.offered,
        unchecked=(*built.unchecked, *cluster.unread()),
        untemplated=question,
        doubt=known.ties.doubt,
        accepted=settings.accept_registry,
    )


def _listed(
    cluster: Cluster, kinds: Iterable[str]
) -> tuple[tuple[LiveDeployment, ...], dict[str, str]]:
    """Return the objects of kinds that only descriptions name, and why a kind cannot be listed.

    A person who names a platform that is not there stops nobody else's deployments (law 12).
    """
    found, unlisted = list[LiveDeployment](), dict[str, str]()
    for kind in sorted(kinds):
        try:
            found += cluster.list([kind])
        except ClusterUnavailable:
            raise
        except ClusterError as error:
            unlisted[kind] = str(error)
    return tuple(found), unlisted


def make_teardown(cluster: Cluster, settings: Settings) -> Plan:
    """Return the deletion of everything in scope; the registry is not asked."""
    live = cluster.list()
    changes = removals.teardown(live, Scope(settings.owners, settings.models))
    return _plan(cluster, settings, changes, live)


def _plan(
    cluster: Cluster,
    settings: Settings,
    changes: tuple[Change, ...],
    live: Iterable[LiveDeployment],
) -> Plan:
    """Return the plan of these changes, as far as it is the same without a registry."""
    scope = Scope(settings.owners, settings.models)
    mine = Counter(item.owner for item in live if scope.includes(item) and not item.deleting)
    return Plan(
        registry="",
        target=cluster.identity,
        namespace=cluster.namespace,
        selectors=settings.selectors,
        scope=scope,
        changes=changes,
        owned={owner: mine[owner] for owner in sorted(scope.owners)},
        show_env=settings.show_env,
    )
