"""Pure: the Pods' specs in an object, whatever platform makes the Pods, and what they name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

Path = tuple[str | int, ...]
"""Keys and indices from the object's root."""


@dataclass(frozen=True, slots=True)
class PodSpec:
    """A part of an object that becomes the spec of a Pod, or a part of one.

    ``singles`` are the fields of ``spec`` that hold one container each.
    """

    path: Path
    spec: Mapping[str, Any]
    singles: tuple[str, ...] = ()

    def containers(self) -> Iterator[tuple[Path, Any]]:
        """Yield every container, of all kinds, and where it stands."""
        for way in ("containers.*", "initContainers.*", "ephemeralContainers.*", *self.singles):
            yield from found(self.spec, way, self.path)


@dataclass(frozen=True, slots=True)
class Named:
    """What an object names: ``kind`` is one of the policy's lists; ``value`` is an annotation's."""

    kind: str
    path: Path
    name: str
    value: str = ""


def found(node: Any, way: str, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield what ``way``, as in ``ports.*.hostPort``, leads to, and where that stands.

    ``*`` is each item of a list, ``?`` each field of a mapping. Whatever has another type than the
    way needs is passed over: the API server has not judged the object yet.
    """
    step, _, rest = way.partition(".")
    pairs: Iterable[tuple[str | int, Any]] = ()
    if step == "*":
        pairs = enumerate(node) if isinstance(node, list) else ()
    elif isinstance(node, Mapping):
        pairs = node.items() if step == "?" else [(step, node.get(step))]
    for key, inner in pairs:
        if inner is not None:
            yield from found(inner, rest, (*path, key)) if rest else [((*path, key), inner)]


def at(node: Any, way: str) -> Any:
    """Return what stands there, None for nothing."""
    return next((value for _, value in found(node, way)), None)


_NAMES = {
    "serviceAccountName": "serviceAccounts",
    "serviceAccount": "serviceAccounts",
    "imagePullSecrets.*.name": "secrets",
    "volumes.*.?.secretName": "secrets",
    "volumes.*.?.secretRef.name": "secrets",
    "volumes.*.csi.nodePublishSecretRef.name": "secrets",
    "volumes.*.projected.sources.*.secret.name": "secrets",
    "volumes.*.image.reference": "images",
}
_NAMES_OF_CONTAINERS = {
    "image": "images",
    "env.*.valueFrom.secretKeyRef.name": "secrets",
    "envFrom.*.secretRef.name": "secrets",
}


def named(node: Any, path: Path, ways: Mapping[str, str]) -> Iterator[Named]:
    """Yield what ``node``, which stands at ``path``, names; ``ways`` have the policy's lists."""
    for way, kind in ways.items():
        for where, name in found(node, way, path):
            value = str(name)
            if kind == "annotations":
                yield Named(kind, where, str(where[-1]), value)
            elif value:
                yield Named(kind, where, value)


def names(part: PodSpec | Named) -> Iterator[Named]:
    """Yield the images, Secrets and ServiceAccounts that a part names."""
    if isinstance(part, Named):
        yield part
        return
    yield from named(part.spec, part.path, _NAMES)
    for path, container in part.containers():
        yield from named(container, path, _NAMES_OF_CONTAINERS)
