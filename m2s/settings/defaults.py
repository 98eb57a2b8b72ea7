"""Pure: the platform team's ``defaults`` in m2s.yaml, a part of a deployment.

m2s merges it into every deployment that it makes. The API server judges the merged deployment.
This module refuses what has not the shape of one; a platform refuses what cannot be a default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from m2s.base.names import meant
from m2s.base.strictyaml import Document

KEY = "defaults"
_PARTS = {(): ("metadata", "spec"), ("metadata",): ("labels", "annotations"), ("spec",): None}
"""What each mapping may have; None: a platform says."""


@dataclass(frozen=True)
class Fragment:
    """A part of a deployment in a file; ``line`` returns the line of a path in it."""

    body: Mapping[str, Any]
    origin: str
    line: Callable[..., int]


class Misplaced(ValueError):
    """What cannot be a default; ``path`` tells where in the fragment it stands."""

    def __init__(self, path: tuple[str | int, ...], problem: str) -> None:
        """Say ``problem`` of ``path``."""
        super().__init__(problem)
        self.path = path


def fragment(origin: str, document: Document) -> Fragment:
    """Return the defaults of an m2s.yaml.

    Raises:
        Misplaced: naming the first thing that cannot be a default.
    """
    body = document.value[KEY]
    for problem in _problems(body):
        raise problem
    return Fragment(body, origin, lambda *path: document.line(KEY, *path))


def _problems(body: Any) -> Iterator[Misplaced]:
    for path in _PARTS:
        node = body
        for step in path:
            node = node.get(step, {})
        if not isinstance(node, Mapping):
            text = ".".join((KEY, *path))
            yield Misplaced(path, f"{text} wants a mapping, a part of a deployment")
        yield from _unknown(path, node)
    for field in ("labels", "annotations"):
        yield from _not_texts(("metadata", field), body.get("metadata", {}).get(field, {}))


def _unknown(path: tuple[str, ...], node: Mapping[str, Any]) -> Iterator[Misplaced]:
    known = _PARTS[path]
    for key in node if known else ():
        if known and key not in known:
            words = f"{'.'.join((KEY, *path, key))} is no default; {meant(key, known)}"
            yield Misplaced((*path, key), words)


def _not_texts(path: tuple[str, ...], node: Any) -> Iterator[Misplaced]:
    where = ".".join((KEY, *path))
    if not isinstance(node, Mapping):
        yield Misplaced(path, f"{where} wants a mapping of texts")
        return
    for key, value in node.items():
        if not isinstance(value, str):
            yield Misplaced((*path, key), f"{where}[{key}] wants a text: quote it")
