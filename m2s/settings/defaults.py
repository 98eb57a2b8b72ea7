"""Pure: the platform team's ``defaults`` in m2s.yaml, a fragment of a SeldonDeployment.

It is said of every deployment that m2s makes. Everything in it is judged by the API server with
the deployment it ends up in; here is refused only what would be nobody's default.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from m2s.base.names import meant
from m2s.base.strictyaml import Document

KEY = "defaults"
_PARTS = {
    (): ("metadata", "spec"),
    ("metadata",): ("labels", "annotations"),
    ("spec",): (
        "annotations", "name", "predictors", "protocol", "replicas", "serverType", "transport",
    ),
}  # fmt: skip
"""What each mapping may have; a spec's fields are those of the CRD but OAuth's secrets."""


@dataclass(frozen=True)
class Fragment:
    """A partial SeldonDeployment in a file; ``line`` returns the line of a path in it."""

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
            yield Misplaced(path, f"{text} wants a mapping, a part of a SeldonDeployment")
        yield from _unknown(path, node)
    for field in ("labels", "annotations"):
        yield from _not_texts(("metadata", field), body.get("metadata", {}).get(field, {}))
    yield from _of_one_predictor(body.get("spec", {}).get("predictors", []))


def _unknown(path: tuple[str, ...], node: Mapping[str, Any]) -> Iterator[Misplaced]:
    for key in node:
        if key not in _PARTS[path]:
            words = f"{'.'.join((KEY, *path, key))} is no default; {meant(key, _PARTS[path])}"
            yield Misplaced((*path, key), words)


def _not_texts(path: tuple[str, ...], node: Any) -> Iterator[Misplaced]:
    where = ".".join((KEY, *path))
    if not isinstance(node, Mapping):
        yield Misplaced(path, f"{where} wants a mapping of texts")
        return
    for key, value in node.items():
        if not isinstance(value, str):
            yield Misplaced((*path, key), f"{where}[{key}] wants a text: quote it")


def _of_one_predictor(predictors: Any) -> Iterator[Misplaced]:
    # A predictor of a name that a description does not have would be one more predictor.
    path: tuple[str | int, ...] = ("spec", "predictors")
    if not isinstance(predictors, list):
        yield Misplaced(path, f"{KEY}.spec.predictors wants a list")
        return
    for index, predictor in enumerate(predictors):
        if not isinstance(predictor, Mapping) or predictor.get("name") != "*":
            text = "a default is said of every predictor: name: '*'"
            yield Misplaced((*path, index), f"{KEY}.spec.predictors[{index}]: {text}")
