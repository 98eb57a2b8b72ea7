"""The Kubernetes edge on a real API server with Seldon's CRD."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kubernetes import client

from m2s.base.errors import ClusterError, Conflict, Rejected
from m2s.domain.deployments import LiveDeployment
from m2s.domain.versions import Key
from m2s.objects.body import comparable, digest
from m2s.targets.kubernetes.namespace import KubernetesCluster, connect
from tests.kits import deployments
from tests.kits.deployments import CONTAINER, body, manifest, manifest_of, uri_of
from tests.servers import ApiServer, wait_for
from tests.servers.apiserver import SELDON_EDIT, Rule


@pytest.fixture
def cluster(kubeconfig: Path) -> KubernetesCluster:
    return connect(None, str(kubeconfig), None)


@pytest.fixture
def live(cluster: KubernetesCluster) -> LiveDeployment:
    return cluster.apply(manifest(cluster.namespace), None)


def as_user(server: ApiServer, namespace: str, *rules: Rule) -> KubernetesCluster:
    return connect(namespace, str(server.kubeconfig(server.user(namespace, rules))), None)


def test_what_the_crd_fills_in_is_no_change(cluster: KubernetesCluster) -> None:
    container = {**CONTAINER, "ports": [{"containerPort": 9000}]}
    wanted = manifest(cluster.namespace, componentSpecs=[{"spec": {"containers": [container]}}])
    live = cluster.apply(wanted, None)
    spec = live.body["spec"]["predictors"][0]["componentSpecs"][0]["spec"]
    assert spec["containers"][0]["ports"] == [{"containerPort": 9000, "protocol": "TCP"}]
    assert digest(comparable(cluster.preview(wanted, live))) == live.digest
    assert cluster.apply(wanted, live).resource_version == live.resource_version


def test_a_drifted_field_is_taken_back(
    api_server: ApiServer, cluster: KubernetesCluster, live: LiveDeployment
) -> None:
    drifted = body(cluster.namespace, uri="s3://drifted")["spec"]
    deployments.patch(api_server, live.key, {"spec": drifted})
    now = cluster.get(live.key)
    assert now is not None
    wanted = manifest(cluster.namespace)
    assert uri_of(cluster.preview(wanted, now)) == "s3://models/fraud/1"
    taken_back = cluster.apply(wanted, now)
    assert uri_of(taken_back) == "s3://models/fraud/1"
    assert [entry["manager"] for entry in taken_back.managed_fields] == ["m2s"]


def test_without_force_a_conflict_names_manager_field_and_remedy(
    api_server: ApiServer, kubeconfig: Path, live: LiveDeployment
) -> None:
    drifted = body(live.key.namespace, uri="s3://drifted")["spec"]
    deployments.patch(api_server, live.key, {"spec": drifted})
    polite = connect(None, str(kubeconfig), None, force_conflicts=False)
    now = polite.get(live.key)
    assert now is not None
    for write in (polite.preview, polite.apply):
        with pytest.raises(Conflict) as refused:
            write(manifest(live.key.namespace), now)
        assert "kubectl-patch owns .spec.predictors" in str(refused.value)
        assert "--no-force-conflicts" in str(refused.value)
    assert polite.get(live.key) == now


def test_fields_of_others_that_we_never_said_stay(
    api_server: ApiServer, cluster: KubernetesCluster, live: LiveDeployment
) -> None:
    deployments.patch(api_server, live.key, {"spec": {"replicas": 3}}, manager="autoscaler")
    now = cluster.get(live.key)
    updated = cluster.apply(manifest(cluster.namespace, uri="s3://models/fraud/2"), now)
    assert updated.body["spec"]["replicas"] == 3
    assert uri_of(updated) == "s3://models/fraud/2"


def test_a_mere_status_update_is_no_conflict(
    api_server: ApiServer, cluster: KubernetesCluster, live: LiveDeployment
) -> None:
    deployments.patch(api_server, live.key, {"status": {"state": "Creating"}}, status=True)
    updated = cluster.apply(manifest(cluster.namespace, uri="s3://models/fraud/2"), live)
    assert uri_of(updated) == "s3://models/fraud/2"
    deployments.patch(api_server, live.key, {"status": {"state": "Available"}}, status=True)
    cluster.delete(updated)
    assert cluster.get(live.key) is None


def test_an_object_created_anew_is_another_object(
    api_server: ApiServer, cluster: KubernetesCluster, live: LiveDeployment
) -> None:
    deployments.delete(api_server, live.key)
    cluster.apply(manifest(cluster.namespace), None)
    with pytest.raises(Conflict, match="created anew since the plan"):
        cluster.apply(manifest(cluster.namespace, uri="s3://models/fraud/2"), live)
    with pytest.raises(Conflict, match="created anew since the plan"):
        cluster.delete(live)
    assert len(cluster.list()) == 1


@pytest.mark.parametrize("name", ["fraud", "new"])
def test_a_typo_is_rejected_with_its_path(cluster: KubernetesCluster, name: str) -> None:
    live = cluster.apply(manifest(cluster.namespace), None)
    typo = body(cluster.namespace, name)
    typo["spec"]["predictors"][0]["graph"]["modelURI"] = "s3://x"
    with pytest.raises(Rejected) as refused:
        cluster.preview(manifest_of(typo), live if name == "fraud" else None)
    assert str(refused.value) == ".spec.predictors[0].graph.modelURI: field not declared in schema"


def test_a_wrong_type_is_rejected_with_its_path(cluster: KubernetesCluster) -> None:
    with pytest.raises(Rejected) as refused:
        cluster.preview(manifest(cluster.namespace, replicas="two"), None)
    assert str(refused.value).startswith(".spec.predictors[0].replicas: expected numeric")


def test_missing_fields_are_rejected_with_every_path(cluster: KubernetesCluster) -> None:
    lacking = body(cluster.namespace)
    lacking["spec"]["predictors"] = [{"replicas": 1}]
    with pytest.raises(Rejected) as refused:
        cluster.preview(manifest_of(lacking), None)
    assert "spec.predictors[0].graph: Required value" in str(refused.value)
    assert "spec.predictors[0].name: Required value" in str(refused.value)


def test_too_large_an_object_is_rejected(cluster: KubernetesCluster) -> None:
    with pytest.raises(Rejected, match="limit is 3145728"):
        cluster.preview(manifest(cluster.namespace, uri="s3://" + "x" * 4_000_000), None)


def test_without_permission_the_error_names_user_verb_resource_and_namespace(
    api_server: ApiServer, cluster: KubernetesCluster, live: LiveDeployment
) -> None:
    reader = as_user(api_server, cluster.namespace, {**SELDON_EDIT, "verbs": ["get", "list"]})
    assert reader.list() == (live,)
    wanted = manifest(cluster.namespace, uri="s3://models/fraud/2")
    attempts: dict[str, Callable[[], object]] = {
        "patch": lambda: reader.apply(wanted, live),
        "delete": lambda: reader.delete(live),
    }
    for verb, attempt in attempts.items():
        with pytest.raises(ClusterError) as refused:
            attempt()
        assert type(refused.value) is ClusterError
        said = f"may not {verb} seldondeployments in namespace {cluster.namespace}"
        assert said in str(refused.value)
        assert f"user system:serviceaccount:{cluster.namespace}:" in str(refused.value)
        assert "Role" in str(refused.value)


def test_not_even_reading_is_an_error_not_an_empty_cluster(
    api_server: ApiServer, cluster: KubernetesCluster, live: LiveDeployment
) -> None:
    nobody = as_user(api_server, cluster.namespace)
    with pytest.raises(ClusterError, match="may not list seldondeployments"):
        nobody.list()
    with pytest.raises(ClusterError, match="may not get seldondeployments"):
        nobody.get(live.key)


def test_an_empty_namespace_needs_no_right_to_read_namespaces(api_server: ApiServer) -> None:
    namespace = api_server.namespace()
    assert as_user(api_server, namespace, SELDON_EDIT).list() == ()


def test_a_rollout_needs_deployments_to_be_readable(
    api_server: ApiServer, cluster: KubernetesCluster
) -> None:
    cluster.check_rollout_access()
    with pytest.raises(ClusterError, match="may not list deployments"):
        as_user(api_server, cluster.namespace, SELDON_EDIT).check_rollout_access()


def test_a_namespace_that_does_not_exist_is_named(kubeconfig: Path) -> None:
    lost = connect("nowhere", str(kubeconfig), None)
    wanted = manifest("nowhere")
    for attempt in (
        lost.list,
        lambda: lost.preview(wanted, None),
        lambda: lost.apply(wanted, None),
    ):
        with pytest.raises(ClusterError, match="namespace nowhere does not exist") as refused:
            attempt()
        assert type(refused.value) is ClusterError
        assert "--namespace" in str(refused.value)


def test_credentials_that_are_not_accepted(api_server: ApiServer, namespace: str) -> None:
    stranger = connect(namespace, str(api_server.kubeconfig("wrong-token-1234")), None)
    with pytest.raises(ClusterError, match="401 Unauthorized") as refused:
        stranger.list()
    assert "wrong-token-1234" not in str(refused.value)


@pytest.mark.thorough
def test_all_of_1200_objects_over_pages(api_server: ApiServer, cluster: KubernetesCluster) -> None:
    names = [f"m{number:04}" for number in range(1200)]
    bodies = [body(cluster.namespace, name) for name in names]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda whole: deployments.create(api_server, whole), bodies))
    assert [live.key.name for live in cluster.list()] == names


@pytest.mark.thorough
def test_a_cluster_without_seldon_core(own_api_server: ApiServer) -> None:
    crds: Any = client.ApiextensionsV1Api(own_api_server.admin)
    crds.delete_custom_resource_definition("seldondeployments.machinelearning.seldon.io")
    cluster = connect("default", str(own_api_server.kubeconfig()), None)

    def refusal() -> Exception | None:
        try:
            cluster.list()
        except ClusterError as error:
            return error
        return None

    assert "install Seldon Core v1" in str(wait_for(refusal, "the CRD to be gone"))
    attempts = (
        lambda: cluster.get(Key("default", "fraud")),
        lambda: cluster.preview(manifest("default"), None),
    )
    for attempt in attempts:
        with pytest.raises(ClusterError, match="install Seldon Core v1"):
            attempt()
