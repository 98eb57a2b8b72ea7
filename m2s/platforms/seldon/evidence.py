"""Pure: what each Deployment of the Seldon operator must show of a spec, and what it does show.

An orchestrator gets its whole predictor as base64 JSON, less traffic, replicas and explainer
(``ENGINE_PREDICTOR``), and the protocol as an argument. Pods without one are compared with their
pod spec, and with what the operator makes of their graph nodes. Read in Seldon Core 1.18's
``operator/controllers``, as :mod:`m2s.platforms.seldon.made`.

Left out is what the operator replaces by its own: nodes' addresses, a server's ports and
parameters, the security context of pods, an explainer's arguments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from m2s.objects.body import Body
from m2s.platforms.common.pods import mappings, text
from m2s.platforms.seldon.made import Made, components, containers, engine_predictor, is_server
from m2s.platforms.seldon.preflight import V2
from m2s.platforms.seldon.units import nodes

_FLAGS = {"protocol": ("--protocol", "seldon"), "serverType": ("--server_type", "rpc")}
_NOT_IN_ENGINE = frozenset({"explainer", "replicas", "traffic"})
_ADDRESS = frozenset({"grpcPort", "httpPort", "service_host", "service_port"})
_MODELS = "/mnt/models"
_PARAMETERS = "PREDICTIVE_UNIT_PARAMETERS"
_OPERATORS_LABEL = re.compile(r"seldon.*|app\.kubernetes\.io/managed-by")


def wanted(spec: Body, made: Made, deployment: Body) -> dict[str, Any]:
    """Return what a Deployment must show of ``made.predictor``, one of ``spec``'s."""
    predictor = made.predictor
    label = f"predictors[{predictor.get('name')}]"
    doc: dict[str, Any] = {}
    if made.role != "engine":
        doc["annotations"] = _merged("annotations", spec, *_metadata(made))
    if made.role == "explainer":
        about: dict[str, Any] = {"explainer": _explainer(spec, predictor["explainer"])}
    elif made.role == "component" and engine_predictor(deployment) is None:
        about = _pod(spec, made)
    else:
        about = _predictor(predictor)
        stated = _arguments(deployment)
        doc |= {k: spec.get(k) or by for k, (flag, by) in _FLAGS.items() if flag in stated}
        doc |= _transport(engine_predictor(deployment) or {}, spec, predictor)
    if made.role == "explainer" or "pod" in about:
        doc["labels"] = _merged("labels", *_metadata(made))
    return {**doc, label: about}


def shown(made: Made, deployment: Body) -> dict[str, Any]:
    """Return what a Deployment shows, in the form of :func:`wanted`."""
    template = deployment["spec"]["template"]
    metadata = template.get("metadata") or {}
    doc: dict[str, Any] = {key: metadata.get(key) or {} for key in ("annotations", "labels")}
    engine = engine_predictor(deployment)
    if made.role == "explainer":
        about: Mapping[str, Any] = {"explainer": _explaining(deployment)}
    elif engine is None:
        about = {"pod": template.get("spec") or {}, **_loading(template)}
    else:
        about, stated = engine, _arguments(deployment)
        doc |= {key: stated.get(flag) for key, (flag, _) in _FLAGS.items()}
        doc |= _transport(engine)
    return {**doc, f"predictors[{made.predictor.get('name')}]": about}


def _metadata(made: Made) -> tuple[Body, Body]:
    """Return what else than the spec gives pods labels and annotations, the stronger one last."""
    component = components(made.predictor)[made.index] if made.role == "component" else {}
    return made.predictor, component.get("metadata") or {}


def _merged(field: str, *layers: Body) -> dict[str, Any]:
    return {
        name: value
        for layer in layers
        for name, value in (layer.get(field) or {}).items()
        if field != "labels" or not _OPERATORS_LABEL.fullmatch(name)
    }


def _predictor(predictor: Body) -> dict[str, Any]:
    rest = {key: part for key, part in predictor.items() if key not in _NOT_IN_ENGINE}
    stated = [
        {**component, **_without_own(component, predictor)}
        for component in predictor.get("componentSpecs") or ()
    ]
    return {**rest, "graph": _node(predictor.get("graph") or {}), "componentSpecs": stated}


def _node(node: Body) -> dict[str, Any]:
    endpoint = {k: v for k, v in (node.get("endpoint") or {}).items() if k not in _ADDRESS}
    kind = {} if is_server(node) else {"type": node.get("type")}
    children = [_node(child) for child in node.get("children") or ()]
    return {**node, "type": None, **kind, "endpoint": endpoint, "children": children}


def _without_own(component: Body, predictor: Body) -> dict[str, Any]:
    """Return a component's spec without what the operator puts its own values in place of."""
    spec = component.get("spec") or {}
    servers = {node.get("name"): node for node in nodes(predictor) if is_server(node)}
    stated = [_container(one, servers.get(one.get("name"))) for one in spec.get("containers") or ()]
    metadata = {**(component.get("metadata") or {}), "creationTimestamp": None}
    return {"metadata": metadata, "spec": {**spec, "containers": stated}}


def _container(container: Body, server: Body | None) -> Body:
    if server is None:
        return container
    env = [one for one in container.get("env") or () if one.get("name") != _PARAMETERS]
    proxied = {"image": None} if server["implementation"] == "TENSORFLOW_SERVER" else {}
    return {**container, "ports": None, "env": env, **proxied}


def _pod(spec: Body, made: Made) -> dict[str, Any]:
    """Return what pods without an orchestrator show: their spec, and their graph nodes."""
    predictor = made.predictor
    stated = components(predictor)[made.index]
    pod = _without_own(stated, predictor)["spec"]
    doc: dict[str, Any] = {"pod": {**pod, "securityContext": None}, "parameters": {}}
    own = {str(one.get("name")) for one in pod.get("initContainers") or ()}
    for node in nodes(predictor):
        name = str(node.get("name"))
        if name not in made.containers:
            continue
        doc["parameters"][name] = _given(spec, node)
        if is_server(node) and (account := node.get("serviceAccountName")):
            doc["pod"]["serviceAccountName"] = account
        if is_server(node) and f"{name}-model-initializer" not in own:
            _add_loading(doc, node)
    return doc


def _given(spec: Body, node: Body) -> dict[str, Any]:
    """Return a node's parameters; a server that is no MLServer is told where its model is."""
    stated = {one["name"]: one.get("value") for one in node.get("parameters") or ()}
    other = node.get("implementation") in ("TENSORFLOW_SERVER", "TRITON_SERVER")
    tells = is_server(node) and not other and spec.get("protocol") not in V2
    return {**stated, "model_uri": _MODELS} if tells else stated


def _add_loading(doc: dict[str, Any], node: Body) -> None:
    for field in ("modelUri", "envSecretRefName", "storageInitializerImage"):
        if stated := node.get(field):
            # a claim is mounted there
            mounted = re.sub(r"^pvc://[^/]*/?", "/mnt/pvc/", stated)
            doc.setdefault(field, {})[mounted] = True


def _loading(template: Body) -> dict[str, Any]:
    """Return what init containers load, and what the graph's containers are given."""
    spec = template.get("spec") or {}
    first = spec.get("initContainers") or ()
    secrets = [text(source, "secretRef.name") for source in mappings(first, "*.envFrom.*")]
    return {
        "modelUri": dict.fromkeys((str(one["args"][0]) for one in first if one.get("args")), True),
        "envSecretRefName": dict.fromkeys(secrets, True),
        "storageInitializerImage": dict.fromkeys((str(one.get("image")) for one in first), True),
        "parameters": {
            str(one.get("name")): _parameters(one) for one in spec.get("containers") or ()
        },
    }


def _parameters(container: Body) -> dict[str, Any]:
    texts = [e.get("value") for e in container.get("env") or () if e.get("name") == _PARAMETERS]
    listed = _decoded(texts[-1]) if texts else None
    found = listed if isinstance(listed, list) else []
    return {str(one.get("name")): one.get("value") for one in found if isinstance(one, dict)}


def _explainer(spec: Body, explainer: Body) -> dict[str, Any]:
    """Return what an explainer's pod shows; with the protocol v2 it is an MLServer."""
    v2 = spec.get("protocol") in V2
    taken = ("env",) if v2 else ("args",)
    container = {k: v for k, v in (explainer.get("containerSpec") or {}).items() if k not in taken}
    doc: dict[str, Any] = {"containerSpec": container}
    doc["serviceAccountName"] = explainer.get("serviceAccountName")
    _add_loading(doc, explainer)
    if v2:
        return {**doc, "initParameters": _decoded(explainer.get("initParameters"))}
    uri = explainer.get("modelUri") or ""
    config = (explainer.get("config") or {}).items()
    local = {k: v.replace(uri, _MODELS, 1) if uri else v for k, v in config}
    return {**doc, "type": {explainer["type"]: True}, "config": local}


def _explaining(deployment: Body) -> dict[str, Any]:
    template = deployment["spec"]["template"]
    spec, inside = template.get("spec") or {}, containers(deployment)
    container = inside[0] if inside else {}
    args = [str(arg) for arg in container.get("args") or ()]
    options = [arg.removeprefix("--").partition("=") for arg in args if arg.startswith("--")]
    env = {one.get("name"): one.get("value") for one in container.get("env") or ()}
    extra = _decoded(env.get("MLSERVER_MODEL_EXTRA"))
    return {
        **_loading(template),
        "containerSpec": container,
        "serviceAccountName": spec.get("serviceAccountName"),
        "type": dict.fromkeys(args, True),
        "config": {name: value for name, _, value in options},
        "initParameters": extra.get("init_parameters") if isinstance(extra, dict) else None,
    }


def _arguments(deployment: Body) -> dict[str, str]:
    """Return the orchestrator's arguments that are a flag and its value, two by two."""
    for container in containers(deployment):
        if any(one.get("name") == "ENGINE_PREDICTOR" for one in mappings(container, "env.*")):
            args = [str(arg) for arg in container.get("args") or ()]
            return dict(pairwise(args))
    return {}


def _transport(engine: Body, spec: Body | None = None, predictor: Body | None = None) -> Body:
    """Return the transport of a graph's first node with ports: which of them it is served at.

    Of ``spec`` and its predictor what it has to be, else what the orchestrator was told.
    """
    for node in nodes(engine):
        endpoint = node.get("endpoint") or {}
        ports = [endpoint.get(key) for key in ("service_port", "httpPort", "grpcPort")]
        if None in ports:
            continue
        if spec is None or predictor is None:
            return {"transport": "grpc" if ports[0] == ports[2] else "rest"}
        same = next(
            (one for one in nodes(predictor) if one.get("name") == node.get("name")),
            {},
        )
        asked = {spec.get("transport"), str((same.get("endpoint") or {}).get("type")).lower()}
        return {"transport": "grpc" if "grpc" in asked else "rest"}
    return {}


def _decoded(text: Any) -> Any:
    """Return JSON with its numbers alike, as Go reads it; None for what is none."""
    try:
        return json.loads(text, parse_int=float)
    except (ValueError, TypeError, RecursionError):
        return None
