"""Pure: the components of an InferenceService, where their models' URIs stand, and their Pods.

The API server has not judged the object yet: whatever has the wrong type is passed over here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from m2s.objects import list_keys
from m2s.objects.body import Body, replaced
from m2s.platforms.common.pods import Named, Path, PodSpec, found, mappings, named, text

LEGACY = (
    "sklearn", "xgboost", "tensorflow", "pytorch", "triton", "onnx", "huggingface", "pmml",
    "lightgbm", "paddle",
)  # fmt: skip
"""Servers by their own names; KServe's webhook moves them into ``model``."""
SERVERS = ("model", *LEGACY)
_EXPLAINERS = ("art", "alibi")
CONTAINER = "kserve-container"
"""The container that serves; KServe's webhook gives its only container this name."""
STORAGE_URI = "STORAGE_URI"
"""The variable by which a container of one's own has a model brought."""
_BESIDE = {"kind": "kinds", "metadata.annotations.?": "annotations"}
_OF_COMPONENTS = {"annotations.?": "annotations"}
_STORAGE = "serving.kserve.io/storageSecretName"


KEYS: Mapping[str, list_keys.ListKey] = {
    **list_keys.KEYS,
    "canary": lambda one: [text(one, "predictor.name")],
    "storageUris": "mountPath",
}
"""Identities of list items: a canary is told by its predictor's name."""


@dataclass(frozen=True, slots=True)
class Component:
    """A predictor, the transformer or the explainer: each becomes Pods of its own."""

    path: Path
    spec: Mapping[str, Any]

    @property
    def label(self) -> str:
        """What a message calls it."""
        name = text(self.spec, "name")
        kind = "canary" if "canary" in self.path else str(self.path[-1])
        return f"the {kind}{f' {name}' if name else ''}"

    @property
    def is_predictor(self) -> bool:
        """Whether it serves the model: the stable predictor, or a canary's."""
        return self.path[-1] == "predictor"

    @property
    def is_main(self) -> bool:
        """Whether it is the stable predictor."""
        return self.path == ("spec", "predictor")

    def servers(self) -> list[str]:
        """Return which servers its spec states, beside containers of its own."""
        names = SERVERS if self.is_predictor else _EXPLAINERS
        return [name for name in names if self.spec.get(name) is not None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a model's URI stands or belongs; ``stated``: the field is there, be it blank."""

    path: Path
    uri: str
    stated: bool
    component: Component

    @property
    def is_blank(self) -> bool:
        """Whether the field is there with nothing in it."""
        return self.stated and not self.uri.strip()

    @property
    def can_load(self) -> bool:
        """Whether a version's model may be meant; an explainer has one of its own."""
        return self.component.path[-1] != "explainer"


def components(body: Any) -> Iterator[Component]:
    """Yield the stable predictor, then the canaries', the transformer and the explainer."""
    ways = ("predictor", "canary.*.predictor", "transformer", "explainer")
    for way in ways:
        for path, spec in found(body, f"spec.{way}"):
            if isinstance(spec, Mapping):
                yield Component(path, spec)


def places(body: Any) -> Iterator[Place]:
    """Yield every place of a model's URI, those of the stable predictor first."""
    for component in components(body):
        yield from _places(component)


def _places(component: Component) -> Iterator[Place]:
    spec, base = component.spec, component.path
    several = list(found(spec, "storageUris.*", base))
    for name in component.servers():
        server = spec[name]
        elsewhere = bool(several) or bool(text(server, "storage.path"))
        if isinstance(server, Mapping) and ("storageUri" in server or not elsewhere):
            yield from _place((*base, name), server, "storageUri", component)
    for path, item in several:
        if isinstance(item, Mapping):
            yield from _place(path, item, "uri", component)
    for path, variable in found(spec, "containers.*.env.*", base):
        if text(variable, "name") == STORAGE_URI and not variable.get("valueFrom"):
            yield from _place(path, variable, "value", component)


def _place(
    path: Path, holder: Mapping[str, Any], field: str, component: Component
) -> Iterator[Place]:
    value = holder.get(field)
    if isinstance(value, str | None):
        yield Place((*path, field), value or "", field in holder, component)


def blanked(body: Any) -> Any:
    """Return a description in which a place with nothing behind it is a blank text."""
    return replaced(body, {place.path: "" for place in places(body) if place.is_blank})


def accounts(body: Body) -> Iterator[tuple[str, str]]:
    """Yield each ServiceAccount that is named, and who runs as it."""
    for component in components(body):
        if account := text(component.spec, "serviceAccountName"):
            yield account, component.label


def pod_specs(body: Body) -> Iterator[PodSpec | Named]:
    """Yield each Pod's spec, which a component's own is, and what is named beside it."""
    yield from named(body, (), _BESIDE)
    for path, value in found(body, "metadata.annotations.?"):
        if path[-1] == _STORAGE and value:
            yield Named("secrets", path, str(value))
    for component in components(body):
        yield from named(component.spec, component.path, _OF_COMPONENTS)
        yield PodSpec(component.path, component.spec, tuple(component.servers()))
        for path, worker in found(component.spec, "workerSpec", component.path):
            if isinstance(worker, Mapping):
                yield PodSpec(path, worker)


def container(component: Component) -> Path:
    """Return where the container that serves stands, from the component; () where none is.

    One of the name that KServe gives it, or the only one.
    """
    for name in component.servers():
        return (name,)
    stated = mappings(component.spec, "containers.*")
    for index, one in enumerate(stated):
        if text(one, "name") == CONTAINER or len(stated) == 1:
            return ("containers", index)
    return ()
