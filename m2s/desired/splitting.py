"""Several versions in one deployment: who gets which share of the traffic; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from m2s.desired.manifest import marked, marks
from m2s.domain.manifests import Manifest
from m2s.platforms import catalogue
from m2s.platforms.platform import Part
from m2s.platforms.problem import Problem
from m2s.settings.split import Share


def combined(main: Manifest, share: Share, beside: Sequence[tuple[Share, Manifest]]) -> Manifest:
    """Return ``main`` as one deployment of every alias's version, as its platform splits one.

    A version that two aliases point at gets one part; what an alias would get that points at
    nothing is the main one's.

    Args:
        main: the deployment of the main alias's version.
        share: the main alias's.
        beside: the other aliases' shares, and what their versions' own deployments would be.

    Raises:
        Problem: its platform cannot do that.
    """
    parts = _parts([(share, main), *beside])
    for part in parts:
        if part.manifest.key.kind != main.key.kind:
            raise Problem(
                f"--split: {part.manifest.models[0]} is described as a {part.manifest.key.kind}, "
                f"{main.models[0]} as a {main.key.kind}; describe both as one kind"
            )
    split = catalogue.of(main.key).split(parts)
    bare = replace(
        main,
        models=tuple(part.manifest.models[0] for part in parts),
        aliases=tuple(part.alias for part in parts),
        notes=(*main.notes, *split.notes),
    )
    made = marked(bare, split.body)
    return replace(made, sources=lambda: {**split.sources(), **marks(made.body)})


def _parts(given: Iterable[tuple[Share, Manifest]]) -> list[Part]:
    parts: list[Part] = []
    # Shadows last: a version that answers requests needs no copy of them.
    for share, manifest in sorted(given, key=lambda pair: pair[0].shadow):
        at = _index(parts, manifest)
        if at is None:
            parts.append(Part(share.alias, share.traffic, manifest))
        elif not share.shadow:
            parts[at] = replace(parts[at], traffic=(parts[at].traffic or 0) + (share.traffic or 0))
    rest = 100 - sum(part.traffic or 0 for part in parts)
    return [replace(parts[0], traffic=(parts[0].traffic or 0) + rest), *parts[1:]]


def _index(parts: Sequence[Part], manifest: Manifest) -> int | None:
    same = (n for n, part in enumerate(parts) if part.manifest.models == manifest.models)
    return next(same, None)
