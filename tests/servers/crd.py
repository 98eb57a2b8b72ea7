"""Which CustomResourceDefinition the tests install: Seldon Core's own, or a stand-in.

The stand-in is written from the API's public description. Where it holds a piece of Kubernetes (a
pod, a container, a variable) it refers by name to the schema that the API server publishes of it.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import yaml

_PROJECT = Path(__file__).resolve().parents[2]
STAND_IN = _PROJECT / "tests" / "data" / "seldondeployments-crd.yaml"

# The C parser reads the real one, 1.8 MB, in a second instead of ten.
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_PUBLISHED = "#/components/schemas/"
_KEPT = {
    "type", "format", "required", "nullable", "pattern", "anyOf",
    "x-kubernetes-int-or-string", "x-kubernetes-map-type", "x-kubernetes-preserve-unknown-fields",
}  # fmt: skip
"""Of a schema. Enumerations and most defaults are not: Seldon Core's was made without them."""
_DEFAULT = "TCP"
"""The only default that is kept: a port's protocol, which is a part of its key."""
_KEYED = {
    name: {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": keys}
    for name, keys in {
        "ports": ["containerPort", "protocol"],
        "topologySpreadConstraints": ["topologyKey", "whenUnsatisfiable"],
    }.items()
}
"""The lists that Seldon Core's definition merges by key. Any other is one field as a whole, also
where Kubernetes' own pods have keys for it: two field managers cannot share one."""
_NESTED = 10
"""How many times a graph has children below children in Seldon Core's: a schema is finite."""

Publish = Callable[[], Mapping[str, Any]]
"""Asks an API server for the schemas that it publishes, by their names."""


def crd_path() -> Path:
    """Return the CRD's path: M2S_SELDON_CRD, else the stand-in.

    Raises FileNotFoundError when M2S_SELDON_CRD names no file.
    """
    if not (named := os.environ.get("M2S_SELDON_CRD")):
        return STAND_IN
    path = _PROJECT / Path(named).expanduser()  # tests change the working directory
    if not path.is_file():
        raise FileNotFoundError(f"M2S_SELDON_CRD={named}: no such file")
    return path


def load_crd(publish: Publish) -> dict[str, Any]:
    """Return the CRD as decoded JSON; ``publish`` is asked for what the stand-in refers to."""
    path = crd_path()
    return _stand_in(publish) if path == STAND_IN else _read(path)


@functools.cache
def _read(path: Path) -> dict[str, Any]:
    with path.open(encoding="utf-8") as file:
        body: dict[str, Any] = yaml.load(file, Loader=_Loader)  # noqa: S506 - a safe loader in C
    return body


_made: dict[str, Any] = {}


def _stand_in(publish: Publish) -> dict[str, Any]:
    """Return the stand-in, made once: all API servers of a run are of one version."""
    if not _made:
        body = dict(_read(STAND_IN))
        schemas = {**publish(), **body.pop("definitions")}
        (version, *_) = body["spec"]["versions"]
        whole = _structural(version["schema"]["openAPIV3Schema"], schemas, ())
        for each in body["spec"]["versions"]:
            each["schema"] = {"openAPIV3Schema": whole}
        _made.update(body)
    return _made


def _structural(schema: Mapping[str, Any], known: Mapping[str, Any], above: tuple[str, ...]) -> Any:
    """Return a schema without references, as a CRD's must be; None where it nests too deep.

    ``above`` are the names that were followed to come here.
    """
    (named,) = schema.get("allOf") or [schema]
    if reference := named.get("$ref"):
        name = reference.removeprefix(_PUBLISHED)
        if above.count(name) > _NESTED:
            return None
        return _structural(known[name], known, (*above, name))
    made = {key: value for key, value in schema.items() if key in _KEPT}
    if schema.get("default") == _DEFAULT:
        made["default"] = _DEFAULT
    if "properties" in schema:
        fields = {
            name: _structural(field, known, above) for name, field in schema["properties"].items()
        }
        made["properties"] = {
            name: {**field, **_KEYED.get(name, {})} for name, field in fields.items() if field
        }
    for inner in ("items", "additionalProperties"):
        if inner in schema:
            made[inner] = _structural(schema[inner], known, above)
    return made if made.get("items", made) else None
