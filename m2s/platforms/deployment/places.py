"""Pure: where a Deployment names its model: in the variable MODEL_URI of any container.

It is always the version's. What brings the model to the server reads it there, be that an init
container or the server itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from m2s.base.names import MODEL_URI
from m2s.objects.body import Body, replaced
from m2s.objects.layers import dotted
from m2s.platforms.common import rclone
from m2s.platforms.common.locating import raise_if_fetched
from m2s.platforms.common.pods import Path, found, text
from m2s.platforms.common.reader import Reader
from m2s.platforms.deployment.containers import POD
from m2s.platforms.problem import Problem

_RCLONE = "rclone-storage-initializer"
"""The image whose words for stores are rclone's; every other one reads MLflow's own."""

Place = tuple[Path, str, Mapping[str, Any]]
"""Where a URI stands, the URI, and the container."""


def places(body: Body) -> Iterator[Place]:
    """Yield every place of a model's URI: an init container's first, which brings the model."""
    for kind in ("initContainers", "containers"):
        for where, container in found(body, f"{POD}.{kind}.*"):
            for path, variable in found(container, "env.*", where):
                if isinstance(variable, Mapping) and _is_place(variable):
                    yield (*path, "value"), text(variable, "value").strip(), container


def _is_place(variable: Mapping[str, Any]) -> bool:
    is_text = isinstance(variable.get("value", ""), str | None)
    return variable.get("name") == MODEL_URI and is_text and "valueFrom" not in variable


def blanked(body: Any) -> Any:
    """Return a description with a blank text for each variable that has no value."""
    return replaced(body, {path: "" for path, uri, _ in places(body) if not uri})


def placed(body: Body, uri: str) -> tuple[Any, tuple[Path, ...]]:
    """Return ``body`` with the version's ``uri``, and where that is.

    Raises:
        Problem: what reads it there cannot.
    """
    uris = {path: _read_by(container, uri) for path, _, container in places(body)}
    return replaced(body, uris), tuple(uris)


def filled(body: Body, uris: Sequence[str], reader: Reader) -> Any:
    """Return a template's ``body`` with its locations as they are read there.

    Raises:
        Problem: as :func:`placed`; and several versions could be meant.
    """
    result = {}
    for path, written, container in places(body):
        if not written and len(uris) != 1:
            where = dotted(body, path)
            raise Problem(
                f'{where} is blank: name a model there, as in {{{{ model("iris").uri }}}}'
            )
        result[path] = _read_by(container, reader.read(written) if written else uris[0])
    return replaced(body, result)


def is_rclone(container: Mapping[str, Any]) -> bool:
    """Whether a container is Seldon Core's storage initializer."""
    return _RCLONE in text(container, "image")


def _read_by(container: Mapping[str, Any], uri: str) -> str:
    if not is_rclone(container):
        return uri
    raise_if_fetched(uri)
    try:
        return rclone.readable(uri)
    except ValueError as error:
        raise Problem(str(error)) from error
