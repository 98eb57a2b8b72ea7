"""Plain Kubernetes as a :class:`~m2s.platforms.platform.Platform`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from m2s.base.names import MODEL_URI
from m2s.base.strictyaml import Document
from m2s.domain.asking import Asking
from m2s.domain.manifests import Manifest
from m2s.domain.resource import SERVICES, Resource
from m2s.domain.rollout import Rollout
from m2s.domain.serving import State
from m2s.domain.versions import ModelVersion
from m2s.objects.body import Body
from m2s.objects.layers import Layer, Merged
from m2s.platforms.bare import Bare
from m2s.platforms.common import pod_names, wrapping
from m2s.platforms.common.pods import Named, PodSpec, found, mappings, named
from m2s.platforms.common.reader import Reader
from m2s.platforms.deployment import (
    containers,
    description,
    places,
    preflight,
    rollout,
    server,
    service,
    starter,
    tags,
)
from m2s.platforms.findings import Facts, Needs
from m2s.platforms.platform import Fault, ModelUri, Path, Platform, Pods
from m2s.settings.groups import Locations, OwnServer

_NAMED = {
    "kind": "kinds",
    "metadata.annotations.?": "annotations",
    "spec.template.metadata.annotations.?": "annotations",
    "service.metadata.annotations.?": "annotations",
}


class Deployment(Platform):
    """A Deployment and its Service: the first container is the server."""

    starter = starter.TEXT
    companions = (SERVICES,)
    parts = ("spec", description.SERVICE)
    facts = ("image", "replicas", MODEL_URI)

    def __init__(self, name: str, resource: Resource) -> None:
        """Serve under the name and the kind that the catalogue has."""
        self.name, self.resource = name, resource

    def fault(self, document: Document) -> Fault | None:
        return description.fault(document, self.resource)

    def default_faults(self, fragment: Mapping[str, Any]) -> Iterator[Fault]:
        return description.default_faults(fragment)

    def blanked(self, body: Any) -> Any:
        return places.blanked(body)

    def asks_mlmodel(self, bare: Bare, settings: OwnServer) -> bool:
        return wrapping.chosen(bare, settings) is None

    def own_layers(self, bare: Bare, settings: OwnServer) -> list[Layer]:
        return server.layers(bare, settings)

    def complete(self, layers: list[Layer]) -> tuple[list[Layer], Merged]:
        return containers.completed(layers)

    def tag_layers(self, version: ModelVersion, below: Body) -> tuple[Layer, ...]:
        return tuple(tags.layers(version, below))

    def wired(self, body: Body) -> Body:
        return service.wired(body)

    def fetches(self, settings: Locations) -> bool:  # noqa: ARG002
        return True  # what reads a place there is judged with it: see with_model

    def model_uris(self, body: Body) -> Iterator[ModelUri]:
        for path, uri, _ in places.places(body):
            yield ModelUri(path, uri, opaque=True)

    def with_model(self, body: Body, uri: str, reader: Reader) -> tuple[Any, tuple[Path, ...]]:  # noqa: ARG002
        return places.placed(body, uri)

    def with_models(self, body: Body, uris: Sequence[str], reader: Reader) -> Any:
        return places.filled(body, uris, reader)

    def pod_specs(self, body: Body) -> Iterator[PodSpec | Named]:
        yield from named(body, (), _NAMED)
        for way in (containers.POD, "service.spec"):
            for path, spec in found(body, way):
                if isinstance(spec, dict):
                    yield PodSpec(path, spec)

    def refusals(self, body: Body) -> Iterator[str]:
        name = body["metadata"]["name"]
        if name[:1].isdigit():
            yield f"a Service cannot be named {name}: begin metadata.name with a letter"

    def warnings(self, body: Body) -> Iterator[str]:
        for pod in mappings(body, containers.POD):
            yield from pod_names.warnings(pod)

    def needs(self, body: Body) -> Needs:
        return preflight.needs(body)

    def checked(self, manifest: Manifest, facts: Facts) -> Manifest:
        return preflight.checked(manifest, facts)

    def stored(self, body: Body) -> tuple[Body, ...]:
        return service.stored(body)

    def seen(self, primary: Body, companions: Sequence[Body]) -> Body:
        return service.seen(primary, companions)

    def related(self, live: Body) -> str:  # noqa: ARG002
        return ""  # it is its own Deployment

    def rollout(
        self,
        live: Body,
        before: Body | None,  # noqa: ARG002
        deployments: Sequence[Body],  # noqa: ARG002
        generation: int,
        pods: Pods,
    ) -> Rollout:
        return rollout.progress(live, generation, pods)

    def state(self, body: Body) -> State:
        return rollout.state(body)

    def ask(self, live: Body) -> Asking:
        return service.asked(live)
