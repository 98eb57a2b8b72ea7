"""Names in a deployment that do not fit each other, or that no cluster takes; pure.

The CRD takes any text. What Seldon Core makes of them, containers, Services, labels, is refused
later, where nobody looks: so a plan warns, for a folder as well.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from m2s.objects.body import Body
from m2s.platforms.common import pod_names
from m2s.platforms.common.pods import mappings
from m2s.platforms.seldon.units import BUILT_IN, Unit, units

_OPERATORS_OWN = frozenset({"seldon-container-engine", "tfserving"})
"""Containers that the operator adds and a description may change (operator/constants)."""
_ALIKE = 0.9
"""How like a node's name a sidecar's must be to be taken for a typo of it."""


def warnings(body: Body) -> Iterator[str]:
    """Yield a warning for each name."""
    nodes = [unit for unit in units(body) if not unit.is_explainer]
    for index, predictor in enumerate(body["spec"]["predictors"]):
        own = [unit for unit in nodes if unit.path[2] == index]
        contained = [unit.name for unit in own if unit.implementation not in BUILT_IN]
        yield from pod_names.unfit("predictor", [predictor.get("name")])
        yield from pod_names.unfit("graph node", contained)
        for pod in mappings(predictor, "componentSpecs.*.spec"):
            yield from pod_names.warnings(pod, contained)
        yield from _unmatched(predictor, own)


def _unmatched(predictor: Mapping[str, Any], own: Sequence[Unit]) -> Iterator[str]:
    """Yield which containers belong to no node; one with an image may be a sidecar."""
    known = [*_OPERATORS_OWN, *(unit.name for unit in own)]  # a name may be of any type
    stray = {
        str(one.get("name")): bool(one.get("image"))
        for one in mappings(predictor, "componentSpecs.*.spec.containers.*")
        if one.get("name") not in known
    }
    waiting = [unit.name for unit in own if not unit.contained]
    needed = [
        unit.name for unit in own if not unit.can_load and unit.implementation not in BUILT_IN
    ]
    for name, has_image in stray.items():
        line = f"container {name!r} of predictor {predictor.get('name')} is of no graph node"
        like = difflib.get_close_matches(name, waiting, n=1, cutoff=_ALIKE if has_image else 0.6)
        if like:
            yield f"{line}: did you mean {like[0]!r}?"
        elif needed:
            yield f"{line}, and node {needed[0]!r} has no container: give both one name"
        elif not has_image:
            yield f"{line}, and has no image: name a node, or an image"
