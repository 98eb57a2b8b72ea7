"""The chart's objects on a real API server: admitted, restricted, side by side."""

from __future__ import annotations

import contextlib
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kits.chart_kit import CHART, VALUES_FILES, Helm, Release, create, path_of
from tests.servers import ApiServer, wait_for

_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
GIT_SYNC = CHART.parents[1] / "examples" / "git-sync-values.yaml"
_MONITORS = Path(__file__).parents[1] / "data" / "servicemonitors-crd.yaml"


@pytest.fixture(scope="module")
def monitored(api_server: ApiServer) -> ApiServer:
    """The API server with a stand-in for the Prometheus operator's CRD."""
    api_server.call("POST", _CRDS, yaml.safe_load(_MONITORS.read_text()))
    wait_for(lambda: _serves_monitors(api_server), "ServiceMonitors to be served")
    return api_server


def _serves_monitors(server: ApiServer) -> bool:
    with contextlib.suppress(urllib.error.HTTPError):
        server.call("GET", "/apis/monitoring.coreos.com/v1/servicemonitors?limit=1")
        return True
    return False


def moved(release: Release, namespaces: dict[str, str]) -> Release:
    """Return the release with its namespaces renamed to those of a test."""
    bodies = [
        {**body, "metadata": {**body["metadata"], "namespace": namespaces[_namespace(body)]}}
        for body in release.objects
    ]
    for body in bodies:
        for subject in body.get("subjects", ()):
            subject["namespace"] = namespaces[subject["namespace"]]
    return Release(tuple(bodies))


def _namespace(body: dict[str, Any]) -> str:
    return str(body["metadata"]["namespace"])


@pytest.mark.parametrize("values", [*VALUES_FILES, GIT_SYNC], ids=lambda file: file.stem)
def test_the_server_takes_every_object(helm: Helm, monitored: ApiServer, values: Path) -> None:
    release = helm.template(values, namespace="m2s")
    places = {_namespace(body) for body in release.objects}
    release = moved(release, {place: monitored.namespace() for place in places})
    for body in release.objects:
        made = create(monitored, body, dry_run=True)
        assert made["metadata"]["uid"], body["kind"]


def test_the_server_would_notice_a_misspelt_field(helm: Helm, monitored: ApiServer) -> None:
    release = helm.template(VALUES_FILES[1], namespace=monitored.namespace())
    for kind in ("Deployment", "NetworkPolicy", "ServiceMonitor", "PodDisruptionBudget"):
        body = release.one(kind)
        with pytest.raises(urllib.error.HTTPError):
            create(monitored, {**body, "spec": {**body["spec"], "oops": 1}}, dry_run=True)


@pytest.fixture
def restricted(api_server: ApiServer) -> str:
    """A namespace that admits only what the restricted Pod Security Standard allows."""
    name = api_server.namespace("restricted")
    path = f"/api/v1/namespaces/{name}"
    body = api_server.call("GET", path)
    body["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = "restricted"
    api_server.call("PUT", path, body)
    return name


def admit(server: ApiServer, release: Release, namespace: str) -> None:
    """Ask whether the release's Pod would be let in; its ServiceAccount must be there."""
    pod = release.pod
    account = {"name": pod["spec"]["serviceAccountName"], "namespace": namespace}
    body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": account}
    with contextlib.suppress(urllib.error.HTTPError):
        create(server, body)
    pod["spec"].pop("priorityClassName", None)  # a class's admission, not Pod Security's
    create(server, {**pod, "metadata": {**pod["metadata"], "namespace": namespace}}, dry_run=True)


@pytest.mark.parametrize("values", [*VALUES_FILES, GIT_SYNC], ids=lambda file: file.stem)
def test_restricted_pod_security_lets_the_pod_in(
    helm: Helm, api_server: ApiServer, restricted: str, values: Path
) -> None:
    admit(api_server, helm.template(values, namespace=restricted), restricted)


@pytest.mark.parametrize(
    "loosened",
    [
        "podSecurityContext.runAsNonRoot=false",
        "podSecurityContext.seccompProfile.type=Unconfined",
        "securityContext.allowPrivilegeEscalation=true",
        "securityContext.capabilities.drop=null",
    ],
)
def test_restricted_pod_security_is_on(
    helm: Helm, api_server: ApiServer, restricted: str, loosened: str
) -> None:
    with pytest.raises(urllib.error.HTTPError) as refused:
        admit(api_server, helm.template(None, loosened, namespace=restricted), restricted)
    assert 'violates PodSecurity \\"restricted' in refused.value.read().decode()


def test_the_file_system_can_be_read_only(helm: Helm) -> None:
    container = helm.template().container
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    writable = [m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")]
    assert writable == ["/tmp"]


@pytest.mark.parametrize(
    ("names", "homes", "served"),
    [
        (("m2s-staging", "m2s-production"), (0, 0), (1, 1)),
        (("m2s-staging", "m2s-production"), (0, 0), (1, 2)),
        (("m2s-staging", "m2s-production"), (0, 1), (0, 1)),
        (("m2s", "m2s"), (0, 1), (2, 2)),
    ],
    ids=["all in one", "a namespace per stage", "each at home", "of one name"],
)
def test_two_releases_live_side_by_side(
    helm: Helm,
    api_server: ApiServer,
    names: tuple[str, str],
    homes: tuple[int, int],
    served: tuple[int, int],
) -> None:
    spaces = [api_server.namespace() for _ in range(3)]
    releases = []
    for stage, name, home, models in zip(
        ("Staging", "Production"), names, homes, served, strict=True
    ):
        sets = (f"mlflow.stage={stage}", f"mlflow.namespace={spaces[models]}")
        releases.append(helm.template(None, *sets, name=name, namespace=spaces[home]))
        for body in releases[-1].objects:
            create(api_server, body)  # the server refuses a name that is taken
    one, other = (release.one("Service")["spec"]["selector"] for release in releases)
    pods = [release.pod["metadata"]["labels"] for release in releases]
    if homes[0] == homes[1]:
        assert not one.items() <= pods[1].items()
        assert not other.items() <= pods[0].items()


def test_the_notes_say_what_was_installed(helm: Helm, api_server: ApiServer) -> None:
    kubeconfig = str(api_server.kubeconfig())
    sets = "mlflow.cloud=azure_blob,mlflow.namespace=models,policy=upsert-only"
    argv = ("--kubeconfig", kubeconfig, "--namespace", "tools", "--set", sets)
    notes = helm("install", "m2s", str(CHART), "--dry-run=client", *argv).stdout
    notes = notes.partition("NOTES:")[2]
    assert "m2s makes the namespace models serve stage Production of http://mlflow-service" in notes
    assert "mlflow.cloud (azure_blob) is ignored" in notes
    assert "Nothing is deleted: policy is upsert-only" in notes
    assert "kubectl -n tools logs deployment/m2s -f" in notes


def test_paths_are_what_the_server_lists(api_server: ApiServer, helm: Helm) -> None:
    for body in helm.template(namespace=api_server.namespace()).objects:
        assert api_server.call("GET", path_of(body))["kind"].startswith(body["kind"])
