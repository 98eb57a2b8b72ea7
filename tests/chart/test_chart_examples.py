"""The examples, and `make helm_deploy` and `helm_delete` against a real API server."""

from __future__ import annotations

import os
import pty
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kits.chart_kit import Helm
from tests.kits.worlds import Namespace
from tests.servers import ApiServer

ROOT = Path(__file__).parents[2]
ARGO = sorted((ROOT / "examples" / "argo-manifest").glob("*.yaml"))
FLUX = ROOT / "examples" / "flux"


def documents(file: Path) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(file.read_text()))


def test_there_is_an_application_per_stage(helm: Helm) -> None:
    applications = [body for file in ARGO for body in documents(file)]
    stages = []
    for body in applications:
        assert (body["apiVersion"], body["kind"]) == ("argoproj.io/v1alpha1", "Application")
        source, destination = body["spec"]["source"], body["spec"]["destination"]
        assert (ROOT / source["path"] / "Chart.yaml").is_file()
        release = helm.template(
            source["helm"]["valuesObject"],
            name=source["helm"]["releaseName"],
            namespace=destination["namespace"],
        )
        stages += release.settings["stage"]
    assert sorted(stages) == ["Production", "Staging"]


@pytest.mark.parametrize("file", ["staging.yaml", "production.yaml"])
def test_flux_releases_render(helm: Helm, file: str) -> None:
    (body,) = documents(FLUX / file)
    assert (body["apiVersion"], body["kind"]) == ("helm.toolkit.fluxcd.io/v2", "HelmRelease")
    assert (ROOT / body["spec"]["chart"]["spec"]["chart"] / "Chart.yaml").is_file()
    release = helm.template(body["spec"]["values"], name=body["metadata"]["name"])
    assert release.settings["stage"][0].lower() == Path(file).stem


def test_the_kustomization_has_every_release() -> None:
    (listed,) = documents(FLUX / "kustomization.yaml")
    bodies = [body for name in listed["resources"] for body in documents(FLUX / name)]
    sources = {
        (body["kind"], body["metadata"]["name"]) for body in bodies if body["kind"] != "HelmRelease"
    }
    releases = [body for body in bodies if body["kind"] == "HelmRelease"]
    assert len(releases) == 2
    for body in releases:
        wanted = body["spec"]["chart"]["spec"]["sourceRef"]
        assert (wanted["kind"], wanted["name"]) in sources


Make = Callable[..., subprocess.CompletedProcess[str]]
SET = {
    "MLFLOW_TRACKING_URI": "http://mlflow:5000",
    "M2S_STAGE": "Staging",
    "M2S_IMAGE": "registry:5000/m2s:1.2",
}


@pytest.fixture
def make(helm: Helm, api_server: ApiServer) -> Make:
    """`make TARGET` as a user runs it, with the cluster's kubeconfig."""
    if not shutil.which("kubectl"):
        pytest.skip("no kubectl on PATH")
    environ = {"KUBECONFIG": str(api_server.kubeconfig()), "HELM": str(helm.program)}

    def run(target: str, /, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["make", "--no-print-directory", target],
            cwd=ROOT,
            env={**os.environ, **environ, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    return run


def installed(server: ApiServer, namespace: str, name: str = "m2s-staging") -> Any:
    """Return the release's Deployment, None where there is none."""
    items = server.call("GET", f"/apis/apps/v1/namespaces/{namespace}/deployments")["items"]
    return next((item for item in items if item["metadata"]["name"] == name), None)


@pytest.mark.thorough
def test_deploy_upgrade_and_delete(make: Make, api_server: ApiServer) -> None:
    system, models = f"{api_server.namespace()}-new", api_server.namespace()
    given = {**SET, "M2S_NAMESPACE": models, "M2S_RELEASE_NAMESPACE": system}
    done = make("helm_deploy", **given)
    assert done.returncode == 0, done.stderr
    assert "cluster: the context test" in done.stderr
    (container,) = installed(api_server, system)["spec"]["template"]["spec"]["containers"]
    assert container["image"] == "registry:5000/m2s:1.2"

    mapped = {"M2S_MODEL_URI_MAP": "s3://lake/team=a/=s3://b/m", "HELM_ARGS": "--set interval=1m"}
    done = make("helm_deploy", **given, **mapped, M2S_WORKSPACE="team-a")
    assert done.returncode == 0, done.stderr
    path = f"/api/v1/namespaces/{system}/configmaps/m2s-staging"
    config = yaml.safe_load(api_server.call("GET", path)["data"]["m2s.yaml"])
    assert config["model-uri-map"] == {"s3://lake/team=a/": "s3://b/m"}
    assert config["interval"] == "1m"
    assert config["workspace"] == "team-a"

    Namespace(api_server, models).create(
        {
            "apiVersion": "machinelearning.seldon.io/v1",
            "kind": "SeldonDeployment",
            "metadata": {"name": "served"},
            "spec": {"predictors": [{"name": "default", "graph": {"name": "model"}}]},
        }
    )
    done = make("helm_delete", M2S_STAGE="Staging", M2S_RELEASE_NAMESPACE=system)
    assert done.returncode == 0, done.stderr
    assert installed(api_server, system) is None
    assert set(Namespace(api_server, models).all()) == {"served"}
    assert "what m2s deployed keeps serving" in done.stderr


def test_the_variables_of_mlflow2seldon_are_enough(make: Make, api_server: ApiServer) -> None:
    system = api_server.namespace()
    older = {
        "M2S_MLFLOW_HOST": "mlflow--me.jobs.one.org.neu.ro",
        "M2S_MLFLOW_STORAGE_ROOT": "storage:project/mlruns",
        "M2S_SELDON_NEURO_DEF_IMAGE": "image:project/seldon:v1",
        "M2S_SRC_NEURO_CLUSTER": "one",
    }
    where = {"M2S_SELDON_DEPLOYMENT_NS": api_server.namespace(), "M2S_RELEASE_NAMESPACE": system}
    done = make("helm_deploy", **older, **where, M2S_STAGE="Staging", M2S_IMAGE="m2s")
    assert done.returncode == 0, done.stderr
    (container,) = installed(api_server, system)["spec"]["template"]["spec"]["containers"]
    env = {item["name"]: item["value"] for item in container["env"]}
    host = "https://mlflow--me.jobs.one.org.neu.ro"
    assert env == {"MLFLOW_TRACKING_URI": host, **older, "M2S_MLFLOW_HOST": host}


@pytest.mark.thorough
def test_delete_takes_the_namespace_only_when_told(make: Make, api_server: ApiServer) -> None:
    models = api_server.namespace()
    given = {"M2S_RELEASE_NAMESPACE": api_server.namespace()}
    assert make("helm_deploy", **SET, **given, M2S_NAMESPACE=models).returncode == 0
    done = make("helm_delete", **given, M2S_STAGE="Staging", M2S_DELETE_NAMESPACE=models)
    assert done.returncode == 0, done.stderr
    path = f"/api/v1/namespaces/{models}"
    assert api_server.call("GET", path)["status"]["phase"] == "Terminating"


@pytest.mark.parametrize("missing", ["MLFLOW_TRACKING_URI", "M2S_STAGE", "M2S_IMAGE"])
def test_without_a_terminal_what_is_missing_is_named(make: Make, missing: str) -> None:
    given = {**SET, "M2S_NAMESPACE": "models"}
    del given[missing]
    done = make("helm_deploy", **given)
    assert done.returncode != 0
    assert f"Error: {missing} is not set" in done.stderr


@pytest.mark.parametrize("program", ["HELM", "KUBECTL"])
def test_a_program_that_is_not_there_is_named(make: Make, program: str) -> None:
    done = make("helm_deploy", **{program: "not-there"})
    assert done.returncode != 0
    assert "Error: not-there is not on PATH: see https://" in done.stderr
    assert f"or set {program} to the program" in done.stderr


def test_a_wrong_value_names_the_variable(make: Make, api_server: ApiServer) -> None:
    given = {**SET, "M2S_NAMESPACE": api_server.namespace()}
    given["M2S_RELEASE_NAMESPACE"] = given["M2S_NAMESPACE"]
    done = make("helm_deploy", **given, M2S_MODEL_URI_MAP="nonsense")
    assert "Error: M2S_MODEL_URI_MAP wants FROM=TO, not nonsense" in done.stderr
    done = make("helm_deploy", **{**given, "M2S_STAGE": "Prod"})
    assert "at '/mlflow/stage': value must be one of" in done.stderr


def test_a_wrong_answer_and_a_dry_run_touch_nothing(make: Make, api_server: ApiServer) -> None:
    system, models = f"{api_server.namespace()}-new", f"{api_server.namespace()}-new"
    given = {**SET, "M2S_NAMESPACE": models, "M2S_RELEASE_NAMESPACE": system}
    wrong = make("helm_deploy", **{**given, "M2S_STAGE": "Prod"})
    assert wrong.returncode != 0
    dry = make("helm_deploy", **given, DRY_RUN="1")
    assert dry.returncode == 0, dry.stderr
    assert f"cluster: the context test at {api_server.url}" in dry.stderr
    assert f"would install or upgrade m2s-staging in the namespace {system}" in dry.stderr
    there = api_server.call("GET", "/api/v1/namespaces")["items"]
    assert {system, models}.isdisjoint(one["metadata"]["name"] for one in there)


@pytest.mark.thorough
def test_on_a_terminal_it_asks(make: Make, helm: Helm, api_server: ApiServer) -> None:
    system, models = api_server.namespace(), api_server.namespace()
    environ = {
        "KUBECONFIG": str(api_server.kubeconfig()),
        "HELM": str(helm.program),
        "M2S_RELEASE_NAMESPACE": system,
    }
    ours, theirs = pty.openpty()
    try:
        answers = ["http://mlflow:5000", "Staging", models, "m2s:1", "", "", "y"]
        os.write(ours, "".join(f"{answer}\n" for answer in answers).encode())
        done = subprocess.run(
            ["make", "--no-print-directory", "helm_deploy"],
            cwd=ROOT,
            env={**os.environ, **environ},
            stdin=theirs,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.returncode == 0, done.stderr
    assert "stage to serve (Staging, Production): " in done.stderr
    assert installed(api_server, system)["metadata"]["labels"]["app.kubernetes.io/name"] == "m2s"
