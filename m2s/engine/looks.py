"""The engine's second looks: what a list does not have, or would undo, is asked for by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TypeGuard

from m2s.base.errors import Withheld
from m2s.base.workers import Workers
from m2s.desired import Wanted
from m2s.desired.choosing import default_name
from m2s.domain import provenance
from m2s.domain.deployments import LiveDeployment
from m2s.domain.versions import (
    Census,
    Description,
    Model,
    ModelVersion,
    Unreadable,
    Whereabouts,
)
from m2s.plan import ties
from m2s.plan.second_look import Looked
from m2s.settings.build import Settings
from m2s.sources.source import Registry, TemplateSource

_FEW = 20
"""Up to so many models are looked up one by one, more by a listing of all."""


class Looks:
    """Looks at registered models by name, each taken once for a plan."""

    def __init__(self, registry: Registry, workers: Workers) -> None:
        self._registry, self._workers = registry, workers
        self._found: dict[str, Model | Unreadable | None] = {}

    def of(self, names: Iterable[str]) -> Looked:
        """Return what each of these models is now."""
        wanted = list(dict.fromkeys(names))
        new = [name for name in wanted if name not in self._found]
        if len(new) > _FEW:
            listed = self._registry.models()
            self._found |= {name: listed[name] for name in new if name in listed}
            new = [name for name in new if name not in listed]
        looked = self._workers.each("Looking again", self._registry.look, new)
        self._found |= zip(new, looked, strict=True)
        return {name: self._found[name] for name in wanted}

    def census(self, mine: Iterable[LiveDeployment]) -> Census:
        """Return what the registry has, with a look at each model of which a version is missing."""
        self.of(ties.unlisted(mine, self._registry.census()))
        return self.known()

    def known(self) -> Census:
        """Return what the registry has, as far as that was seen by now."""
        census = self._registry.census()
        seen = {name: each for name, each in self._found.items() if isinstance(each, Model)}
        return replace(census, models={**census.models, **seen})


Described = Mapping[ModelVersion, Description | Unreadable]


def descriptions(
    registry: Registry,
    workers: Workers,
    settings: Settings,
    wanted: Iterable[Wanted],
    described: Described,
    mine: Iterable[LiveDeployment],
    renamed: Mapping[str, str],
    *,
    based: bool,
) -> Described:
    """Return ``described`` after a second look for each deploy.yaml that was there and is not.

    If it is still not there, a version that is deployed with it is held. Another version may well
    have none. ``based``: there is a base template, which may name what has no deploy.yaml.
    """
    there: dict[tuple[str | None, str], list[LiveDeployment]] = defaultdict(list)
    for one in mine:
        for each in one.served if not one.template else ():
            there[one.owner, renamed.get(each.model, each.model)].append(one)

    def look(want: Wanted) -> Description | Unreadable:
        version, owner = want.version, settings.owner_of(want.selector)
        found = registry.describe(version, again=True)
        if _is_bare(found) and any(map(_serves(version), there[owner, version.model])):
            return Unreadable(_LOST.format(version), found.uri)
        return found

    lost = [
        want
        for want in wanted
        if _is_bare(described.get(want.version))
        and _lost_file(
            want, there[settings.owner_of(want.selector), want.version.model], based=based
        )
    ]
    found = workers.each("Looking again", look, lost)
    return {**described, **dict(zip((want.version for want in lost), found, strict=True))}


_LOST = (
    "the deploy.yaml that {} was deployed with is not found any more; log it again, or promote a "
    "version without one"
)


def _lost_file(want: Wanted, there: Iterable[LiveDeployment], *, based: bool) -> bool:
    """Whether what serves the model had a deploy.yaml, and nothing serves this version without."""
    name = want.version.model
    default = None if based else default_name(name, want.selector)
    had = [(_serves(want.version)(one), provenance.had_file(one, name, default)) for one in there]
    return any(filed for _, filed in had) and (True, False) not in had


def _serves(version: ModelVersion) -> Callable[[LiveDeployment], bool]:
    return lambda live: str(version.version) in {one.version for one in live.served}


def _is_bare(found: Description | Unreadable | None) -> TypeGuard[Description]:
    return isinstance(found, Description) and found.file is None


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


def located(
    registry: Registry,
    settings: Settings,
    live: LiveDeployment,
    folder: TemplateSource | None,
) -> Whereabouts | Unreadable:
    """Return what :func:`locate` does, or why the registry does not give this one model."""
    try:
        return locate(registry, settings, live, folder)
    except Withheld as error:
        return Unreadable(str(error))
