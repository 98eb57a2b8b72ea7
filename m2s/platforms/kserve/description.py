"""What is wrong with an InferenceService by its text alone: much of it KServe takes in silence."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from m2s.base.names import meant
from m2s.base.strictyaml import Document
from m2s.domain.resource import Resource
from m2s.objects.body import Body
from m2s.platforms.common import documents, pod_names
from m2s.platforms.common.pods import found, mappings, text
from m2s.platforms.kserve.units import CONTAINER, Component, components
from m2s.platforms.platform import Fault
from m2s.platforms.problem import Problem

_SPEC = ("predictor", "transformer", "explainer", "canary")
_DEFAULTS = _SPEC[:3]
_NAME = re.compile(r"[a-z]([-a-z0-9]*[a-z0-9])?")
_HOST = 63
MODE = "serving.kserve.io/deploymentMode"
STANDARD = ("Standard", "RawDeployment")
KNATIVE = ("Knative", "Serverless")
STOP = "serving.kserve.io/stop"
STILL = "serving.kserve.io/disable-auto-update"
_NOT_OF_CANARIES = ("maxReplicas", "scaleTarget", "scaleMetric", "autoScaling", "workerSpec")


def fault(document: Document, resource: Resource) -> Fault | None:
    """Return the path and the words of the first thing wrong; the API server judges the rest."""
    return documents.fault(document, resource) or _fault_in_spec(document.value)


def _fault_in_spec(body: Mapping[str, Any]) -> Fault | None:
    spec = body.get("spec")
    if not isinstance(spec, dict):
        return ("spec",), "spec is missing or no mapping; it must have a predictor"
    for name in spec:
        if name not in _SPEC:
            return ("spec", name), f"spec.{name} is no field; {meant(str(name), _SPEC)}"
    if not isinstance(spec.get("predictor"), dict) or not spec["predictor"]:
        return ("spec", "predictor"), "spec.predictor is missing or empty; it needs a model"
    for path, value in found(spec, "?", ("spec",)):
        wants = list if path[-1] == "canary" else dict
        if not isinstance(value, wants):
            return path, _odd(path, value, "list" if wants is list else "mapping")
    if odd := next((p for p, v in found(body, "spec.canary.*") if not isinstance(v, dict)), None):
        return odd, _odd(odd, None, "mapping with a predictor")
    return next(filter(None, map(_fault_in, components(body))), None)


def _fault_in(component: Component) -> Fault | None:
    """Return what is wrong with the servers of a component, and with where a model lies."""
    for name in component.servers():
        path, server = (*component.path, name), component.spec[name]
        if not isinstance(server, dict):
            return path, _odd(path, server, "mapping")
        uri = server.get("storageUri")
        if not isinstance(uri, str | None):
            return (*path, "storageUri"), _odd((*path, "storageUri"), uri, "text")
    for name in ("containers", "storageUris"):
        if not isinstance(value := component.spec.get(name), list | None):
            return (*component.path, name), _odd((*component.path, name), value, "list")
    return None


def _odd(path: tuple[str | int, ...], value: Any, wants: str) -> str:
    steps = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return f"{steps[1:]} is a {documents.called(value)}; it must be a {wants}"


def default_faults(fragment: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what cannot be a default of every deployment."""
    for key in fragment.get("spec", {}):
        if key not in _DEFAULTS:
            yield ("spec", key), f"defaults.spec.{key} is no default; {meant(key, _DEFAULTS)}"


def check(body: Body) -> None:
    """Raise Problem where the layers leave nothing that serves a model, or several servers.

    Of ``predictor: {}`` KServe's webhook dies, with an error that names neither field nor remedy.
    """
    predictor = next((one for one in components(body) if one.is_main), None)
    if predictor is None or not (predictor.servers() or predictor.spec.get("containers")):
        raise Problem(
            "spec.predictor has neither a model nor containers: no layer says what serves"
        )
    for component in components(body):
        where = ".".join(map(str, component.path))
        if len(names := component.servers()) > 1:
            raise Problem(f"{where} has {' and '.join(names)}: KServe drops all but one; keep one")
        if component.is_predictor and names and _serves_itself(component):
            raise Problem(
                f"{where}.containers has a kserve-container beside {names[0]}: KServe serves one "
                "of them; remove the other"
            )


def refusals(body: Body) -> Iterator[str]:
    """Yield what KServe refuses later, or takes without a word and does not do."""
    yield from _names(body)
    percent = next((p for p, _ in found(body, "spec.?.canaryTrafficPercent")), None)
    if percent and mode(body) in STANDARD:
        yield f"{'.'.join(map(str, percent))}: {NO_PERCENT}"
    yield from _canaries(body)


NO_PERCENT = (
    "KServe ignores it in Standard mode, all requests go to the new version; share traffic with "
    "--split or spec.canary"
)


def mode(body: Body) -> str:
    """Return the deployment mode that an object states, "" for the cluster's default."""
    metadata = body.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    value = annotations.get(MODE) if isinstance(annotations, Mapping) else None
    return value if isinstance(value, str) else ""


def _serves_itself(component: Component) -> bool:
    return CONTAINER in [text(one, "name") for one in mappings(component.spec, "containers.*")]


def _names(body: Body) -> Iterator[str]:
    """As the webhook (inference_service_validation.go), and as the Service's host must be."""
    name, namespace = (str(body["metadata"].get(key) or "") for key in ("name", "namespace"))
    if not _NAME.fullmatch(name):
        yield (
            f"metadata.name {name!r}: an InferenceService's name has a-z, 0-9 and '-', begins with "
            "a letter and ends with a letter or a digit; rename it"
        )
    for component in filter(lambda one: one.is_predictor, components(body)):
        variant = text(component.spec, "name")
        host = f"{'-'.join(filter(None, (name, variant)))}-predictor-{namespace}"
        if len(host) > _HOST:
            yield (
                f"metadata.name {name!r}: the host {host} has {len(host)} characters, and KServe "
                f"makes nothing of more than {_HOST}; shorten the name by {len(host) - _HOST}"
            )


def _canaries(body: Body) -> Iterator[str]:
    """As ``validateCanarySpecs`` (inference_service_validation.go): a folder has no webhook."""
    every = mappings(body, "spec.canary.*")
    if every and mode(body) in KNATIVE:
        yield f"spec.canary: KServe shares traffic so in Standard mode only, not in {mode(body)}"
    names = [text(body, "spec.predictor.name"), *(text(one, "predictor.name") for one in every)]
    for index, canary in enumerate(every):
        where, name = f"spec.canary[{index}].predictor", names[index + 1]
        if not name or names.count(name) > 1:
            yield f"{where}.name must be there, and be no other predictor's"
        for field in _NOT_OF_CANARIES:
            if (canary.get("predictor") or {}).get(field) is not None:
                yield f"{where}.{field}: KServe takes none of a canary; remove it"
    shares = [one.get("trafficPercent") or 0 for one in every]
    if all(type(share) is int for share in shares) and sum(shares) > 100:
        yield f"spec.canary: the shares sum to {sum(shares)}; there are 100 percent"


def warnings(body: Body) -> Iterator[str]:
    """Yield a warning for each name that no cluster takes, and for what stops a deployment."""
    for component in components(body):
        yield from pod_names.warnings(component.spec)
    annotations = body["metadata"].get("annotations") or {}
    for name, effect in ((STOP, "serves nothing"), (STILL, "does not follow changes")):
        if str(annotations.get(name)).lower() == "true":
            yield f"annotation {name} is set: it {effect} until that is removed"
