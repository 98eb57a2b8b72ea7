"""Waiting for a rollout, with the Seldon operator played by hand on a real API server."""

from __future__ import annotations

from pathlib import Path

import pytest

from m2s.domain.rollout import Rollout
from m2s.targets.kubernetes.namespace import KubernetesCluster, connect
from tests.kits import deployments
from tests.kits.deployments import body, manifest, manifest_of
from tests.kits.seldon_operator import Operator
from tests.servers import ApiServer

V1, V2 = "s3://models/fraud/1", "s3://models/fraud/10"


@pytest.fixture
def cluster(kubeconfig: Path) -> KubernetesCluster:
    return connect(None, str(kubeconfig), None)


@pytest.fixture
def operator(api_server: ApiServer, cluster: KubernetesCluster) -> Operator:
    return Operator(api_server, cluster)


def waits_for(rollout: Rollout, *said: str) -> bool:
    assert not rollout.serving
    assert not rollout.failed
    assert [part for part in said if part not in rollout.message] == []
    return True


def test_a_first_rollout_from_nothing_to_serving(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    live = cluster.apply(manifest(cluster.namespace, uri=V1), None)
    assert waits_for(cluster.rollout(live), "no Deployment yet", "operator running?")
    operator.report(live, "Creating")
    operator.deploy(live)
    assert waits_for(cluster.rollout(live), "fraud-default-0-classifier", "not observed")
    operator.count(updated=0, total=0, available=0)
    assert waits_for(cluster.rollout(live), "0 of 1 new replicas are updated", "Creating")
    operator.count(available=0)
    assert waits_for(cluster.rollout(live), "0 of 1 updated replicas are available")
    operator.count()
    assert waits_for(cluster.rollout(live), "rolled out", "Creating")
    operator.report(live, "Available")
    assert cluster.rollout(live) == Rollout(serving=True, failed=False, message="")


def test_available_of_the_old_version_is_not_the_new_one_serving(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    first = cluster.apply(manifest(cluster.namespace, uri=V2), None)
    operator.deploy(first, uri=V2)
    operator.count()
    operator.report(first, "Available")
    second = cluster.apply(manifest(cluster.namespace, uri=V1), first)
    # V1 is the beginning of V2
    assert waits_for(cluster.rollout(second), f"no Deployment has model {V1} yet", "Available")
    operator.deploy(second, uri=V1)
    operator.count(observed=False)
    assert waits_for(cluster.rollout(second), "not observed")
    operator.count(total=2, available=2)
    assert waits_for(cluster.rollout(second), "1 old replicas are still there")
    operator.report(second, "Failed", "Operation cannot be fulfilled")
    assert waits_for(cluster.rollout(second), "Failed: Operation cannot be fulfilled")
    operator.count()
    operator.report(second, "Available")
    assert cluster.rollout(second).serving


def test_a_deployment_that_exceeds_its_deadline_has_failed(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    live = cluster.apply(manifest(cluster.namespace, uri=V1), None)
    operator.deploy(live)
    operator.count(available=0, stuck="ReplicaSet fraud-1 has timed out progressing.")
    rollout = cluster.rollout(live)
    assert rollout.failed
    assert "fraud-default-0-classifier" in rollout.message
    assert "has timed out progressing" in rollout.message


def test_an_older_failure_is_not_the_new_version_s(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    first = cluster.apply(manifest(cluster.namespace, uri=V1), None)
    operator.deploy(first)
    operator.count(available=0, stuck="timed out")
    second = cluster.apply(manifest(cluster.namespace, uri=V2), first)
    assert waits_for(cluster.rollout(second), V2)
    operator.deploy(second, uri=V2)
    assert waits_for(cluster.rollout(second), "not observed")


def test_a_custom_container_is_known_by_its_image(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    own = {"spec": {"containers": [{"name": "classifier", "image": "registry.example/fraud:2"}]}}
    live = cluster.apply(manifest(cluster.namespace, uri=V1, componentSpecs=[own]), None)
    operator.report(live, "Available")
    operator.deploy(live, image="registry.example/fraud:1")
    operator.count()
    assert waits_for(cluster.rollout(live), "image registry.example/fraud:2")
    operator.deploy(live, image="registry.example/fraud:2")
    operator.count()
    assert cluster.rollout(live).serving


def test_replicas_must_be_those_that_were_asked_for(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    live = cluster.apply(manifest(cluster.namespace, uri=V1, replicas=2), None)
    operator.report(live, "Available")
    operator.deploy(live)
    operator.count()
    assert waits_for(cluster.rollout(live), "from 1 to 2 replicas")
    operator.deploy(live, replicas=2)
    operator.count(total=2, updated=2, available=2)
    assert cluster.rollout(live).serving


def test_an_autoscaler_s_replicas_are_its_own(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    scaler = {"hpaSpec": {"minReplicas": 1, "maxReplicas": 9}, "spec": {"containers": []}}
    live = cluster.apply(
        manifest(cluster.namespace, uri=V1, replicas=2, componentSpecs=[scaler]), None
    )
    operator.report(live, "Available")
    operator.deploy(live, replicas=5)
    operator.count(total=5, updated=5, available=5)
    assert cluster.rollout(live).serving


def test_nothing_to_run_is_rolled_out_at_once(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    live = cluster.apply(manifest(cluster.namespace, uri=V1, replicas=0), None)
    operator.report(live, "Creating")
    operator.deploy(live, replicas=0)
    operator.count(total=0, updated=0, available=0)
    assert cluster.rollout(live).serving


def test_a_canary_s_deployment_must_serve_and_an_abandoned_one_must_go(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    whole = body(cluster.namespace, uri=V1)
    canary = {**whole["spec"]["predictors"][0], "name": "canary"}
    canary["graph"] = {**canary["graph"], "modelUri": V2}
    both = {**whole, "spec": {"predictors": [*whole["spec"]["predictors"], canary]}}
    live = cluster.apply(manifest_of(both), None)
    operator.report(live, "Available")
    operator.deploy(live)
    operator.count()
    assert waits_for(cluster.rollout(live), "predictor canary", V2)
    operator.deploy(live, "seldon-0123456789abcdef", uri=V2, predictor="canary")
    operator.count("seldon-0123456789abcdef")
    assert cluster.rollout(live).serving
    alone = cluster.apply(manifest_of(whole), live)
    assert waits_for(cluster.rollout(alone), "seldon-0123456789abcdef still has model")
    operator.remove("seldon-0123456789abcdef")
    assert cluster.rollout(alone).serving


def test_an_executor_in_a_pod_of_its_own_counts(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    live = cluster.apply(manifest(cluster.namespace, uri=V1), None)
    operator.report(live, "Available")
    operator.deploy(live, engine=False)
    operator.count()
    operator.deploy(live, "fraud-default-svc-orch", seldon_id="fraud-default")
    assert waits_for(cluster.rollout(live), "fraud-default-svc-orch")
    operator.count("fraud-default-svc-orch")
    assert cluster.rollout(live).serving


def test_another_object_s_deployments_prove_nothing(
    cluster: KubernetesCluster, operator: Operator
) -> None:
    live = cluster.apply(manifest(cluster.namespace, uri=V1), None)
    operator.report(live, "Available")
    operator.deploy(live, owner="00000000-0000-0000-0000-000000000000")
    operator.count()
    assert waits_for(cluster.rollout(live), "no Deployment yet")


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


def test_a_long_name_finds_its_deployments(cluster: KubernetesCluster, operator: Operator) -> None:
    name = "fraud-" + "x" * 70
    live = cluster.apply(manifest(cluster.namespace, name, uri=V1), None)
    operator.report(live, "Available")
    # md5 of the name: seldondeployment_types.go
    operator.deploy(live, "seldon-1", seldon_id="seldon-3cac8bd5f8928cd5c15f40197436dba4")
    operator.count("seldon-1")
    assert cluster.rollout(live).serving
