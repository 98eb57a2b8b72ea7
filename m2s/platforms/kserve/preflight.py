"""Pure: what will keep an InferenceService from serving, judged by what was read beforehand.

The webhook takes a format without a runtime, a scheme that nothing reads, a mode that the cluster
does not have and a share that nobody gives; what comes of them is an Event, or nothing (measured
with KServe 0.20).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from m2s.domain.manifests import Manifest
from m2s.domain.resource import CONFIG_MAPS, Resource
from m2s.domain.versions import MlModel, Unchecked
from m2s.objects.body import Body
from m2s.platforms.common import mlserver, preflight
from m2s.platforms.common.pods import found, mappings, text
from m2s.platforms.findings import UNKNOWN, Facts, Look, Needs
from m2s.platforms.kserve.description import KNATIVE, MODE, NO_PERCENT, STANDARD, mode
from m2s.platforms.kserve.units import Component, Place, accounts, components, places
from m2s.platforms.problem import Problem

_GROUP = "serving.kserve.io"
_RUNTIMES = Resource(_GROUP, "v1alpha1", "ServingRuntime", "servingruntimes")
_SHARED = Resource(_GROUP, "v1alpha1", "ClusterServingRuntime", "clusterservingruntimes")
_CONTAINERS = Resource(_GROUP, "v1alpha1", "ClusterStorageContainer", "clusterstoragecontainers")
_SERVICES = Resource(_GROUP, "v1beta1", "InferenceService", "inferenceservices")
_KNATIVE = Look(Resource("serving.knative.dev", "v1", "APIResourceList", ""))
_CONFIG = Look(CONFIG_MAPS, "kserve", "inferenceservice-config")
"""Where KServe's own installation has its configuration."""
_ALWAYS = ("pvc://", "oci://")
"""Read without a ClusterStorageContainer (pkg/webhook/admission/pod, storage_initializer)."""


def needs(body: Body) -> Needs:
    """Return what :func:`checked` wants to know about an object."""
    namespace = body["metadata"]["namespace"]
    models = [one.uri for one in places(body) if one.uri and _format(one) == "mlflow"]
    looks = {_CONFIG, Look(_SERVICES, namespace, first=True), _KNATIVE}
    if any(one.servers() for one in components(body)):
        looks |= {Look(_RUNTIMES, namespace), Look(_SHARED)}
    if any(one.uri for one in places(body)):
        looks.add(Look(_CONTAINERS))
    return Needs(
        accounts=frozenset(account for account, _ in accounts(body)),
        uris=frozenset(models),
        looks=frozenset(looks),
    )


def checked(manifest: Manifest, facts: Facts) -> Manifest:
    """Return ``manifest`` with its warnings.

    Raises:
        Problem: KServe would take it, and not do what it says.
    """
    body, namespace, warnings = manifest.body, manifest.key.namespace, [*manifest.warnings]
    _check_mode(body, facts)
    for place in places(body):
        warnings += _unread(place, facts)
        if place.uri and _format(place) == "mlflow":
            told = partial(_misfit, place, body, facts)
            warnings += preflight.of_model(place.uri, facts, "KServe's runtime", told)
    for component in components(body):
        warnings += _unserved(component, body, facts)
    warnings += preflight.of_accounts(accounts(body), facts, namespace)
    return replace(manifest, warnings=tuple(dict.fromkeys(warnings)))


def remarks(facts: Facts) -> Iterator[str]:
    """Yield that the cluster's definition has no schema: its whole spec is one field then."""
    for look, seen in facts.looks.items():
        if look.resource == _SERVICES and isinstance(seen, tuple):
            for _, spec in found([*seen], "*.metadata.managedFields.*.fieldsV1.f:spec"):
                if spec == {}:
                    yield (
                        "this cluster's InferenceService has no schema (kserve-crd-minimal): "
                        "misspelt fields below spec are not refused"
                    )
                    return


def _check_mode(body: Body, facts: Facts) -> None:
    config = _config(facts)
    stated = mode(body)
    wanted = stated or text(config.get("deploy"), "defaultDeploymentMode")
    if wanted in KNATIVE and facts.seen(_KNATIVE) == ():
        where = f"annotation {MODE}" if stated else "KServe's configuration"
        raise Problem(
            f"{where} wants {wanted} mode, and this cluster has no Knative: nothing would be made; "
            f"say {MODE}: Standard"
        )
    percent = next((path for path, _ in found(body, "spec.?.canaryTrafficPercent")), None)
    if percent and wanted in STANDARD:
        raise Problem(f"{'.'.join(map(str, percent))}: {NO_PERCENT}")
    if not mappings(body, "spec.canary.*"):
        return
    if wanted in KNATIVE:
        raise Problem(
            f"spec.canary: KServe shares traffic so in Standard mode only, not in {wanted}"
        )
    unread = facts.looks.get(_CONFIG, UNKNOWN)
    if unread == UNKNOWN:
        return  # a folder
    if isinstance(unread, Unchecked):
        raise Problem(
            "spec.canary: whether KServe gives the share is not known: it does with Gateway API "
            f"only. Let m2s read ConfigMap {_CONFIG.name} in namespace {_CONFIG.namespace}"
        )
    if not (config.get("ingress") or {}).get("enableGatewayApi"):
        raise Problem(
            "spec.canary: KServe gives the share with Gateway API only, and takes it without a "
            f"word otherwise: set enableGatewayApi in ConfigMap {_CONFIG.name}"
        )


def _config(facts: Facts) -> Mapping[str, Any]:
    """Return KServe's configuration, each part decoded; empty where it is not known."""
    config = dict[str, Any]()
    for one in facts.seen(_CONFIG) or ():
        for path, value in found(one, "data.?"):
            try:
                config[str(path[-1])] = json.loads(value)
            except (TypeError, ValueError, RecursionError):
                continue
    return {name: part for name, part in config.items() if isinstance(part, dict)}


def _unread(place: Place, facts: Facts) -> Iterator[str]:
    """Yield that nothing in the cluster reads a URI: Pods wait for ever, or are never made."""
    containers = facts.seen(Look(_CONTAINERS))
    chosen = text(place.component.spec, "storageContainerName")
    if containers is None or not place.uri or place.uri.startswith(_ALWAYS):
        return
    there = {text(one, "metadata.name"): one for one in containers}
    if chosen and chosen not in there:
        yield f"there is no ClusterStorageContainer {chosen}, which {place.component.label} names"
    elif not any(_reads(one, place.uri) for name, one in there.items() if chosen in ("", name)):
        which = chosen or "of " + (", ".join(sorted(there)) or "this cluster, which has none,")
        yield (
            f"no ClusterStorageContainer {which} reads {place.uri}: map it to a store that one "
            "does with --model-uri-map"
        )


def _reads(container: Body, uri: str) -> bool:
    for form in mappings(container, "spec.supportedUriFormats.*"):
        prefix, regex = text(form, "prefix"), text(form, "regex")
        if prefix and uri.startswith(prefix):
            return True
        try:
            if regex and re.match(regex, uri):
                return True
        except re.error:
            return True  # Go may know better
    return False


def _runtimes(component: Component, body: Body, facts: Facts) -> list[Body] | None:
    """Return the runtimes that fit a component's model, None where these are not known."""
    own = facts.seen(Look(_RUNTIMES, body["metadata"]["namespace"]))
    shared = facts.seen(Look(_SHARED))
    model = next(iter(mappings(component.spec, "model")), None)
    if own is None or shared is None or model is None:
        return None
    every = [one for one in (*own, *shared) if (one.get("spec") or {}).get("disabled") is not True]
    if name := text(model, "runtime"):
        return [one for one in every if text(one, "metadata.name") == name]
    return [one for one in every if _supports(one, model)]


def _supports(runtime: Body, model: Mapping[str, Any]) -> bool:
    protocol = text(model, "protocolVersion") or "v1"
    if protocol not in ((runtime.get("spec") or {}).get("protocolVersions") or (protocol,)):
        return False
    name, version = text(model, "modelFormat.name"), text(model, "modelFormat.version")
    return any(
        text(form, "name") == name
        and form.get("autoSelect") is True
        and (not version or text(form, "version") == version)
        for form in mappings(runtime, "spec.supportedModelFormats.*")
    )


def _unserved(component: Component, body: Body, facts: Facts) -> Iterator[str]:
    if _runtimes(component, body, facts) != []:
        return
    model = component.spec["model"]
    if name := text(model, "runtime"):
        yield f"there is no runtime {name}, which {component.label} names: create it, or correct it"
        return
    protocol = text(model, "protocolVersion") or "v1"
    yield (
        f"no runtime of this cluster serves model format {text(model, 'modelFormat.name')} with "
        f"protocol {protocol}: install one (a ClusterServingRuntime), or correct the format"
    )


def _misfit(place: Place, body: Body, facts: Facts, model: MlModel) -> str | None:
    """Return why the runtime's image cannot load a model; only MLServer's images are known."""
    spec = place.component.spec["model"]
    runtimes = _runtimes(place.component, body, facts)
    images = [text(spec, "image")] if text(spec, "image") else []
    for runtime in () if images else runtimes or ():
        images += [text(one, "image") for one in mappings(runtime, "spec.containers.*")]
    own = text(spec, "runtime") and runtimes is None
    if own or any(not mlserver.IMAGE.fullmatch(image) for image in images):
        return None
    why = mlserver.misfit(model)
    return f"{why}, or name a runtime that can in model.runtime" if why else None


def _format(place: Place) -> str:
    return text(place.component.spec, "model.modelFormat.name") if "model" in place.path else ""
