"""What Seldon Core 1.18's operator makes of a SeldonDeployment, for tests that have no operator.

As read in its ``operator/controllers`` and ``operator/apis/machinelearning.seldon.io/v1``: names,
labels, defaults, what Go's encoder leaves out, and what the orchestrator is given.
"""

from __future__ import annotations

import base64
import copy
import hashlib
import itertools
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

Json = dict[str, Any]

BUILT_IN = ("SIMPLE_MODEL", "SIMPLE_ROUTER", "RANDOM_ABTEST", "AVERAGE_COMBINER")
UNKNOWN = "UNKNOWN_IMPLEMENTATION"
PODINFO = {"name": "seldon-podinfo", "mountPath": "/etc/podinfo"}
ALWAYS_WRITTEN = {
    "engineResources", "svcOrchSpec", "metadata", "resources", "graph", "replicas", "name", "spec",
    "automountServiceAccountToken", "runAsUser",
}  # fmt: skip
"""Go structs without ``omitempty``, and pointers."""


def made_of(body: Mapping[str, Any]) -> list[Json]:
    """Return the Deployments that the operator makes of a SeldonDeployment."""
    live = copy.deepcopy(dict(body))
    _default(live)
    return [made for predictor in live["spec"]["predictors"] for made in _make(live, predictor)]


def _make(live: Json, predictor: Json) -> list[Json]:
    """As ``createComponents``: an engine of its own first, then the pods, then the explainer."""
    name, spec, found = live["metadata"]["name"], live["spec"], list[Json]()
    annotations = predictor.get("annotations") or {}
    separate = _is_on(spec.get("annotations") or {}, "seldon.io/engine-separate-pod")
    without = _is_on(annotations, "seldon.io/no-engine")
    service = annotations.get("seldon.io/svc-name") or _short(f"{name}-{predictor['name']}")
    if separate and not without:
        found.append(_engine_deployment(live, predictor, service))
    for index, component in enumerate(predictor["componentSpecs"]):
        if component["spec"].get("containers"):
            found.append(_component(live, predictor, component, index))
    _add_servers(live, predictor, found)
    if not separate and not without:
        first = next(one for one in found if _serves(one, predictor["graph"]))
        first["spec"]["template"]["spec"]["containers"].append(_engine(live, predictor))
    if (predictor.get("explainer") or {}).get("type"):
        found.append(_explainer(live, predictor, service))
    return found


def _serves(deployment: Json, graph: Json) -> bool:
    names = {one["name"] for one in deployment["spec"]["template"]["spec"]["containers"]}
    return any(node["name"] in names for node in _nodes(graph))


def _component(live: Json, predictor: Json, component: Json, index: int) -> Json:
    containers = component["spec"]["containers"]
    own = component.get("metadata", {}).get("name") or "-".join(one["name"] for one in containers)
    deployment = _deployment(
        live, predictor, f"{live['metadata']['name']}-{predictor['name']}-{index}-{own}", component
    )
    if not component.get("hpaSpec") and not component.get("kedaSpec"):
        deployment["spec"]["replicas"] = component.get(
            "replicas", predictor.get("replicas", live["spec"].get("replicas"))
        )
    for container in containers:
        _describe(live, predictor, container)
    return deployment


def _describe(live: Json, predictor: Json, container: Json) -> None:
    """As ``createContainerService``; the engine's copy of the container gets it too."""
    node = _node(predictor["graph"], container["name"])
    if node is None:
        return
    endpoint = node["endpoint"]
    ports = container.setdefault("ports", [])
    for kind in ("http", "grpc"):
        if not any(port.get("name") == kind for port in ports):
            ports.append({"name": kind, "containerPort": endpoint[f"{kind}Port"]})
    probe = {"tcpSocket": {"port": endpoint["service_port"]}, "periodSeconds": 5}
    container.setdefault("livenessProbe", {**probe, "initialDelaySeconds": 60})
    container.setdefault("readinessProbe", {**probe, "initialDelaySeconds": 20})
    sleep = {"exec": {"command": ["/bin/sh", "-c", "/bin/sleep 10"]}}
    container.setdefault("lifecycle", {"preStop": sleep})
    env = container.setdefault("env", [])
    named = {one["name"] for one in env}
    if node.get("parameters") and "PREDICTIVE_UNIT_PARAMETERS" not in named:
        env.append(_variable("PREDICTIVE_UNIT_PARAMETERS", json.dumps(node["parameters"])))
    env += [
        _variable("PREDICTIVE_UNIT_SERVICE_PORT", str(endpoint["service_port"])),
        _variable("PREDICTIVE_UNIT_ID", container["name"]),
        _variable("PREDICTIVE_UNIT_IMAGE", container.get("image", "")),
        _variable("PREDICTOR_ID", predictor["name"]),
        _variable("PREDICTOR_LABELS", json.dumps(predictor["labels"])),
        _variable("SELDON_DEPLOYMENT_ID", live["metadata"]["name"]),
    ]


def _add_servers(live: Json, predictor: Json, found: list[Json]) -> None:
    """As ``createStandaloneModelServers``: images, parameters, and what brings the models."""
    for node in filter(_is_server, _nodes(predictor["graph"])):
        deployment = next(one for one in found if _container_of(one, node["name"]))
        container = _container_of(deployment, node["name"])
        if live["spec"].get("protocol") in ("v2", "kfserving"):
            own = [_variable("MLSERVER_MODEL_URI", "/mnt/models")]
            named = {one["name"] for one in container["env"]}
            container["env"] = [one for one in own if one["name"] not in named] + container["env"]
            endpoint = node["endpoint"]
            container["ports"] = [
                {"name": kind, "containerPort": endpoint[f"{kind}Port"]}
                for kind in ("grpc", "http")
            ]
        else:
            uri = {"name": "model_uri", "type": "STRING", "value": "/mnt/models"}
            listed = json.dumps([*node.get("parameters", []), uri])
            container["env"] = [
                *(one for one in container["env"] if one["name"] != "PREDICTIVE_UNIT_PARAMETERS"),
                _variable("PREDICTIVE_UNIT_PARAMETERS", listed),
            ]
        if account := node.get("serviceAccountName"):
            deployment["spec"]["template"]["spec"]["serviceAccountName"] = account
        _bring_model(deployment, node["name"], node)


def _bring_model(deployment: Json, container: str, node: Json) -> None:
    if not node.get("modelUri"):
        return
    pod = deployment["spec"]["template"]["spec"]
    name = f"{container}-model-initializer"[:63].removesuffix("-")
    first = pod.setdefault("initContainers", [])
    if any(one["name"] == name for one in first):
        return
    uri = re.sub("^pvc://[^/]*", "/mnt/pvc", node["modelUri"])
    image = node.get("storageInitializerImage") or "seldonio/rclone-storage-initializer:1.18.2"
    secret = node.get("envSecretRefName")
    given = {"envFrom": [{"secretRef": {"name": secret}}]} if secret else {}
    pod["initContainers"] = [
        *first, {"name": name, "image": image, "args": [uri, "/mnt/models"], **given},
    ]  # fmt: skip


def _engine(live: Json, predictor: Json) -> Json:
    """As ``createEngineContainer``: the predictor without traffic, replicas and explainer."""
    told = copy.deepcopy({k: v for k, v in predictor.items() if k not in ("traffic", "explainer")})
    told = {"engineResources": {}, "svcOrchSpec": {}, **told, "replicas": 0}
    for component in told["componentSpecs"]:
        component["metadata"] = {**component.get("metadata", {}), "creationTimestamp": None}
        for container in component["spec"].get("containers", []):
            container.setdefault("resources", {})
    encoded = base64.b64encode(json.dumps(_as_go(told)).encode()).decode()
    spec = live["spec"]
    args = ["--sdep", live["metadata"]["name"], "--predictor", predictor["name"]]
    args += ["--protocol", spec.get("protocol") or "seldon"]
    args += ["--server_type", spec.get("serverType") or "rpc", "--full_health_checks=false"]
    orchestrator = predictor.get("svcOrchSpec") or {}
    env = [_variable("ENGINE_PREDICTOR", encoded), *orchestrator.get("env", [])]
    own = {"resources": orchestrator["resources"]} if "resources" in orchestrator else {}
    name = {"name": "seldon-container-engine", "image": "seldonio/seldon-core-executor:1.18.2"}
    return {**name, "args": args, "env": env, **own}


def _engine_deployment(live: Json, predictor: Json, service: str) -> Json:
    name = f"{live['metadata']['name']}-{predictor['name']}-svc-orch"
    deployment = _deployment(live, predictor, name, None)
    labels = {"seldon-app": service, "seldon-deployment-id": service}
    for metadata in (deployment["metadata"], deployment["spec"]["template"]["metadata"]):
        metadata["labels"] |= labels
    deployment["spec"]["selector"]["matchLabels"] = labels
    deployment["spec"]["template"]["metadata"]["annotations"] = {"prometheus.io/scrape": "true"}
    deployment["spec"]["template"]["spec"] = {"containers": [_engine(live, predictor)]}
    general = predictor.get("replicas", live["spec"].get("replicas"))
    orchestrator = predictor.get("svcOrchSpec") or {}
    deployment["spec"]["replicas"] = orchestrator.get("replicas", general)
    return deployment


def _explainer(live: Json, predictor: Json, service: str) -> Json:
    explainer, spec = predictor["explainer"], live["spec"]
    name = f"{live['metadata']['name']}-{predictor['name']}-explainer"
    container: Json = {"name": _short(name), "image": "seldonio/alibiexplainer:1.18.2"}
    container |= explainer.get("containerSpec") or {}
    uri = explainer.get("modelUri", "")
    if spec.get("protocol") in ("v2", "kfserving"):
        extra: Json = {"explainer_type": "tag", "infer_uri": f"http://{service}/v2/models"}
        if explainer.get("initParameters"):
            extra["init_parameters"] = json.loads(explainer["initParameters"])
        container["env"] = [_variable("MLSERVER_MODEL_EXTRA", json.dumps(extra))]
    else:
        config = explainer.get("config") or {}
        container["args"] = [
            "--model_name=x", f"--predictor_host={service}", explainer["type"],
            *(f"--{k}={config[k].replace(uri or ' ', '/mnt/models', 1)}" for k in sorted(config)),
        ]  # fmt: skip
    deployment = _deployment(live, predictor, name, {"spec": {"containers": [container]}})
    if account := explainer.get("serviceAccountName"):
        deployment["spec"]["template"]["spec"]["serviceAccountName"] = account
    zero = predictor.get("replicas", spec.get("replicas")) == 0
    deployment["spec"]["replicas"] = 0 if zero else explainer.get("replicas")
    _bring_model(deployment, container["name"], explainer)
    return deployment


def _deployment(live: Json, predictor: Json, name: str, component: Json | None) -> Json:
    """As ``createDeploymentWithoutEngine``."""
    name, metadata = _short(name), (component or {}).get("metadata") or {}
    chosen = {"seldon-deployment-id": _short(live["metadata"]["name"])}
    labels = {**chosen, "app": name, **predictor["labels"], **metadata.get("labels", {})}
    annotations = {
        "prometheus.io/path": "/prometheus",
        "prometheus.io/scrape": "true",
        **(live["spec"].get("annotations") or {}),
        **(predictor.get("annotations") or {}),
        **metadata.get("annotations", {}),
    }
    pod = dict((component or {}).get("spec") or {})
    pod["containers"] = list(pod.get("containers", []))
    pod.pop("securityContext", None)  # the operator's own, which is none by default
    pod.setdefault("terminationGracePeriodSeconds", 20)
    path = {"path": "annotations", "fieldRef": {"fieldPath": "metadata.annotations"}}
    about = {"name": PODINFO["name"], "downwardAPI": {"items": [path]}}
    pod["volumes"] = [*pod.get("volumes", []), about]
    owner = {"apiVersion": live["apiVersion"], "kind": "SeldonDeployment", "controller": True}
    owner |= {"name": live["metadata"]["name"], "uid": live["metadata"]["uid"]}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "labels": dict(labels), "ownerReferences": [owner]},
        "spec": {
            "selector": {"matchLabels": {**chosen, "app": name}},
            "template": {
                "metadata": {"labels": dict(labels), "annotations": annotations},
                "spec": pod,
            },
        },
    }


def _default(live: Json) -> None:
    """As ``DefaultSeldonDeployment``."""
    numbers = itertools.count()
    for predictor in live["spec"]["predictors"]:
        predictor.setdefault("labels", {}).setdefault("version", predictor["name"])
        predictor["componentSpecs"] = predictor.get("componentSpecs") or [{}]
        for component in predictor["componentSpecs"]:
            component.setdefault("spec", {}).setdefault("containers", [])
        there = {one["name"] for one in _containers(predictor)}
        for node in _nodes(predictor["graph"]):
            _default_type(node)
            if _is_server(node) and node["name"] not in there:
                predictor["componentSpecs"][0]["spec"]["containers"].append({"name": node["name"]})
        for container in _containers(predictor):
            if found := _node(predictor["graph"], container["name"]):
                _default_node(live["spec"], found, container, next(numbers))


def _containers(predictor: Json) -> list[Json]:
    return [one for each in predictor["componentSpecs"] for one in each["spec"]["containers"]]


def _default_type(node: Json) -> None:
    node.setdefault("implementation", UNKNOWN)
    if node["implementation"] == UNKNOWN and not node.get("methods"):
        node.setdefault("type", "MODEL")
    if _is_server(node):
        node["type"] = "MODEL"


def _default_node(spec: Json, node: Json, container: Json, number: int) -> None:
    if _is_server(node):
        container.setdefault("image", "seldonio/mlflowserver:1.18.2")
    container["volumeMounts"] = [*container.get("volumeMounts", []), dict(PODINFO)]
    metrics = {"name": "metrics", "containerPort": 6000 + number, "protocol": "TCP"}
    container["ports"] = [*container.get("ports", []), metrics]
    stated = {one.get("name"): one["containerPort"] for one in container["ports"]}
    endpoint = node.setdefault("endpoint", {})
    endpoint |= {"service_host": "localhost", "httpPort": stated.get("http", 9000 + number)}
    endpoint["grpcPort"] = stated.get("grpc", 9500 + number)
    grpc = endpoint.get("type") == "GRPC" or spec.get("transport") == "grpc"
    endpoint["service_port"] = endpoint["grpcPort" if grpc else "httpPort"]


def _as_go(value: Any, key: str = "", within: str = "") -> Any:
    """Return what Go's encoder writes of a value that it read: quantities anew, no empty fields."""
    if isinstance(value, dict):
        inside = within or (key if key in ("limits", "requests") else "")
        told = {name: _as_go(item, name, inside) for name, item in value.items()}
        return {
            name: item
            for name, item in told.items()
            if name in ALWAYS_WRITTEN or item not in (None, "", 0, [], {}) or name == "emptyDir"
        }
    if isinstance(value, list):
        return [_as_go(item) for item in value]
    return quantity(str(value)) if within or key == "sizeLimit" else value


def quantity(text: str) -> str:
    """Return a quantity in its shortest form, as apimachinery writes one."""
    number, suffix = re.fullmatch(r"([\d.]+)(\w*)", text).groups()  # type: ignore[union-attr]
    if suffix.endswith("i"):
        amount, units = int(number), ["Ki", "Mi", "Gi", "Ti"]
        while amount % 1024 == 0 and suffix != units[-1]:
            amount, suffix = amount // 1024, units[units.index(suffix) + 1]
        return f"{amount}{suffix}"
    if suffix in ("", "m"):
        thousandths = round(float(number) * (1 if suffix else 1000))
        return f"{thousandths}m" if thousandths % 1000 else str(thousandths // 1000)
    return text


def _nodes(graph: Json) -> Iterator[Json]:
    yield graph
    for child in graph.get("children") or []:
        yield from _nodes(child)


def _node(graph: Json, name: str) -> Json | None:
    return next((node for node in _nodes(graph) if node["name"] == name), None)


def _is_server(node: Json) -> bool:
    return node.get("implementation") not in (None, UNKNOWN, *BUILT_IN)


def _container_of(deployment: Json, name: str) -> Json:
    containers: list[Json] = deployment["spec"]["template"]["spec"]["containers"]
    return next((one for one in containers if one["name"] == name), {})


def _variable(name: str, value: str) -> Json:
    return {"name": name, "value": value}


def _is_on(annotations: Mapping[str, str], name: str) -> bool:
    return annotations.get(name, "").lower() == "true"


def _short(name: str) -> str:
    if len(name) <= 63:
        return name
    return "seldon-" + hashlib.md5(name.encode(), usedforsecurity=False).hexdigest()
