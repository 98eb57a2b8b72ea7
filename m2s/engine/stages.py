"""The stages of a plan, each a value: Chosen, Described, Known, Built, and its changes.

``selection.choose`` asks the registry what is selected; :func:`describe` how it wants to be
deployed; :func:`know` brings in what the cluster has; :func:`build` makes manifests of it; and
:func:`compare` asks the cluster what each would come to, and the registry about what leaves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from m2s import desired
from m2s.base import mask
from m2s.base.errors import Rejected
from m2s.desired import deploy_file, documents
from m2s.domain import provenance
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Desired, Manifest, Templates
from m2s.domain.versions import Census, Description, Key, ModelVersion, Unreadable, Whereabouts
from m2s.engine import looks
from m2s.engine.inspection import inspect
from m2s.engine.locating import resolved
from m2s.engine.looks import Looks
from m2s.engine.selection import Chosen
from m2s.engine.sides import Sides
from m2s.objects.body import Body
from m2s.plan import claims, removals, second_look, ties, writes
from m2s.plan.changes import Blocked, Change, Create, Update
from m2s.plan.orders import overruled
from m2s.plan.proof import changes_nothing
from m2s.plan.ties import Ties
from m2s.plan.writes import Refusal, Write
from m2s.settings.groups import Settings
from m2s.targets.cluster import Cluster


@dataclass(frozen=True)
class Described:
    """What was chosen, and how each version wants to be deployed."""

    chosen: Chosen
    found: looks.Described
    templates: Templates

    def kinds(self, known: Collection[str]) -> set[str]:
        """Return what other kinds of objects the deploy.yaml files and the templates describe."""
        files = [each.file for each in self.found.values() if isinstance(each, Description)]
        found = {kind for file in files if file for kind in deploy_file.kinds(file, known)}
        return (found | documents.kinds(self.templates)) - {*known}

    @property
    def filed(self) -> frozenset[tuple[str, int]]:
        """The versions that have a deploy.yaml."""
        return frozenset(
            (version.model, version.version)
            for version, each in self.found.items()
            if isinstance(each, Description) and each.file
        )


@dataclass(frozen=True)
class Known:
    """What the cluster has, and what ties it to the registry; ``mine`` is what a run may touch.

    ``unlisted`` says of each kind that could not be listed why.
    """

    live: Mapping[Key, LiveDeployment]
    mine: tuple[LiveDeployment, ...]
    looks: Looks
    ties: Ties
    unlisted: Mapping[str, str]


@dataclass(frozen=True)
class Built:
    """What is wanted, all orders followed; ``filed`` are the versions with a deploy.yaml.

    ``every`` is what is wanted before --model and orders; ``unchecked`` what preflight could not
    look at, a line each.
    """

    wanted: tuple[Desired, ...]
    every: tuple[Desired, ...]
    unchecked: tuple[str, ...]
    filed: frozenset[tuple[str, int]]


def describe(sides: Sides, chosen: Chosen) -> Described:
    """Ask the registry how what was chosen wants to be deployed."""
    read = sides.settings.describing != "ignored"
    needed = chosen.needed(sides.templates)

    def look(version: ModelVersion) -> Description | Unreadable:
        return sides.registry.describe(version, read=read)

    found = sides.workers.each("Reading descriptions", look, needed)
    return Described(chosen, dict(zip(needed, found, strict=True)), sides.templates)


def know(sides: Sides, lives: Iterable[LiveDeployment], unlisted: Mapping[str, str]) -> Known:
    """Tie what the cluster has to the registry."""
    live, scope, settings = {item.key: item for item in lives}, sides.scope, sides.settings
    mine = tuple(item for item in live.values() if scope.includes(item))
    looked = Looks(sides.registry, sides.workers)
    # What --model leaves out is evidence as well.
    owned = [item for item in live.values() if item.owner in scope.owners]
    census, identity = looked.census(mine), sides.registry.identity
    tied = ties.judge(owned, census, identity, accept=settings.accept_registry)
    return Known(live, mine, looked, tied, unlisted)


def build(sides: Sides, described: Described, known: Known) -> Built:
    """Make manifests of what was described, have preflight look at them, and follow orders."""
    settings, registry, cluster = sides.settings, sides.registry, sides.cluster
    described = _looked_again(sides, described, known)
    chosen, found = described.chosen, described.found
    tagged = desired.serves_undescribed(found.values(), settings)
    tags = registry.model_tags() if tagged else {}
    if tagged and not sides.templates.base:
        found = looks.mlmodels(registry, sides.workers, settings, found, tags)
    made = desired.build(
        chosen.wanted,
        desired.Inputs(
            described=found,
            settings=settings,
            namespace=cluster.namespace,
            model_tags=tags,
            templates=sides.templates,
            every=chosen.every,
        ),
        sides.memo,
    )
    listed = [_listed(item, known.unlisted) for item in made]
    made = resolved(listed, registry, settings, sides.workers)
    settled = claims.settled(made, known.live, known.ties.renamed)
    every, unchecked = inspect(settled, found.values(), sides)
    narrowed = writes.narrowed(every, known.live, sides.scope)
    wanted = overruled(narrowed, known.live.values(), sides.scope, registry.paused())
    return Built(wanted, every, unchecked, described.filed)


def _listed(item: Desired, unlisted: Mapping[str, str]) -> Desired:
    """Refuse what is of a kind of which nobody knows what is there."""
    if isinstance(item, Manifest) and item.key.kind in unlisted:
        return item.refused(unlisted[item.key.kind])
    return item


def _looked_again(sides: Sides, described: Described, known: Known) -> Described:
    """Look a second time for each deploy.yaml that was there and is not."""
    settings, templates = sides.settings, sides.templates
    if settings.describing == "ignored" or (
        settings.describing != "optional" and not templates.serves
    ):
        return described
    found = looks.descriptions(
        sides.registry, sides.workers, settings, described.chosen.wanted, described.found,
        known.mine, known.ties.renamed, based=templates.base is not None,
    )  # fmt: skip
    return replace(described, found=found)


def compare(sides: Sides, built: Built, known: Known) -> tuple[Change, ...]:
    """Ask the cluster what each manifest would come to, and the registry about what leaves."""
    live, scope, settings = known.live, sides.scope, sides.settings
    renamed = known.ties.renamed
    sorted_out = writes.writes(built.wanted, live, scope, settings, now(settings), renamed)
    written = writes.judge(sorted_out, _previews(sides, sorted_out), settings.ignore, known.ties)
    looked = known.looks.of(second_look.names(written, renamed))
    written = second_look.checked(written, looked, renamed)
    leaves = removals.candidates(built.wanted, written, live.values(), scope, known.ties)
    taken = [each.live for each in claims.taken(written, renamed)]
    places = _located(sides, [*leaves, *taken])
    written = claims.taking(written, places, renamed)
    census = known.looks.known()
    noted = tuple(_noted(each, sides.registry.identity, census, built, known) for each in written)
    return removals.assemble(built.wanted, noted, live.values(), places, scope, known.ties)


def _previews(sides: Sides, items: Iterable[Write | Blocked]) -> dict[Key, Body | Refusal]:
    found: dict[Key, Body | Refusal] = {
        item.manifest.key: item.live.body
        for item in items
        if isinstance(item, Write) and item.live and changes_nothing(item.manifest, item.live)
    }
    asked = [item for item in items if isinstance(item, Write) and item.manifest.key not in found]
    looked = sides.workers.each("Comparing", lambda item: preview(sides.cluster, item), asked)
    return found | dict(zip([item.manifest.key for item in asked], looked, strict=True))


def _located(sides: Sides, items: list[LiveDeployment]) -> claims.Places:
    def look(item: LiveDeployment) -> Whereabouts | Unreadable:
        return looks.located(sides.registry, sides.settings, item, sides.folder)

    places = sides.workers.each("Looking up what nothing wants", look, items)
    return dict(zip([item.key for item in items], places, strict=True))


def _noted(change: Change, registry: str, census: Census, built: Built, known: Known) -> Change:
    """Note where what is written comes from, along with what else is to be written."""
    if not isinstance(change, Create | Update):
        return change
    manifest = change.manifest
    if manifest.pin and isinstance(change, Update) and change.key not in known.ties.accepted:
        return replace(change, manifest=provenance.recalled(manifest, change.live))
    return replace(change, manifest=provenance.noted(manifest, registry, census, built.filed))


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
