"""Waiting for a rollout, with the Seldon operator played by hand on a real API server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from m2s.domain.rollout import Rollout
from m2s.targets.kubernetes.namespace import KubernetesCluster, connect
from tests.kits import deployments
from tests.kits.deployments import body, manifest, manifest_of
from tests.kits.seldon_makes import quantity
from tests.kits.seldon_operator import Operator
from tests.servers import ApiServer
from tests.servers.apiserver import SELDON_EDIT

V1, V2 = "s3://models/fraud/1", "s3://models/fraud/10"
NAME = "fraud-default-0-classifier"
SERVING = Rollout.serves()


@pytest.fixture
def cluster(kubeconfig: Path) -> KubernetesCluster:
    return connect(None, str(kubeconfig), None)


@pytest.fixture
def operator(api_server: ApiServer, cluster: KubernetesCluster) -> Operator:
    return Operator(api_server, cluster)


def waits_for(rollout: Rollout, *said: str) -> bool:
    assert not rollout.serving
    assert not rollout.failed
    assert [part for part in said if part not in rollout.message] == [], rollout.message
    return True


def test_a_first_rollout_from_nothing_to_serving(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    live = cluster.apply(manifest(cluster.namespace, uri=V1), None)
    assert waits_for(cluster.rollout(live), "no Deployment yet", "operator running?")
    operator.report(live, "Creating")
    assert operator.reconcile(live) == (NAME,)
    assert waits_for(cluster.rollout(live), NAME, "not observed")
    operator.count(NAME, updated=0, total=0)
    assert waits_for(cluster.rollout(live), "0 of 1 new replicas are updated", "Creating")
    operator.count(NAME, available=0)
    assert waits_for(cluster.rollout(live), "0 of 1 updated replicas are available")
    operator.count(NAME)
    assert waits_for(cluster.rollout(live), "rolled out", "Creating")
    operator.report(live, "Available")
    assert cluster.rollout(live) == SERVING


def test_available_of_the_old_version_is_not_the_new_one_serving(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    first = cluster.apply(manifest(cluster.namespace, uri=V2), None)
    operator.serve(first)
    second = cluster.apply(manifest(cluster.namespace, uri=V1), first)
    told = "does not show predictors[default].graph.modelUri as written yet"
    assert waits_for(cluster.rollout(second), NAME, told, "Available")
    operator.reconcile(second)
    operator.count(NAME, observed=False)
    assert waits_for(cluster.rollout(second), "not observed")
    operator.count(NAME, total=2, updated=1, available=2)
    assert waits_for(cluster.rollout(second), "1 old replicas are still there")
    operator.report(second, "Failed", "Operation cannot be fulfilled")
    assert waits_for(cluster.rollout(second), "Failed: Operation cannot be fulfilled")
    operator.count(NAME)
    operator.report(second, "Available")
    assert cluster.rollout(second) == SERVING


def test_a_deployment_that_exceeds_its_deadline_has_failed(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    live = cluster.apply(manifest(cluster.namespace, uri=V1), None)
    operator.reconcile(live)
    operator.count(NAME, available=0, stuck="ReplicaSet fraud-1 has timed out progressing.")
    rollout = cluster.rollout(live)
    assert rollout.failed
    assert NAME in rollout.message
    assert "has timed out progressing" in rollout.message


def test_an_older_failure_is_not_the_new_version_s(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    first = cluster.apply(manifest(cluster.namespace, uri=V1), None)
    operator.reconcile(first)
    operator.count(NAME, available=0, stuck="timed out")
    second = cluster.apply(manifest(cluster.namespace, uri=V2), first)
    assert waits_for(cluster.rollout(second), "modelUri")
    operator.reconcile(second)
    assert waits_for(cluster.rollout(second), "not observed")


def test_replicas_must_be_those_that_were_asked_for(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    first = cluster.apply(manifest(cluster.namespace, uri=V1, replicas=1), None)
    operator.serve(first)
    second = cluster.apply(manifest(cluster.namespace, uri=V1, replicas=2), first)
    assert waits_for(cluster.rollout(second), "from 1 to 2 replicas")
    operator.serve(second)
    assert cluster.rollout(second) == SERVING


def test_an_autoscaler_s_replicas_are_its_own(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    scaler = {"hpaSpec": {"minReplicas": 1, "maxReplicas": 9}, "spec": {"containers": []}}
    live = cluster.apply(
        manifest(cluster.namespace, uri=V1, replicas=2, componentSpecs=[scaler]), None
    )
    operator.serve(live)
    assert cluster.rollout(live) == SERVING


def two(namespace: str, first: int, second: int, **canary: Any) -> dict[str, Any]:
    """Return an object with two predictors of so many replicas."""
    whole = body(namespace, uri=V1, replicas=first, traffic=100)
    default = whole["spec"]["predictors"][0]
    graph = {**default["graph"], "modelUri": V2}
    other = {**default, "name": "canary", "graph": graph, "replicas": second, "traffic": 0}
    return {**whole, "spec": {"predictors": [default, {**other, **canary}]}}


@pytest.mark.parametrize("replicas", [(0, 0), (1, 0)])
def test_nothing_to_run_is_rolled_out_at_once(
    cluster: KubernetesCluster, operator: Operator, replicas: tuple[int, int]
) -> None:
    live = cluster.apply(manifest_of(two(cluster.namespace, *replicas)), None)
    operator.serve(live)
    operator.report(live, "Creating")  # never Available while a Deployment has no replicas
    assert cluster.rollout(live) == SERVING


def test_a_canary_s_deployment_must_serve_and_an_abandoned_one_must_go(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    both = cluster.apply(manifest_of(two(cluster.namespace, 1, 1)), None)
    operator.reconcile(both, NAME)
    operator.count(NAME)
    operator.report(both, "Available")
    canary = "fraud-canary-0-classifier"
    assert waits_for(cluster.rollout(both), "predictor canary", f"not made Deployment {canary}")
    operator.serve(both)
    assert cluster.rollout(both) == SERVING
    alone = cluster.apply(manifest(cluster.namespace, uri=V1, replicas=1), both)
    operator.reconcile(alone, NAME)
    operator.count(NAME)
    assert waits_for(cluster.rollout(alone, both), f"{canary} is of an older description")
    operator.serve(alone)
    assert cluster.rollout(alone).serving


def test_a_pod_of_another_name_replaces_the_old_one(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    """The operator names Deployments after containers: renamed, the old one has to go."""
    first = cluster.apply(manifest(cluster.namespace, uri=V1), None)
    operator.serve(first)
    whole = body(cluster.namespace, uri=V1)
    whole["spec"]["predictors"][0]["graph"]["name"] = "model"
    second = cluster.apply(manifest_of(whole), first)
    assert waits_for(cluster.rollout(second, first), f"{NAME} is of an older description")
    operator.reconcile(second, "fraud-default-0-model")
    operator.count("fraud-default-0-model")
    assert waits_for(cluster.rollout(second, first), f"{NAME} is of an older description")
    operator.serve(second)
    assert cluster.rollout(second, first) == SERVING


SEPARATE = {"annotations": {"seldon.io/engine-separate-pod": "true"}}
EXPLAINER = {"type": "AnchorTabular", "modelUri": "s3://models/why"}


def apart(namespace: str, uri: str, service: str) -> dict[str, Any]:
    """Return an object of which the orchestrator has a pod of its own, and maybe a name."""
    whole = body(namespace, uri=uri)
    whole["spec"] |= SEPARATE
    if service:
        whole["spec"]["predictors"][0]["annotations"] = {"seldon.io/svc-name": service}
    return whole


@pytest.mark.parametrize("service", ["", "fraud-api"])
def test_an_executor_in_a_pod_of_its_own_counts(
    cluster: KubernetesCluster, operator: Operator, service: str
) -> None:
    live = cluster.apply(manifest_of(apart(cluster.namespace, V1, service)), None)
    operator.report(live, "Available")
    operator.reconcile(live, NAME)
    operator.count(NAME)
    assert waits_for(cluster.rollout(live), "not made Deployment fraud-default-svc-orch")
    operator.reconcile(live)
    assert waits_for(cluster.rollout(live), "fraud-default-svc-orch: its update is not observed")
    operator.count("fraud-default-svc-orch")
    assert cluster.rollout(live) == SERVING
    second = cluster.apply(manifest_of(apart(cluster.namespace, V2, service)), live)
    operator.reconcile(second, NAME)
    operator.count(NAME)
    assert waits_for(cluster.rollout(second), "fraud-default-svc-orch", "graph.modelUri")
    operator.serve(second)
    assert cluster.rollout(second) == SERVING


def test_a_service_name_that_is_no_label_asks_for_nothing_impossible(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    whole = apart(cluster.namespace, V1, "no label, (at) all")
    live = cluster.apply(manifest_of(whole), None)
    operator.reconcile(live, NAME)
    operator.count(NAME)
    assert waits_for(cluster.rollout(live), "not made Deployment fraud-default-svc-orch")


def test_an_explainer_without_replicas_has_one(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    live = cluster.apply(manifest(cluster.namespace, replicas=3, explainer=EXPLAINER), None)
    assert operator.reconcile(live) == (NAME, "fraud-default-explainer")
    operator.count(NAME)
    operator.report(live, "Available")
    assert waits_for(cluster.rollout(live), "fraud-default-explainer", "not observed")
    operator.count("fraud-default-explainer")
    assert cluster.rollout(live) == SERVING
    # it keeps what it has: another number is nobody's mistake
    operator.apps.patch_namespaced_deployment_scale(
        "fraud-default-explainer", cluster.namespace, {"spec": {"replicas": 2}}
    )
    operator.count("fraud-default-explainer")
    assert cluster.rollout(live) == SERVING


def test_an_explainer_s_own_replicas_are_asked_for(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    live = cluster.apply(manifest(cluster.namespace, replicas=3, explainer=EXPLAINER), None)
    operator.serve(live)
    more = {**EXPLAINER, "replicas": 2}
    second = cluster.apply(manifest(cluster.namespace, replicas=3, explainer=more), live)
    assert waits_for(cluster.rollout(second), "fraud-default-explainer is not scaled from 1 to 2")
    operator.serve(second)
    assert cluster.rollout(second) == SERVING


LONG = "fraud-" + "x" * 70


@pytest.mark.parametrize("spec", [{}, SEPARATE], ids=["together", "apart"])
def test_long_names_end(
    cluster: KubernetesCluster, operator: Operator, spec: Mapping[str, Any]
) -> None:
    """Deployments, labels and all have names like seldon-3cac8bd5f8928cd5c15f40197436dba4."""
    whole = body(cluster.namespace, LONG, uri=V1, replicas=2, explainer=EXPLAINER)
    live = cluster.apply(manifest_of({**whole, "spec": {**whole["spec"], **spec}}), None)
    names = operator.reconcile(live)
    assert all(len(name) == 39 and name.startswith("seldon-") for name in names)
    operator.report(live, "Available")
    for name in names:
        assert waits_for(cluster.rollout(live), "not observed")
        operator.count(name)
    assert cluster.rollout(live) == SERVING
    moved = body(cluster.namespace, LONG, uri=V2, replicas=2, explainer=EXPLAINER)
    second = cluster.apply(manifest_of({**moved, "spec": {**moved["spec"], **spec}}), live)
    assert waits_for(cluster.rollout(second, live), "does not show")
    operator.serve(second)
    assert cluster.rollout(second, live) == SERVING


def test_another_object_s_deployments_prove_nothing(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    first = cluster.apply(manifest(cluster.namespace, uri=V1), None)
    operator.serve(first)
    cluster.delete(first)
    live = cluster.apply(manifest(cluster.namespace, uri=V1), None)
    operator.report(live, "Available")
    assert waits_for(cluster.rollout(live), "no Deployment yet")


def test_a_deployment_that_nobody_controls_is_compared_all_the_same(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    """``kubectl delete --cascade=orphan`` leaves it, and the operator goes on with it."""
    first = cluster.apply(manifest(cluster.namespace, uri=V1), None)
    operator.serve(first)
    orphaned = {"metadata": {"ownerReferences": None}}
    operator.apps.patch_namespaced_deployment(NAME, cluster.namespace, orphaned)
    cluster.delete(first)
    live = cluster.apply(manifest(cluster.namespace, uri=V2), None)
    operator.report(live, "Available")
    assert waits_for(cluster.rollout(live), NAME, "modelUri")


def test_an_object_that_is_deleted_while_it_rolls_out_has_failed(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    live = cluster.apply(manifest(cluster.namespace, uri=V1), None)
    deployments.patch(operator.server, live.key, {"metadata": {"finalizers": ["x.io/hold"]}})
    deployments.delete(operator.server, live.key)
    assert "being deleted" in cluster.rollout(live).message
    deployments.patch(operator.server, live.key, {"metadata": {"finalizers": None}})
    gone = cluster.rollout(live)
    assert gone.failed
    assert "deleted" in gone.message


def test_traffic_alone_ends_and_says_that_nothing_shows_it(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    first = cluster.apply(manifest_of(two(cluster.namespace, 1, 1)), None)
    operator.serve(first)
    whole = two(cluster.namespace, 1, 1, traffic=20)
    whole["spec"]["predictors"][0]["traffic"] = 80
    second = cluster.apply(manifest_of(whole), first)
    rollout = cluster.rollout(second, first)
    assert rollout.serving
    assert (
        "traffic shares changed: its Deployments do not show whether these are in"
        in rollout.message
    )
    assert cluster.rollout(second) == SERVING, "what it was before is not known here"


def test_the_stand_in_writes_quantities_as_kubernetes_does() -> None:
    assert quantity("1024Mi") == "1Gi"
    assert quantity("1000m") == "1"
    assert quantity("0.5") == "500m"
    assert quantity("1500Mi") == "1500Mi"


def stuck(cluster: KubernetesCluster, operator: Operator) -> Any:
    live = cluster.apply(manifest(cluster.namespace, uri=V1), None)
    operator.reconcile(live)
    operator.report(live, "Creating")
    operator.count(NAME, available=0)
    return live


def test_a_quota_in_the_way_is_told(cluster: KubernetesCluster, operator: Operator) -> None:
    live = stuck(cluster, operator)
    told = 'pods "fraud-x" is forbidden: exceeded quota: few, requested: memory=900Gi'
    operator.count(NAME, total=0, updated=0, refused=told)
    assert waits_for(cluster.rollout(live), "0 of 1 new replicas are updated", told, "Creating")


def test_a_deployment_that_cannot_go_on_is_told(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    live = stuck(cluster, operator)
    reason = {"reason": "ReplicaSetCreateError", "message": "replicasets is forbidden: quota"}
    operator.count(NAME, total=0, updated=0)
    conditions = [{"type": "Progressing", "status": "False", **reason}]
    operator.apps.patch_namespaced_deployment_status(
        NAME, cluster.namespace, {"status": {"conditions": conditions}}
    )
    assert waits_for(cluster.rollout(live), "replicasets is forbidden: quota")


UNSCHEDULABLE = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}
BACK_OFF = {"reason": "CrashLoopBackOff", "message": "back-off 5m0s restarting failed container"}
KILLED = {"exitCode": 137, "reason": "OOMKilled"}


def in_state(**state: Any) -> dict[str, Any]:
    """Return a pod's status, of which the container is in this state."""
    last = state.pop("last", {})
    one = {"name": "classifier", "image": "x", "imageID": "", "ready": False, "restartCount": 1}
    return {"containerStatuses": [{**one, "state": state, "lastState": last}]}


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            {"conditions": [{**UNSCHEDULABLE, "message": "0/3 nodes are available"}]},
            "Unschedulable: 0/3 nodes are available",
        ),
        (
            in_state(waiting=BACK_OFF, last={"terminated": KILLED}),
            "container classifier: CrashLoopBackOff: back-off 5m0s restarting failed container; "
            "last: OOMKilled, exit code 137",
        ),
        (
            in_state(waiting={"reason": "ImagePullBackOff", "message": 'pulling image "x:404"'}),
            'container classifier: ImagePullBackOff: pulling image "x:404"',
        ),
        (
            in_state(terminated={**KILLED, "exitCode": 1, "reason": "Error"}),
            "container classifier: Error, exit code 1",
        ),
        (
            in_state(terminated={"exitCode": 1, "message": "Collecting a\nERROR: no package a\n"}),
            "container classifier: ended, exit code 1: ERROR: no package a",
        ),
        (in_state(running={}), "container classifier runs and is not ready"),
        ({"reason": "Evicted", "message": "low on memory"}, "Evicted: low on memory"),
    ],
    ids=["unschedulable", "crashing", "no-image", "ended", "last-line", "not-ready", "evicted"],
)
def test_what_keeps_a_pod_from_running_is_told(
    cluster: KubernetesCluster, operator: Operator, status: Mapping[str, Any], said: str
) -> None:
    live = stuck(cluster, operator)
    told = "0 of 1 updated replicas are available"
    assert waits_for(cluster.rollout(live), told)
    operator.pod(NAME, "fraud-abc", status)
    assert waits_for(cluster.rollout(live), f"{told}: pod fraud-abc: {said}")


def test_nobody_needs_the_right_to_list_pods(
    api_server: ApiServer, cluster: KubernetesCluster, operator: Operator
) -> None:
    live = stuck(cluster, operator)
    operator.pod(NAME, "fraud-abc", in_state(waiting=BACK_OFF))
    rule = {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["list"]}
    token = api_server.user(cluster.namespace, [SELDON_EDIT, rule])
    narrow = connect(cluster.namespace, str(api_server.kubeconfig(token)), None)
    for _ in range(2):
        rollout = narrow.rollout(live)
        assert waits_for(rollout, "0 of 1 updated replicas are available; the operator's state")
