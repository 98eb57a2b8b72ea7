"""The engine's second looks: what a list does not have, or would undo, is asked for by name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeGuard

from m2s.base.errors import Withheld
from m2s.base.workers import Workers
from m2s.desired import Wanted
from m2s.desired.choosing import default_name
from m2s.desired.per_version import ModelTags
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
from m2s.platforms import catalogue
from m2s.platforms.bare import Bare
from m2s.settings.groups import Settings
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

    def look(asked: tuple[ModelVersion, list[LiveDeployment]]) -> Description | Unreadable:
        version, lives = asked
        found = registry.describe(version, again=True)
        if _is_bare(found) and any(_serves(live, version) for live in lives):
            return Unreadable(_LOST.format(version), found.uri)
        return found

    lost = [
        (version, lives)
        for want in wanted
        if (lives := there[settings.owner_of(want.selector), want.version.model])
        for version in want.versions
        if _is_bare(described.get(version)) and _lost_file(want, version, lives, based=based)
    ]
    found = workers.each("Looking again", look, lost)
    return {**described, **dict(zip((version for version, _ in lost), found, strict=True))}


def mlmodels(
    registry: Registry, workers: Workers, settings: Settings, described: Described, tags: ModelTags
) -> Described:
    """Return ``described`` with the MLmodel files that a platform's own server goes by.

    ``tags`` are those of registered models, by model.
    """
    platform = catalogue.default(settings.platform)
    asked = [
        (version, found)
        for version, found in described.items()
        if _is_bare(found)
        and platform.asks_mlmodel(Bare(version, found.uri, tags.get(version.model, {})), settings)
    ]
    models = workers.each(
        "Reading MLmodel files", lambda each: registry.mlmodel(each[1].uri), asked
    )
    read = zip(asked, models, strict=True)
    return {**described, **{v: replace(found, mlmodel=model) for (v, found), model in read}}


_LOST = (
    "the deploy.yaml that {} was deployed with is not found any more; log it again, or promote a "
    "version without one"
)


def _lost_file(
    want: Wanted, version: ModelVersion, lives: Iterable[LiveDeployment], *, based: bool
) -> bool:
    """Whether what serves the model had a deploy.yaml, and nothing serves this version without.

    Of a version that only gets a share of the traffic, its own deploy.yaml counts.
    """
    default = None if based else default_name(version.model, want.selector)
    had = [
        (_serves(live, version), provenance.had_file(live, version.model, version.version, default))
        for live in lives
    ]
    if (True, False) in had:
        return False
    return any(filed and (serves or version == want.version) for serves, filed in had)


def _serves(live: LiveDeployment, version: ModelVersion) -> bool:
    return str(version.version) in {one.version for one in live.served}


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
