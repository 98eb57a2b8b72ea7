"""ToyServers: one model, some replicas, an apps/v1 Deployment of the same name."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from m2s.base.labels import MARKS
from m2s.base.strictyaml import Document
from m2s.domain.asking import Asking
from m2s.domain.resource import CONFIG_MAPS, Resource
from m2s.domain.rollout import Rollout
from m2s.domain.serving import State
from m2s.objects.body import Body, replaced
from m2s.objects.layers import Layer
from m2s.platforms.bare import Bare
from m2s.platforms.common import documents
from m2s.platforms.common.bundles import companion
from m2s.platforms.common.pods import Named, PodSpec, named
from m2s.platforms.common.reader import Reader
from m2s.platforms.common.rollouts import deadline_exceeded, unfinished
from m2s.platforms.platform import Fault, ModelUri, Path, Platform, Pods
from m2s.platforms.problem import Problem
from m2s.settings.groups import OwnServer

_URI: Path = ("spec", "modelUri")


class Toy(Platform):
    """Serves one model behind one URI."""

    companions = (CONFIG_MAPS,)

    def __init__(self, name: str, resource: Resource) -> None:
        self.name, self.resource = name, resource

    def fault(self, document: Document) -> Fault | None:
        if found := documents.fault(document, self.resource):
            return found
        spec = document.value.get("spec")
        if not isinstance(spec, dict):
            return ("spec",), "spec must be a mapping, with a modelUri"
        if not isinstance(spec.get("modelUri", ""), str | None):
            return _URI, "spec.modelUri must be a text"
        return None

    def own_layers(self, bare: Bare, settings: OwnServer) -> list[Layer]:
        return [Layer("m2s's own toy", {"spec": {"modelUri": "", "replicas": 1}})]

    def readable(self, uri: str) -> str:
        if uri.startswith("ftp:"):
            raise ValueError(f"{uri}: a toy reads no ftp; copy the model to a bucket")
        return uri

    def model_uris(self, body: Body) -> Iterator[ModelUri]:
        yield ModelUri(_URI, body["spec"].get("modelUri") or "")

    def with_model(self, body: Body, uri: str, reader: Reader) -> tuple[Any, tuple[Path, ...]]:
        return replaced(body, {_URI: uri}), (_URI,)

    def with_models(self, body: Body, uris: Sequence[str], reader: Reader) -> Any:
        written = body["spec"].get("modelUri")
        if not written and len(uris) != 1:
            raise Problem("spec.modelUri is blank: name one model there")
        return replaced(body, {_URI: reader.read(written) if written else uris[0]})

    def pod_specs(self, body: Body) -> Iterator[PodSpec | Named]:
        yield from named(body, (), {"kind": "kinds", "spec.image": "images"})

    def stored(self, body: Body) -> tuple[Body, ...]:
        metadata = body["metadata"]
        told = metadata.get("annotations") or {}
        noted = {name: text for name, text in told.items() if name.startswith(MARKS)}
        rest = {name: text for name, text in told.items() if name not in noted}
        bare = {name: part for name, part in metadata.items() if name != "annotations"}
        primary = {**body, "metadata": {**bare, **({"annotations": rest} if rest else {})}}
        name = f"{metadata['name']}-toy"
        return primary, companion(body, CONFIG_MAPS, name, {}, annotations=noted)

    def seen(self, primary: Body, companions: Sequence[Body]) -> Body:
        metadata = primary["metadata"]
        told = dict(metadata.get("annotations") or {})
        for each in companions:
            if each["metadata"]["name"] == f"{metadata['name']}-toy":
                told |= each["metadata"].get("annotations") or {}
        return {**primary, "metadata": {**metadata, "annotations": told}}

    def related(self, live: Body) -> str:
        return f"toy={live['metadata']['name']}"

    def rollout(
        self,
        live: Body,
        before: Body | None,
        deployments: Sequence[Body],
        generation: int,
        pods: Pods,
    ) -> Rollout:
        if not deployments:
            return Rollout.waits("no Deployment is made yet")
        (made,) = deployments
        annotations = made["spec"]["template"]["metadata"].get("annotations") or {}
        if annotations.get("modelUri") != live["spec"]["modelUri"]:
            return Rollout.waits("the Deployment has the old model")
        if late := deadline_exceeded(made):
            return Rollout.fails(late)
        stuck = unfinished(made)
        return Rollout.waits(stuck) if stuck else Rollout.serves()

    def state(self, body: Body) -> State:
        status = body.get("status")
        phase = status.get("phase") if isinstance(status, dict) else ""
        return State(phase if isinstance(phase, str) else "")

    def ask(self, live: Body) -> Asking:
        return Asking(service=live["metadata"]["name"], port=8080, protocol="mlflow")
