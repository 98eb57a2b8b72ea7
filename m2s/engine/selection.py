"""What the selectors name, asked of the registry, and of each model the version to serve."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from m2s import desired
from m2s.domain.manifests import Templates
from m2s.domain.scope import Scope
from m2s.domain.versions import ModelVersion, Selector
from m2s.settings.groups import Settings
from m2s.sources.source import Registry


@dataclass(frozen=True)
class Chosen:
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


def choose(registry: Registry, settings: Settings, scope: Scope) -> Chosen:
    """Return what the selectors name; raises RegistryError where a list is not complete."""
    offered: Counter[str] = Counter()
    every: list[desired.Wanted] = []
    for selector in settings.selectors:
        versions = registry.select(selector)
        offered[settings.owner_of(selector)] += len(versions)
        every += desired.choose(selector, versions)
    others = [
        (share, registry.select(Selector("alias", share.alias)))
        for share in (settings.split or ())[1:]
    ]
    shared = desired.with_shares(every, others)
    wanted = tuple(want for want in shared if scope.includes_model(want.version.model))
    return Chosen(offered, shared, wanted)
