"""Every kind of change is waited for until the operator has taken it up, in each layout of pods."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from m2s.domain.rollout import Rollout
from m2s.platforms.common.shows import left, missing
from m2s.platforms.seldon.rollout import progress
from m2s.targets.kubernetes.namespace import KubernetesCluster, connect
from tests.kits.deployments import body, manifest_of
from tests.kits.seldon_makes import made_of
from tests.kits.seldon_operator import Operator
from tests.servers import ApiServer

Json = dict[str, Any]
SERVING = Rollout.serves()

Edit = Callable[[Json, Json, Json], None]
"""Changes a spec, its first predictor or that one's container."""

CONTAINER = {
    "name": "classifier",
    "image": "registry.example/server:1",
    "args": ["--workers", "2"],
    "env": [{"name": "MODE", "value": "fast"}, {"name": "KEEP", "value": "1"}],
    "resources": {"requests": {"memory": "1Gi", "cpu": "1"}, "limits": {"memory": "1024Mi"}},
    "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}],
}
POD = {
    "containers": [CONTAINER, {"name": "sidecar", "image": "registry.example/sidecar:1"}],
    "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "1024Mi"}}],
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "nodeSelector": {"pool": "models"},
}
GRAPH = {
    "name": "classifier",
    "implementation": "MLFLOW_SERVER",
    "modelUri": "s3://models/1",
    "envSecretRefName": "store",
    "parameters": [
        {"name": "threshold", "type": "FLOAT", "value": "0.5"},
        {"name": "rounds", "type": "INT", "value": "3"},
    ],
    "logger": {"mode": "all", "url": "http://broker"},
}
PREDICTOR: Json = {
    "graph": GRAPH,
    "replicas": 2,
    "labels": {"team": "fraud"},
    "componentSpecs": [{"metadata": {"labels": {"tier": "gold"}}, "spec": POD}],
    "svcOrchSpec": {"env": [{"name": "LOG", "value": "debug"}]},
    "explainer": {
        "type": "AnchorTabular",
        "modelUri": "s3://models/why",
        "config": {"seed": "1", "file": "s3://models/why/data"},
        "containerSpec": {"name": "why", "env": [{"name": "WHY", "value": "1"}]},
    },
}

LAYOUTS: dict[str, tuple[Json, Json]] = {
    "together": ({}, {}),
    "apart": ({"annotations": {"seldon.io/engine-separate-pod": "true"}}, {}),
    "without": ({}, {"annotations": {"seldon.io/no-engine": "true"}}),
}
"""An orchestrator in the model's pod, in one of its own, and none."""


def made(namespace: str, layout: str, *edits: Edit) -> Json:
    """Return a SeldonDeployment in which everything is stated, and then changed."""
    spec, predictor = copy.deepcopy(LAYOUTS[layout])
    whole = body(namespace, **PREDICTOR)
    first = whole["spec"]["predictors"][0]
    whole["spec"]["annotations"] = {"owner": "me", "cost": "1", **spec.get("annotations", {})}
    first["annotations"] = {"contact": "fraud@example", **predictor.get("annotations", {})}
    for edit in edits:
        edit(whole["spec"], first, first["componentSpecs"][0]["spec"]["containers"][0])
    return whole


def pod(predictor: Json) -> Json:
    inside: Json = predictor["componentSpecs"][0]["spec"]
    return inside


CHANGES: dict[str, Edit] = {
    "image": lambda s, p, c: c.update(image="registry.example/server:2"),
    "env": lambda s, p, c: c["env"][0].update(value="slow"),
    "env-from": lambda s, p, c: c["env"][0].update(
        value="", valueFrom={"secretKeyRef": {"name": "a", "key": "b"}}
    ),
    "new-env": lambda s, p, c: c["env"].append({"name": "NEW", "value": "x"}),
    "no-env": lambda s, p, c: c["env"].pop(0),
    "memory": lambda s, p, c: c["resources"]["limits"].update(memory="900Gi"),
    "cpu": lambda s, p, c: c["resources"]["requests"].update(cpu="1500m"),
    "no-limits": lambda s, p, c: c["resources"].pop("limits"),
    "args": lambda s, p, c: c["args"].pop(),
    "probe": lambda s, p, c: c.update(readinessProbe={"httpGet": {"port": 9000, "path": "/up"}}),
    "sidecar": lambda s, p, c: pod(p)["containers"][1].update(image="registry.example/sidecar:2"),
    "volume": lambda s, p, c: pod(p)["volumes"][0].update(emptyDir={"sizeLimit": "2Gi"}),
    "no-toleration": lambda s, p, c: pod(p).pop("tolerations"),
    "account": lambda s, p, c: pod(p).update(serviceAccountName="models"),
    "no-token": lambda s, p, c: pod(p).update(automountServiceAccountToken=False),
    "node": lambda s, p, c: pod(p)["nodeSelector"].update(pool="gpus"),
    "uri": lambda s, p, c: p["graph"].update(modelUri="s3://models/10"),
    "secret": lambda s, p, c: p["graph"].update(envSecretRefName="other"),
    "parameter": lambda s, p, c: p["graph"]["parameters"][0].update(value="0.7"),
    "no-parameter": lambda s, p, c: p["graph"]["parameters"].pop(),
    "annotation": lambda s, p, c: s["annotations"].update(owner="somebody"),
    "no-annotation": lambda s, p, c: s["annotations"].pop("owner"),
    "predictor-annotation": lambda s, p, c: p["annotations"].update(contact="x@example"),
    "label": lambda s, p, c: p["labels"].update(team="risk"),
    "pod-label": lambda s, p, c: p["componentSpecs"][0]["metadata"]["labels"].update(tier="tin"),
    "protocol": lambda s, p, c: s.update(protocol="v2"),
    "replicas": lambda s, p, c: p.update(replicas=3),
    "explainer": lambda s, p, c: p["explainer"].update(type="AnchorImages"),
    "explainer-uri": lambda s, p, c: p["explainer"].update(modelUri="s3://models/why2"),
    "explainer-config": lambda s, p, c: p["explainer"]["config"].update(seed="2"),
    "explainer-env": lambda s, p, c: p["explainer"]["containerSpec"]["env"][0].update(value="2"),
    "no-explainer": lambda s, p, c: p.pop("explainer"),
}
"""Each shows in some Deployment, whatever the layout."""

ENGINES: dict[str, Edit] = {
    "logger": lambda s, p, c: p["graph"]["logger"].update(url="http://other"),
    "no-logger": lambda s, p, c: p["graph"].pop("logger"),
    "orchestrator": lambda s, p, c: p["svcOrchSpec"]["env"][0].update(value="info"),
    "server-type": lambda s, p, c: (
        s.update(serverType="kafka"),
        p["svcOrchSpec"]["env"].extend(
            {"name": f"KAFKA_{name}", "value": "x"}
            for name in ("BROKER", "INPUT_TOPIC", "OUTPUT_TOPIC")
        ),
    )[0],
    "transport": lambda s, p, c: s.update(transport="grpc"),
    "type": lambda s, p, c: p["graph"].update(methods=["TRANSFORM_INPUT"]),
}
"""What the orchestrator is told and nobody else."""


def kinds() -> list[Any]:
    """Return every layout with every kind of change that it can show."""
    each = [(layout, kind) for layout in LAYOUTS for kind in (*CHANGES, *ENGINES)]
    return [pair for pair in each if pair[0] != "without" or pair[1] in CHANGES]


def written(whole: Json, generation: int) -> Json:
    """Return an object as the API server has it, which the operator calls available."""
    about = {"uid": "1", "generation": generation}
    status = {"state": "Available"}
    return {**whole, "metadata": {**whole["metadata"], **about}, "status": status}


def rolled_out(live: Json) -> list[Json]:
    """Return the operator's Deployments, every one of them rolled out."""
    return [_finished(one) for one in made_of(live)]


def _finished(deployment: Json) -> Json:
    spec = deployment["spec"]
    number = 1 if spec.get("replicas") is None else spec["replicas"]
    counted = dict.fromkeys(("replicas", "updatedReplicas", "availableReplicas"), number)
    metadata = {**deployment["metadata"], "generation": 1}
    return {**deployment, "metadata": metadata, "status": {**counted, "observedGeneration": 1}}


def seen(live: Json, before: Json | None, of: Json) -> Rollout:
    """Return how far ``live`` is while the Deployments are those of another spec."""
    return progress(live, before, rolled_out(of), 2, lambda _: ())


@pytest.mark.parametrize(("layout", "kind"), kinds())
def test_a_change_serves_only_once_it_is_taken_up(layout: str, kind: str) -> None:
    edit = {**CHANGES, **ENGINES}[kind]
    first = written(made("shop", layout), 2)
    second = written(made("shop", layout, edit), 3)
    for before, after in ((first, second), (second, first)):
        early = seen(after, before, of=before)
        assert (early.serving, early.failed) == (False, False)
        assert seen(after, before, of=after) == SERVING
        assert seen(after, None, of=after) == SERVING
    if not kind.startswith("no-") and (layout, kind) != ("without", "protocol"):
        assert not seen(second, None, of=first).serving, "what it was before is not needed"


@pytest.mark.parametrize("kind", ["logger", "no-logger", "orchestrator", "transport"])
def test_what_only_an_orchestrator_is_told_shows_nowhere_without_one(kind: str) -> None:
    first = written(made("shop", "without"), 2)
    second = written(made("shop", "without", ENGINES[kind]), 3)
    rollout = seen(second, first, of=second)
    assert rollout.serving
    assert "changed: its Deployments do not show whether these are in" in rollout.message


def test_a_graph_s_servers_name_its_pod_as_the_operator_goes_through_it() -> None:
    def server(name: str, *children: Json) -> Json:
        node = {"name": name, "implementation": "SKLEARN_SERVER", "modelUri": "s3://m"}
        return {**node, "children": list(children)}

    whole = made("shop", "together")
    predictor = whole["spec"]["predictors"][0]
    predictor |= {"graph": server("a", server("b", server("c")), server("d"))}
    predictor["componentSpecs"] = []
    live = written(whole, 3)
    assert made_of(live)[0]["metadata"]["name"] == "fraud-default-0-a-b-c-d"
    assert seen(live, None, of=live) == SERVING


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_the_operator_fills_in_may_be_taken_out(layout: str) -> None:
    """It stays as it is, and nobody waits for it to go."""
    explicit: Edit = lambda s, p, c: (  # noqa: E731
        s.update(protocol="seldon", serverType="rpc"),
        p["labels"].update(version="default"),
        p["graph"].update(type="MODEL"),
        c["env"].append({"name": "PREDICTIVE_UNIT_ID", "value": "classifier"}),
        c.update(imagePullPolicy="IfNotPresent"),
        pod(p).update(terminationGracePeriodSeconds=20, restartPolicy="Always"),
        c.update(ports=[{"name": "metrics", "containerPort": 6000, "protocol": "TCP"}]),
    )[0]
    first = written(made("shop", layout, explicit), 2)
    assert seen(first, None, of=first) == SERVING
    second = written(made("shop", layout), 3)
    assert seen(second, first, of=second) == SERVING


NOTHING: dict[str, Edit] = {
    "empty": lambda s, p, c: c.update(command=[], securityContext={}, stdin=False),
    "no-env": lambda s, p, c: c.update(env=[]),
    "null": lambda s, p, c: c.update(lifecycle=None),
    "empty-value": lambda s, p, c: c["env"][0].update(value=""),
    "not-shadow": lambda s, p, c: p.update(shadow=False),
    "address": lambda s, p, c: p["graph"].update(
        endpoint={"type": "REST", "service_host": "elsewhere", "service_port": 1}
    ),
    "type-of-a-server": lambda s, p, c: p["graph"].update(type="TRANSFORMER"),
    "claim": lambda s, p, c: p["graph"].update(modelUri="pvc://models/fraud/1"),
    "own-parameters": lambda s, p, c: c["env"].append(
        {"name": "PREDICTIVE_UNIT_PARAMETERS", "value": "[]"}
    ),
    "server-s-ports": lambda s, p, c: (
        s.update(protocol="v2"), c.update(ports=[{"name": "mine", "containerPort": 1}]),
    )[0],
    "pod-security": lambda s, p, c: pod(p).update(securityContext={"runAsUser": 0}),
    "whole-numbers": lambda s, p, c: c["resources"]["requests"].update(cpu=2),
    "decimals": lambda s, p, c: c["resources"]["requests"].update(cpu="0.50"),
    "autoscaler": lambda s, p, c: p["componentSpecs"][0].update(hpaSpec={"maxReplicas": 3}),
    "own-initializer": lambda s, p, c: pod(p).update(
        initContainers=[{"name": "classifier-model-initializer", "image": "x", "args": ["y"]}]
    ),
    "mlserver": lambda s, p, c: (
        s.update(protocol="v2"), c["env"].append({"name": "MLSERVER_MODEL_URI", "value": "/x"}),
    )[0],
    "explainer-v2": lambda s, p, c: (
        s.update(protocol="v2"), p["explainer"].update(initParameters='{"threshold": 1}'),
    )[0],
    "two-pods": lambda s, p, c: (
        p["graph"].update(children=[{"name": "second", "modelUri": "s3://models/2"}]),
        p["componentSpecs"].append(
            {"spec": {"containers": [{"name": "second", "image": "x:1"}]}, "replicas": 5}
        ),
    )[0],
    "server-without-container": lambda s, p, c: p["graph"].update(
        children=[{"name": "third", "implementation": "SKLEARN_SERVER", "modelUri": "s3://m/3"}]
    ),
}  # fmt: skip


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("what", NOTHING)
def test_nobody_waits_for_what_the_operator_leaves_out_or_puts_right(
    layout: str, what: str
) -> None:
    live = written(made("shop", layout, NOTHING[what]), 3)
    assert seen(live, None, of=live) == SERVING
    before = written(made("shop", layout), 2)
    assert seen(live, before, of=live) == SERVING
    assert seen(before, live, of=before) == SERVING


def test_the_second_pod_of_a_predictor_is_looked_at_by_itself() -> None:
    """The orchestrator is told of all of them, but another Deployment runs it."""
    older = written(made("shop", "together", NOTHING["two-pods"]), 2)
    newer = copy.deepcopy(written(older, 3))
    newer["spec"]["predictors"][0]["componentSpecs"][1]["spec"]["containers"][0]["image"] = "x:2"
    second = "fraud-default-1-second"
    old, new = ({one["metadata"]["name"]: one for one in rolled_out(x)} for x in (older, newer))
    half = [*({**new, second: old[second]}.values())]
    rollout = progress(newer, older, half, 3, lambda _: ())
    assert f"{second} does not show" in rollout.message
    assert "pod.containers[second].image as written yet" in rollout.message


def test_a_first_generation_needs_no_comparison() -> None:
    """Whatever the operator made of it, it was made of this."""
    live = written(made("shop", "together"), 1)
    other = written(made("shop", "together", CHANGES["memory"]), 1)
    assert progress(live, None, rolled_out(other), 1, lambda _: ()) == SERVING


@pytest.mark.parametrize(
    ("wanted", "shown", "path"),
    [
        ({"limits": {"cpu": "1000m"}}, {"limits": {"cpu": "1"}}, ""),
        ({"limits": {"memory": "1e3"}}, {"limits": {"memory": "1k"}}, ""),
        ({"limits": {"memory": "1Gi"}}, {"limits": {"memory": "1G"}}, "a.limits.memory"),
        ({"limits": {"memory": "x"}}, {"limits": {"memory": "y"}}, "a.limits.memory"),
        ({"value": "1000m"}, {"value": "1"}, "a.value"),
        ({"replicas": 0}, {}, "a.replicas"),
        ({"stdin": False, "tty": None}, {}, ""),
        ({"n": 1}, {"n": True}, "a.n"),
        ({"args": ["x"]}, {"args": ["x", "y"]}, "a.args"),
        ({"x": {"y": 1}}, {"x": "text"}, "a.x.y"),
        ({"x": [{"name": "b"}]}, {"x": "text"}, "a.x[b]"),
        ({"env": [{"name": "B"}, {"name": "A"}]}, {"env": [{"name": "A"}, {"name": "B"}]}, ""),
        (
            {"children": [{"name": "b"}, {"name": "a"}]},
            {"children": [{"name": "a"}, {"name": "b"}]},
            "a.children",
        ),
        ({"annotations": {"x/y": "1"}}, {}, "a.annotations[x/y]"),
    ],
)
def test_what_is_missing_is_named(wanted: Json, shown: Json, path: str) -> None:
    assert missing(wanted, shown, "a") == path


@pytest.mark.parametrize(
    ("before", "wanted", "shown", "path"),
    [
        ({"x": 1}, {}, {"x": 1}, "a.x"),
        ({"x": 1}, {}, {"x": 2}, ""),
        ({"x": 1}, {"x": 2}, {"x": 1}, ""),
        ({"limits": {"cpu": "1000m"}}, {"limits": {}}, {"limits": {"cpu": 1}}, "a.limits.cpu"),
        ({"t": [{"key": "g", "op": "E"}]}, {"t": []}, {"t": [{"key": "g", "op": "E"}]}, "a.t[0]"),
        ({"t": [{"key": "g"}]}, {"t": [{"key": "g", "op": "E"}]}, {"t": [{"key": "g"}]}, ""),
        ({"v": [{"name": "n", "x": 1}]}, {"v": []}, {"v": [{"name": "n", "x": 2}]}, ""),
        ({"env": [{"name": "A"}]}, {}, {"env": [{"name": "A"}]}, "a.env"),
        ({"env": [{"name": "SELDON_X"}]}, {"env": []}, {"env": [{"name": "SELDON_X"}]}, ""),
        ({"env": [{"name": "SELDON_X"}]}, {}, {"env": [{"name": "SELDON_X"}]}, ""),
        ({"type": "MODEL"}, {}, {"type": "MODEL"}, ""),
        ({"labels": {"version": "v"}}, {}, {"labels": {"version": "v"}}, ""),
        ({"probe": {"delay": 60, "port": 1}}, {}, {"probe": {"delay": 60, "port": 2}}, ""),
        ({"x": {"y": 0}}, {}, {"x": {}}, ""),
    ],
)
def test_what_is_left_of_before_is_named(
    before: Json, wanted: Json, shown: Json, path: str
) -> None:
    assert left(before, wanted, shown, "a") == path


@pytest.fixture
def cluster(kubeconfig: Path) -> KubernetesCluster:
    return connect(None, str(kubeconfig), None)


@pytest.fixture
def operator(api_server: ApiServer, cluster: KubernetesCluster) -> Operator:
    return Operator(api_server, cluster)


def follow(cluster: KubernetesCluster, operator: Operator, layout: str, edit: Edit) -> None:
    """Make a change and take it back, each time before the operator has seen it and after."""
    whole, changed = made(cluster.namespace, layout), made(cluster.namespace, layout, edit)
    before = cluster.apply(manifest_of(whole), None)
    operator.serve(before)
    for wanted in (changed, whole):
        live = cluster.apply(manifest_of(wanted), before)
        assert live.generation == before.generation + 1
        early = cluster.rollout(live, before)
        assert (early.serving, early.failed) == (False, False), early
        operator.serve(live)
        assert cluster.rollout(live, before) == SERVING
        before = live


@pytest.mark.thorough
@pytest.mark.parametrize("layout", LAYOUTS)
def test_on_the_api_server(cluster: KubernetesCluster, operator: Operator, layout: str) -> None:
    """It writes quantities, empty fields and its own defaults in its own way."""
    some = ("memory", "no-limits", "no-env", "no-annotation", "volume", "no-token")

    def edit(spec: Json, predictor: Json, container: Json) -> None:
        for kind in some:
            CHANGES[kind](spec, predictor, container)

    follow(cluster, operator, layout, edit)


@pytest.mark.slow
@pytest.mark.parametrize(("layout", "kind"), kinds())
def test_each_on_the_api_server(
    cluster: KubernetesCluster, operator: Operator, layout: str, kind: str
) -> None:
    follow(cluster, operator, layout, {**CHANGES, **ENGINES}[kind])
