"""Names in a deployment that do not fit each other, or that no cluster takes; pure.

The CRD takes any text. What Seldon Core makes of them, containers, Services, labels, is refused
later, where nobody looks: so a plan warns, for a folder as well.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from m2s.base.names import dns_label
from m2s.objects.body import Body
from m2s.platforms.seldon.units import BUILT_IN, Unit, units

_OPERATORS_OWN = frozenset({"seldon-container-engine", "tfserving"})
"""Containers that the operator adds and a description may change (operator/constants)."""
_OF_LABELS = "names have a-z, 0-9 and '-', and 63 characters at most"
_OF_PORTS = "a port's name has a-z, 0-9 and '-', a letter at least, and 15 characters at most"
_PORT = re.compile(r"(?=.*[a-z])(?!-)[a-z0-9-]{1,15}(?<!-)")
_ALIKE = 0.9
"""How like a node's name a sidecar's must be to be taken for a typo of it."""


def warnings(body: Body) -> Iterator[str]:
    """Yield a warning for each name."""
    nodes = [unit for unit in units(body) if not unit.is_explainer]
    for index, predictor in enumerate(body["spec"]["predictors"]):
        own = [unit for unit in nodes if unit.path[2] == index]
        contained = [unit.name for unit in own if unit.implementation not in BUILT_IN]
        yield from _unfit("predictor", [predictor.get("name")])
        yield from _unfit("graph node", contained)
        for pod in _pods(predictor):
            yield from _in_pod(pod, contained)
        yield from _unmatched(predictor, own)


def _in_pod(pod: Mapping[str, Any], told: Collection[Any]) -> Iterator[str]:
    containers, inits = _list(pod, "containers"), _list(pod, "initContainers")
    names = [_name(one) for one in (*containers, *inits)]
    yield from _unfit("container", (name for name in names if name not in told))
    yield from _unfit("volume", map(_name, _list(pod, "volumes")))
    for name in names:
        if isinstance(name, str) and names.count(name) > 1:
            yield f"two containers of one pod are named {name!r}: no cluster takes that"
    for port in (port for one in containers for port in _list(one, "ports")):
        name = _name(port)
        if isinstance(name, str) and not _PORT.fullmatch(name):
            yield f"port {name!r}: no cluster takes this name ({_OF_PORTS})"


def _unfit(kind: str, names: Iterable[Any]) -> Iterator[str]:
    for name in names:
        if isinstance(name, str) and dns_label(name) != name:
            yield f"{kind} {name!r}: no cluster takes this name ({_OF_LABELS})"


def _unmatched(predictor: Mapping[str, Any], own: Sequence[Unit]) -> Iterator[str]:
    """Yield which containers belong to no node; one with an image may be a sidecar."""
    known = {*_OPERATORS_OWN, *(unit.name for unit in own)}
    stray = {
        str(_name(one)): bool(one.get("image"))
        for pod in _pods(predictor)
        for one in _list(pod, "containers")
        if _name(one) not in known
    }
    waiting = [unit.name for unit in own if not unit.contained]
    needed = [
        unit.name for unit in own if not unit.can_load and unit.implementation not in BUILT_IN
    ]
    for name, has_image in stray.items():
        line = f"container {name!r} of predictor {_name(predictor)} is of no graph node"
        like = difflib.get_close_matches(name, waiting, n=1, cutoff=_ALIKE if has_image else 0.6)
        if like:
            yield f"{line}: did you mean {like[0]!r}?"
        elif needed:
            yield f"{line}, and node {needed[0]!r} has no container: give both one name"
        elif not has_image:
            yield f"{line}, and has no image: name a node, or an image"


def _pods(predictor: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for spec in _list(predictor, "componentSpecs"):
        if isinstance(pod := spec.get("spec"), Mapping):
            yield pod


def _list(node: Mapping[str, Any], field: str) -> list[Mapping[str, Any]]:
    items = node.get(field)
    return [one for one in items if isinstance(one, Mapping)] if isinstance(items, list) else []


def _name(node: Mapping[str, Any]) -> Any:
    return node.get("name")
