"""Several predictors in one SeldonDeployment: their traffic, and Seldon Core's rules; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from m2s.base.names import dns_label
from m2s.desired.manifest import marked, marks
from m2s.domain.manifests import Manifest
from m2s.objects.diff import Name
from m2s.objects.origins import Source, Sources
from m2s.settings.split import Share


@dataclass(frozen=True)
class _Part:
    """One version's predictor; ``traffic`` None for a shadow."""

    alias: str
    traffic: int | None
    manifest: Manifest

    def predictor(self) -> dict[str, Any]:
        first = self.manifest.body["spec"]["predictors"][0]
        kept = {key: value for key, value in first.items() if key not in ("traffic", "shadow")}
        share = {"shadow": True} if self.traffic is None else {"traffic": self.traffic}
        return {**kept, "name": dns_label(self.alias), **share}


def combined(main: Manifest, share: Share, beside: Sequence[tuple[Share, Manifest]]) -> Manifest:
    """Return ``main`` with a predictor for each alias's version, named after the alias.

    Each predictor is the first one of that version's own deployment; everything else is the main
    one's. A version that two aliases point at gets one predictor; what an alias would get that
    points at nothing is the main one's.

    Args:
        main: the deployment of the main alias's version.
        share: the main alias's.
        beside: the other aliases' shares, and what their versions' own deployments would be.
    """
    parts = _parts([(share, main), *beside])
    versions = tuple(part.manifest.models[0] for part in parts)
    aliases = tuple(part.alias for part in parts)
    notes = (*main.notes, *_left_out(parts))
    predictors = [part.predictor() for part in parts]
    bare = replace(main, models=versions, aliases=aliases, notes=notes)
    made = marked(bare, {**main.body, "spec": {**main.body["spec"], "predictors": predictors}})
    return replace(made, sources=lambda: {**_sources(main, parts), **marks(made.body)})


def _parts(given: Iterable[tuple[Share, Manifest]]) -> list[_Part]:
    parts: list[_Part] = []
    # Shadows last: a version that answers requests needs no copy of them.
    for share, manifest in sorted(given, key=lambda pair: pair[0].shadow):
        at = _index(parts, manifest)
        if at is None:
            parts.append(_Part(share.alias, share.traffic, manifest))
        elif not share.shadow:
            parts[at] = replace(parts[at], traffic=(parts[at].traffic or 0) + (share.traffic or 0))
    rest = 100 - sum(part.traffic or 0 for part in parts)
    return [replace(parts[0], traffic=(parts[0].traffic or 0) + rest), *parts[1:]]


def _index(parts: Sequence[_Part], manifest: Manifest) -> int | None:
    same = (n for n, part in enumerate(parts) if part.manifest.models == manifest.models)
    return next(same, None)


def _left_out(parts: Iterable[_Part]) -> Iterable[str]:
    for part in parts:
        more = len(part.manifest.body["spec"]["predictors"]) - 1
        if more:
            yield f"{part.manifest.models[0]}: only the first of its {more + 1} predictors is taken"


def _sources(main: Manifest, parts: Sequence[_Part]) -> Sources:
    """Return where the fields come from: a predictor's from its own version's deployment."""
    found = {p: s for p, s in main.sources().items() if p[:2] != ("spec", "predictors")}
    for part in parts:
        place = ("spec", "predictors", Name(dns_label(part.alias)))
        first = part.manifest.body["spec"]["predictors"][0].get("name")
        for path, source in part.manifest.sources().items():
            if path[:2] == ("spec", "predictors") and path[2:3] in ((first,), (0,)):
                found[(*place, *path[3:])] = source
        share = "shadow" if part.traffic is None else "traffic"
        found |= {(*place, step): Source("--split") for step in ("name", share)}
    return found
