"""KServe as a :class:`~m2s.platforms.platform.Platform`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from m2s.base.strictyaml import Document
from m2s.domain.asking import Asking
from m2s.domain.manifests import Manifest
from m2s.domain.resource import CONFIG_MAPS, Resource
from m2s.domain.rollout import Rollout
from m2s.domain.serving import State
from m2s.domain.versions import ModelVersion
from m2s.objects.body import Body
from m2s.objects.layers import Layer, Merged
from m2s.platforms.bare import Bare
from m2s.platforms.common import wrapping
from m2s.platforms.common.pods import Named, PodSpec
from m2s.platforms.common.reader import Reader
from m2s.platforms.findings import Facts, Needs
from m2s.platforms.kserve import (
    asked,
    bundle,
    description,
    places,
    preflight,
    rollout,
    server,
    splitting,
    starter,
    tags,
    units,
    uris,
)
from m2s.platforms.platform import Fault, ModelUri, Part, Path, Platform, Pods, Split
from m2s.settings.groups import OwnServer


class KServe(Platform):
    """InferenceServices: a predictor, with canaries, a transformer and an explainer beside it."""

    starter = starter.TEXT
    companions = (CONFIG_MAPS,)
    list_keys = units.KEYS
    facts = ("image", "minReplicas", "storageUri", "trafficPercent")
    adopting = "its pods are replaced: KServe copies m2s's labels and annotations into them"

    credentials = "serviceAccountName"

    def __init__(self, name: str, resource: Resource) -> None:
        """Serve under the name and the kind that the catalogue has."""
        self.name, self.resource = name, resource

    def fault(self, document: Document) -> Fault | None:
        return description.fault(document, self.resource)

    def default_faults(self, fragment: Mapping[str, Any]) -> Iterator[Fault]:
        return description.default_faults(fragment)

    def blanked(self, body: Any) -> Any:
        return units.blanked(body)

    def asks_mlmodel(self, bare: Bare, settings: OwnServer) -> bool:
        return settings.server == "mlflow" and wrapping.chosen(bare, settings) is None

    def own_layers(self, bare: Bare, settings: OwnServer) -> list[Layer]:
        return server.layers(bare, settings)

    def complete(self, layers: list[Layer]) -> tuple[list[Layer], Merged]:
        stack, merged = super().complete(layers)
        description.check(merged.body)
        return stack, merged

    def tag_layers(self, version: ModelVersion, below: Body) -> tuple[Layer, ...]:
        return tuple(tags.layers(version, below))

    def check(self, merged: Merged) -> None:
        description.check(merged.body)

    def wired(self, body: Body) -> Body:
        return bundle.plain(body)

    def readable(self, uri: str) -> str:
        return uris.readable(uri)

    def model_uris(self, body: Body) -> Iterator[ModelUri]:
        for place in units.places(body):
            yield ModelUri(place.path, place.uri)

    def with_model(self, body: Body, uri: str, reader: Reader) -> tuple[Any, tuple[Path, ...]]:
        return places.placed(body, uri, reader)

    def with_models(self, body: Body, uris: Sequence[str], reader: Reader) -> Any:
        return places.read(body, uris, reader)

    def over(self, body: Body, live: Body) -> Body:
        return bundle.over(body, live)

    def split(self, parts: Sequence[Part]) -> Split:
        return splitting.combined(parts)

    def pod_specs(self, body: Body) -> Iterator[PodSpec | Named]:
        return units.pod_specs(body)

    def refusals(self, body: Body) -> Iterator[str]:
        return description.refusals(body)

    def warnings(self, body: Body) -> Iterator[str]:
        return description.warnings(body)

    def needs(self, body: Body) -> Needs:
        return preflight.needs(body)

    def checked(self, manifest: Manifest, facts: Facts) -> Manifest:
        return preflight.checked(manifest, facts)

    def remarks(self, facts: Facts) -> Iterator[str]:
        return preflight.remarks(facts)

    def stored(self, body: Body) -> tuple[Body, ...]:
        return bundle.stored(body)

    def seen(self, primary: Body, companions: Sequence[Body]) -> Body:
        return bundle.seen(primary, companions)

    def related(self, live: Body) -> str:
        return f"serving.kserve.io/inferenceservice={live['metadata']['name']}"

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
        return rollout.state(body)

    def ask(self, live: Body) -> Asking:
        return asked.asked(live)
