"""Pure: what a person ordered for single deployments, over what the registry says.

Two marks on a deployment say it: ``m2s.io/paused`` leaves it as it is, ``m2s.io/pinned`` has it
serve one of the versions it served before. A tag ``m2s.io/paused`` on a registered model, or on
the version that would be deployed, pauses whatever serves the model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from m2s.base.labels import PAUSED, PINNED, RUN_ID, SELECTOR, is_set
from m2s.base.wording import told
from m2s.domain import history
from m2s.domain.deployments import LiveDeployment
from m2s.domain.history import Entry
from m2s.domain.manifests import Desired, Manifest, Paused, Skipped, Undeployable
from m2s.domain.scope import Scope
from m2s.domain.versions import Key, ModelVersion, Selector, Served
from m2s.objects import diff
from m2s.objects.body import Body
from m2s.objects.origins import Source
from m2s.plan import reasons
from m2s.platforms import catalogue

_Item = Manifest | Undeployable


def overruled(
    desired: Sequence[Desired],
    live: Iterable[LiveDeployment],
    scope: Scope,
    tagged: Collection[str],
) -> tuple[Desired, ...]:
    """Return what is wanted once everybody's orders are followed.

    What is wanted of a paused or pinned deployment gives way to a
    :class:`~m2s.domain.manifests.Paused`, or to the manifest of the pinned version. What is wanted
    of a paused model that has no deployment yet is skipped. ``live`` is every object of the
    namespace; ``tagged`` are the registered models that their tag pauses.
    """
    each = ((item.owner, version) for item in desired for version in _versions(item))
    tags = _Tags(tagged, frozenset(one for one in each if is_set(one[1].tags.get(PAUSED))))
    mine = (one for one in live if scope.includes(one))
    ordered = [one for one in mine if one.pin or _why_paused(one, tags)]
    wanted = {item.key for item in desired if isinstance(item, Manifest | Undeployable)}
    claims, rest = _Claims(ordered, wanted), list[Desired]()
    about: dict[Key, list[_Item]] = defaultdict(list)
    for item in desired:
        one = claims.claimant(item)
        if one and not isinstance(item, Skipped | Paused):
            about[one.key].append(item)
        else:
            rest.append(_allowed(item, tags))
    return (*rest, *(_followed(one, tags, about[one.key]) for one in ordered))


@dataclass(frozen=True)
class _Tags:
    """Where the tag is: on registered models, and on versions that an owner would deploy."""

    models: Collection[str]
    versions: Collection[tuple[str, ModelVersion]]

    def why(self, owner: str | None, names: Iterable[str]) -> str | None:
        """Return why what serves one of these models stays as it is, None where no tag says so."""
        for name in names:
            if name in self.models:
                return f"paused by the tag {PAUSED} of {name}"
            for whose, version in self.versions:
                if (whose, version.model) == (owner, name):
                    return f"paused by the tag {PAUSED} of {version}"
        return None


def _versions(item: Desired) -> tuple[ModelVersion, ...]:
    if isinstance(item, Manifest):
        return item.models
    version = None if isinstance(item, Paused) else item.version
    return (version,) if version else ()


def _why_paused(live: LiveDeployment, tags: _Tags) -> str | None:
    if live.paused:
        return f"paused by its annotation {PAUSED}"
    return tags.why(live.owner, (one.model for one in live.served))


class _Claims:
    """Which of the ordered deployments something wanted is about, also under another name."""

    def __init__(self, ordered: Iterable[LiveDeployment], wanted: Collection[Key]) -> None:
        self._keys = {one.key: one for one in ordered}
        own = [one for one in self._keys.values() if not one.template]
        self._models = {(one.owner, each.model): one for one in own for each in one.served}
        # One that is wanted by its own name was not renamed: its file has other templates too.
        renamed = [one for one in self._keys.values() if one.template and one.key not in wanted]
        self._templates = {(one.owner, one.template): one for one in renamed}

    def claimant(self, item: Desired) -> LiveDeployment | None:
        if isinstance(item, Skipped | Paused) or (isinstance(item, Undeployable) and item.nameless):
            return None
        if item.key in self._keys and not _is_refused_a_name(item, self._keys[item.key]):
            return self._keys[item.key]
        if item.template:
            return self._templates.get((item.owner, item.template))
        found = (self._models.get((item.owner, name)) for name in _names(item))
        return next(filter(None, found), None)


def _is_refused_a_name(item: _Item, live: LiveDeployment) -> bool:
    """Whether it is about another model, which wants the name that ``live`` has."""
    names = {one.model for one in live.served}
    return isinstance(item, Undeployable) and not item.template and names.isdisjoint(item.held)


def _names(item: _Item) -> Iterable[str]:
    return item.held if isinstance(item, Undeployable) else (one.model for one in item.models)


def _allowed(item: Desired, tags: _Tags) -> Desired:
    """Return ``item``, or that it is skipped where its model is paused."""
    if isinstance(item, Skipped | Paused) or not (versions := _versions(item)):
        return item
    why = tags.why(item.owner, _names(item))
    return Skipped(item.owner, item.selector, versions[0], why) if why else item


def _followed(live: LiveDeployment, tags: _Tags, about: Iterable[_Item]) -> Desired:
    waiting = "".join(
        f"; {reasons.of_create(item)}"
        for item in about
        if isinstance(item, Manifest) and item.served != live.served
    )
    if why := _why_paused(live, tags):
        return Paused(live.key, live.owner or "", why + waiting)
    return pinned(live, waiting)


def pinned(live: LiveDeployment, waiting: str = "") -> Manifest | Undeployable:
    """Return the manifest of the version that ``live`` is pinned to."""
    past = history.entries(live)
    lift = f"`m2s rollback {live.key.name} --unpin` lifts it"
    entry = next((each for each in past if each.is_called(live.pin)), None)
    body = history.described(live, entry) if entry else None
    if entry is None or body is None:
        served = told(map(str, past)) if past else "nothing that is on record"
        lost = f"pinned to {live.pin}, which is not on its record; it served {served}; {lift}"
        return Undeployable(live.key, live.owner or "", _selector(live), None, lost)
    why = f"pinned to {entry}{waiting}; {lift}"
    return manifest(live, entry, body, pin=live.pin, why=why)


def manifest(
    live: LiveDeployment, entry: Entry, body: Body, *, pin: str | None, why: str
) -> Manifest:
    """Return what ``live`` was when it began to serve ``entry``; ``pin`` None is no pin."""
    metadata = body["metadata"]
    annotations = {**metadata["annotations"], **({} if pin is None else {PINNED: pin})}
    aliases = tuple(one.alias for one in entry.served)
    return Manifest(
        key=live.key,
        owner=live.owner or "",
        selector=_selector(live),
        models=tuple(_version(one, metadata["annotations"].get(RUN_ID)) for one in entry.served),
        body={**body, "metadata": {**metadata, "annotations": annotations}},
        uri=catalogue.of(live.key).first_uri(body),
        aliases=aliases if any(aliases) else (),
        template=live.template,
        pin=why,
        sources=lambda: dict.fromkeys(
            (leaf.path for leaf in diff.leaves(body, "added")), Source(f"its record of {entry}")
        ),
    )


def _version(one: Served, run_id: str | None) -> ModelVersion:
    number = int(one.version) if one.version.isdecimal() else 0
    return ModelVersion(one.model, number, run_id=run_id)


def _selector(live: LiveDeployment) -> Selector:
    kind, _, name = live.annotations.get(SELECTOR, "").partition("=")
    return Selector("alias" if kind == "alias" else "stage", name)
