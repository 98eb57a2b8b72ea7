"""Seldon Core v1 as a :class:`~m2s.platforms.platform.Platform`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from m2s.base.strictyaml import Document
from m2s.domain.asking import Asking
from m2s.domain.manifests import Manifest
from m2s.domain.resource import Resource
from m2s.domain.rollout import Rollout
from m2s.domain.serving import State
from m2s.domain.versions import ModelVersion
from m2s.objects.body import Body
from m2s.objects.layers import Layer, Merged
from m2s.platforms.bare import Bare
from m2s.platforms.common import rclone
from m2s.platforms.common.pods import Named, PodSpec, text
from m2s.platforms.common.reader import Reader
from m2s.platforms.findings import Facts, Needs
from m2s.platforms.platform import Fault, ModelUri, Part, Path, Platform, Pods, Split
from m2s.platforms.seldon import (
    asking,
    containers,
    description,
    made,
    names,
    places,
    preflight,
    rollout,
    server,
    splitting,
    starter,
    tags,
)
from m2s.platforms.seldon.units import blanked, pod_specs, units
from m2s.settings.groups import OwnServer


class Seldon(Platform):
    """SeldonDeployments: graphs of nodes, each with a model of its own."""

    list_keys = containers.KEYS
    starter = starter.TEXT
    facts = ("image", "replicas", "modelUri", "traffic", "shadow")

    credentials = "envSecretRefName"

    def __init__(self, name: str, resource: Resource) -> None:
        """Serve under the name and the kind that the catalogue has."""
        self.name, self.resource = name, resource

    def fault(self, document: Document) -> Fault | None:
        return description.fault(document, self.resource)

    def default_faults(self, fragment: Mapping[str, Any]) -> Iterator[Fault]:
        return description.default_faults(fragment)

    def blanked(self, body: Any) -> Any:
        return blanked(body)

    def own_layers(self, bare: Bare, settings: OwnServer) -> list[Layer]:
        return server.layers(bare, settings)

    def complete(self, layers: list[Layer]) -> tuple[list[Layer], Merged]:
        return containers.with_implied(layers)

    def tag_layers(self, version: ModelVersion, below: Body) -> tuple[Layer, ...]:
        return tuple(tags.layers(version, below))

    def check(self, merged: Merged) -> None:
        description.check_protocol(merged.body["spec"])

    def readable(self, uri: str) -> str:
        return rclone.readable(uri)

    def model_uris(self, body: Body) -> Iterator[ModelUri]:
        for unit in units(body):
            yield ModelUri((*unit.path, "modelUri"), unit.uri, unit.own_initializer)

    def with_model(self, body: Body, uri: str, reader: Reader) -> tuple[Any, tuple[Path, ...]]:
        return places.placed(body, uri, reader)

    def with_models(self, body: Body, uris: Sequence[str], reader: Reader) -> Any:
        return places.read(body, uris, reader)

    def split(self, parts: Sequence[Part]) -> Split:
        return splitting.combined(parts)

    def pod_specs(self, body: Body) -> Iterator[PodSpec | Named]:
        return pod_specs(body)

    def refusals(self, body: Body) -> Iterator[str]:
        if fault := description.refusal(body["spec"]):
            yield f"spec.predictors: {fault}"

    def warnings(self, body: Body) -> Iterator[str]:
        return names.warnings(body)

    def needs(self, body: Body) -> Needs:
        return preflight.needs(body)

    def checked(self, manifest: Manifest, facts: Facts) -> Manifest:
        return preflight.checked(manifest, facts)

    def related(self, live: Body) -> str:
        return f"seldon-deployment-id in ({','.join(made.label_values(live))})"

    def rollout(
        self,
        live: Body,
        before: Body | None,
        deployments: Sequence[Body],
        generation: int,
        pods: Pods,
    ) -> Rollout:
        return rollout.progress(live, before, deployments, generation, pods)

    def state(self, body: Body) -> State:
        told = ("status.state", "status.description", "status.address.url")
        return State(*(text(body, way) for way in told))

    def ask(self, live: Body) -> Asking:
        return asking.asking(live)
