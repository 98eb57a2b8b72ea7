"""Pure: which registry a deployment comes from, as its annotation ``m2s.io/registry`` remembers.

It has the registry's identity and, of each version that is served, the registry's stamps of when
the version and its model were registered. A registry may move to another URL, and another one may
stand behind the same URL: no two have the same stamps, and a model that is renamed keeps its own.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from m2s.base.labels import REGISTRY
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Manifest
from m2s.domain.versions import Census, Served


@dataclass(frozen=True, slots=True)
class Birth:
    """What the registry said of a version that is served.

    ``created`` and ``registered`` are its stamps, in milliseconds, of when the model and when the
    version was registered; 0 where that is unknown. ``file``: a deploy.yaml described it.
    """

    model: str
    version: str
    created: int = 0
    registered: int = 0
    file: bool = False


@dataclass(frozen=True, slots=True)
class Origin:
    """What the annotation says; ``registry`` is a registry's identity."""

    registry: str
    births: tuple[Birth, ...]

    def birth(self, one: Served) -> Birth:
        """Return what is known of a version, at least what is known of its model."""
        same = [each for each in self.births if each.model == one.model]
        exact = (each for each in same if each.version == one.version)
        created = max((each.created for each in same), default=0)
        return next(exact, Birth(one.model, one.version, created))


def of(live: LiveDeployment) -> Origin | None:
    """Return where ``live`` comes from; None where that is not noted, or not readable."""
    try:
        told = json.loads(live.annotations.get(REGISTRY, "null"))
        registry, births = told["registry"], tuple(map(_birth, told["served"]))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    return Origin(registry, births) if isinstance(registry, str) else None


def _birth(item: Mapping[str, Any]) -> Birth:
    created, registered = item.get("created", 0), item.get("registered", 0)
    kinds = [type(value) for value in (item["model"], item["version"], created, registered)]
    if kinds != [str, str, int, int]:
        raise TypeError(f"not a version that is served: {item}")
    return Birth(item["model"], item["version"], created, registered, item.get("file") is True)


def noted(
    manifest: Manifest, registry: str, census: Census, filed: Collection[tuple[str, int]]
) -> Manifest:
    """Return ``manifest`` with the note that it comes from ``registry``, an identity.

    ``filed`` are the versions, by model and number, that have a deploy.yaml.
    """
    births = []
    for one in manifest.models:
        name = (one.model, one.version)
        model, version = census.models.get(one.model), census.versions.get(name)
        stamps = model.created if model else 0, version.created if version else 0
        births.append(Birth(one.model, str(one.version), *stamps, name in filed))
    return manifest.noting(_note(Origin(registry, tuple(births))))


def carried(manifest: Manifest, live: LiveDeployment | None) -> Manifest:
    """Return ``manifest`` with the note that ``live`` has, byte for byte, if it has one."""
    text = live.annotations.get(REGISTRY) if live and live.owner else None
    return manifest if text is None else manifest.noting({REGISTRY: text})


def recalled(manifest: Manifest, live: LiveDeployment) -> Manifest:
    """Return ``manifest``, another version of what ``live`` serves, with what ``live`` knows.

    No registry is asked about it.
    """
    origin = of(live)
    if origin is None:
        return carried(manifest, live)
    filed = any(each.file for each in origin.births)
    births = tuple(replace(origin.birth(one), file=filed) for one in manifest.served)
    return manifest.noting(_note(Origin(origin.registry, births)))


def had_file(live: LiveDeployment, model: str, version: int, default: str | None) -> bool:
    """Whether what ``live`` serves of ``model`` was described by a deploy.yaml.

    If it serves this very version, that one's counts: of a split one version may have none.

    Where that is not noted, its name may tell: ``default`` is what it would be called without one,
    None where others give names, too.
    """
    origin = of(live)
    if origin is None:
        return default is not None and live.key.name != default
    births = [each for each in origin.births if each.model == model]
    own = [each for each in births if each.version == str(version)]
    return any(each.file for each in own or births)


def _note(origin: Origin) -> dict[str, str]:
    served = [
        {name: value for name, value in asdict(one).items() if value} for one in origin.births
    ]
    told = {"registry": origin.registry, "served": served}
    return {REGISTRY: json.dumps(told, separators=(",", ":"), ensure_ascii=False)}
