"""docs/migrating.md, row by row: what is written there is what m2s does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from m2s.domain.deployments import LiveDeployment
from m2s.engine.reconcile import make_plan
from m2s.plan.changes import Create, Update
from m2s.settings import build, options
from m2s.settings.groups import Settings
from m2s.sources.templates import TemplateFolder
from m2s.targets.folder.namespace import FolderCluster
from tests.kits.chart_kit import CHART
from tests.kits.fakes import FakeRegistry
from tests.kits.support import description, m2s, seldon

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "migrating.md").read_text()
EXAMPLE = ROOT / "examples" / "neuro-init-container.yaml"
VALUES = yaml.safe_load((CHART / "values.yaml").read_text())
TEMPLATES = "".join(
    file.read_text() for file in (CHART / "templates").iterdir() if file.name != "NOTES.txt"
)
JOB = "https://mlflow--user.jobs.cluster.org.neu.ro"
NEURO = {
    "M2S_MLFLOW_HOST": JOB,
    "M2S_MLFLOW_STORAGE_ROOT": "storage:myproject/mlruns",
    "M2S_SELDON_NEURO_DEF_IMAGE": "image:myproject/seldon:v1",
    "M2S_SRC_NEURO_CLUSTER": "demo_cluster",
    "M2S_SELDON_DEPLOYMENT_NS": "seldon",
    "M2S_NEURO_REGISTRY_SECRET": "neuro-registry",
}


def rows() -> list[tuple[str, str, str]]:
    """Return the section, theirs and ours of each row of each table."""
    found, section = [], ""
    for line in DOCUMENT.splitlines():
        if line.startswith("#"):
            section = line.lstrip("# ")
        cells = [cell.strip() for cell in line.strip("|").split(" | ")]
        heading = cells[0].startswith(("---", "mlflow"))
        if line.startswith("|") and not heading:
            found.append((section, cells[0], cells[1].rstrip("| ")))
    return found


@dataclass
class Bench:
    """A registry and a folder, for plans without a server."""

    registry: FakeRegistry
    folder: Path

    def planned(
        self, environ: Mapping[str, str] | None = None, config: Path | None = None, **flags: Any
    ) -> dict[str, Any]:
        """Return the planned objects by name."""
        chosen = self.settings(environ, config, **flags)
        cluster = FolderCluster(self.folder, chosen.namespace or "default")
        changes = make_plan(self.registry, cluster, chosen).changes
        assert all(isinstance(change, Create | Update) for change in changes), changes
        return {
            change.key.name: dict(change.merged)
            for change in changes
            if isinstance(change, Create | Update)
        }

    def settings(
        self, environ: Mapping[str, str] | None = None, config: Path | None = None, **flags: Any
    ) -> Settings:
        """Return the settings; the stage is Staging unless something says otherwise."""
        given = {name.replace("_", "-"): value for name, value in flags.items()}
        if config is None and not {"stage", "M2S_STAGE"} & {*given, *(environ or {})}:
            given["stage"] = ["Staging"]
        return build.build(given, environ or {}, str(config) if config else None)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.chdir(tmp_path)
    return Bench(FakeRegistry(), tmp_path / "cluster")


Check = Callable[[Bench], None]
CHECKS: dict[tuple[str, str], Check] = {}


def row(section: str, *theirs: str) -> Callable[[Check], Check]:
    def add(check: Check) -> Check:
        for each in theirs:
            CHECKS[section, each] = check
        return check

    return add


@pytest.mark.parametrize(("section", "theirs", "ours"), rows(), ids=lambda cell: cell[:40])
def test_each_row_is_so(section: str, theirs: str, ours: str, bench: Bench) -> None:
    assert ours
    assert (section, theirs) in CHECKS, "this row has no check: write one"
    CHECKS[section, theirs](bench)


def test_each_check_has_its_row() -> None:
    assert set(CHECKS) == {(section, theirs) for section, theirs, _ in rows()}


# ------------------------------------------------------------- mlflow-deployment-controller

CHART_VALUES = "Values of its chart"
SAME = (
    "mlflow.MLFLOW_TRACKING_URI", "mlflow.stage", "mlflow.namespace", "envFromSecret",
    "replicaCount", "image.repository", "image.tag", "image.pullPolicy", "imagePullSecrets",
    "nameOverride", "fullnameOverride", "serviceAccount.create", "serviceAccount.annotations",
    "serviceAccount.name", "podAnnotations", "podSecurityContext", "securityContext", "resources",
    "nodeSelector", "tolerations", "affinity",
)  # fmt: skip


def _value(path: str) -> Any:
    node = VALUES
    for step in path.split("."):
        assert step in node, path
        node = node[step]
    return node


def _same_value(path: str) -> Check:
    def check(_: Bench) -> None:
        _value(path)
        assert re.search(rf"\.Values\.{re.escape(path)}\b", TEMPLATES), f"{path} is not used"

    return check


for _path in SAME:
    row(CHART_VALUES, f"`{_path}`")(_same_value(_path))


@row(CHART_VALUES, "`mlflow.cloud`")
def _cloud(_: Bench) -> None:
    assert _value("mlflow.cloud") == ""
    assert not re.search(r"\.Values\.mlflow\.cloud\b", TEMPLATES)


@row(CHART_VALUES, "`mlflow.backend`")
@row("Environment variables of its container", "`cloud`", "`backend`")
def _each_cloud_without_a_switch(bench: Bench) -> None:
    stores = {
        "s3": "s3://bucket/m",
        "gcs": "gs://bucket/m",
        "blob": "wasbs://models@account.blob.core.windows.net/m",
    }
    for name, uri in stores.items():
        bench.registry.add(name, description(name), source=uri)
    environ = {"backend": "blob", "cloud": "azure_blob"}
    found = {name: uri_of(body) for name, body in bench.planned(environ).items()}
    assert found == {**stores, "blob": "azureblob://models/m"}


@row(CHART_VALUES, "`mlserver`")
def _server(_: Bench) -> None:
    assert _value("mlserver") == ""
    assert ".Values.mlserver" in TEMPLATES + (CHART / "templates" / "_helpers.tpl").read_text()


@row("Environment variables of its container", "`ML_SERVER`")
def _server_by_variable(bench: Bench) -> None:
    assert bench.settings({"M2S_PLATFORM": "kserve"}).platform == "kserve"
    assert bench.settings({"ML_SERVER": "kserve"}) == bench.settings()


@row(CHART_VALUES, "`mlflow.enabled`")
@row("Environment variables of its container", "`LOG_LEVEL`")
def _left_out(bench: Bench) -> None:
    assert "enabled" not in VALUES["mlflow"]
    plain = bench.settings()
    assert bench.settings({"LOG_LEVEL": "DEBUG"}) == plain
    assert bench.settings({"M2S_LOG_FORMAT": "json"}).log_format == "json"


GIT = ("repository", "BRANCH", "protocol", "gitUser", "gitPasswordSecretName")


@row(CHART_VALUES, *(f"`gitops.{name}`" for name in (*GIT, "gitPasswordSecretKey")))
@row(
    "Environment variables of its container",
    "`GIT_REPO`", "`GIT_USER`", "`GIT_PASSWORD`", "`BRANCH`",
)  # fmt: skip
def _a_checkout_is_mounted(bench: Bench) -> None:
    for name in ("extraVolumes", "extraVolumeMounts", "extraInitContainers", "extraContainers"):
        assert _value(name) == []
    environ = dict.fromkeys(("GIT_REPO", "GIT_USER", "GIT_PASSWORD", "BRANCH"), "x")
    assert bench.settings(environ) == bench.settings()


@row(CHART_VALUES, "`gitops.enabled`", "`gitops.deploymentLocation`")
@row("Environment variables of its container", "`GITOPS_ENABLED`", "`MANIFEST_LOCATION`")
def _templates_are_a_folder(bench: Bench) -> None:
    assert _value("templates") == _value("config") == {}
    bench.registry.add("iris demo1", None, source="s3://bucket/m")
    folder = bench.folder.parent / "checkout" / "staging"
    template(folder, '{{ mlflow.s3["iris demo1"] }}')
    assert uris(bench, {"M2S_TEMPLATES": str(folder)}) == ["s3://bucket/m"]


VARIABLES = "Environment variables of its container"


@row(VARIABLES, "`MLFLOW_TRACKING_URI`")
def _mlflows_own_variable(bench: Bench) -> None:
    result = m2s_with({"MLFLOW_TRACKING_URI": "sqlite:////nowhere/mlflow.db"}, "plan")
    assert "/nowhere/mlflow.db" in result


@row(VARIABLES, "`stage`")
def _stage(bench: Bench) -> None:
    assert str(bench.settings({"M2S_STAGE": "Production"}).selectors[0]) == "stage=Production"


@row(VARIABLES, "`namespace`")
def _namespace(bench: Bench) -> None:
    assert bench.settings({"M2S_NAMESPACE": "staging"}).namespace == "staging"


WRITTEN = "What data scientists and the platform team write"


@row(WRITTEN, "`deploy.yaml` logged with the run", '`modelUri: ""`')
def _deploy_yaml(bench: Bench) -> None:
    bench.registry.add("iris", description("mlflow"), source="s3://bucket/m")
    assert {name: uri_of(body) for name, body in bench.planned().items()} == {
        "mlflow": "s3://bucket/m"
    }


@row(WRITTEN, "`metadata.name`")
def _name(bench: Bench) -> None:
    bench.registry.add("iris", description("mlflow"))
    bench.registry.add("wine")
    assert set(bench.planned()) == {"mlflow", "wine-staging"}


@row(WRITTEN, "`metadata.namespace`")
def _its_namespace(bench: Bench) -> None:
    body = seldon("mlflow")
    body["metadata"]["namespace"] = "other"
    bench.registry.add("iris", yaml.safe_dump(body))
    assert bench.planned(namespace="staging")["mlflow"]["metadata"]["namespace"] == "staging"


_SOURCES = {
    "blob": ("wasbs://models@account.blob.core.windows.net/m", "azureblob://models/m"),
    "gcs": ("gs://bucket/m", "gs://bucket/m"),
    "s3": ("s3://bucket/m", "s3://bucket/m"),
}


def _placeholder(store: str) -> Check:
    def check(bench: Bench) -> None:
        source, readable = _SOURCES[store]
        bench.registry.add("iris demo1", None, source=source)
        folder = bench.folder.parent / "templates"
        template(folder, f'{{{{ mlflow.{store}["iris demo1"] }}}}')
        assert uris(bench, {"M2S_TEMPLATES": str(folder)}) == [readable]

    return check


for _store in _SOURCES:
    row(WRITTEN, f'`{{{{ mlflow.{_store}["iris demo1"] }}}}`')(_placeholder(_store))
row(WRITTEN, "`wasbs://CONTAINER@ACCOUNT…`")(_each_cloud_without_a_switch)

LEFT = "What it leaves on its objects"


@row(LEFT, *("`app.kubernetes.io/managed-by: mdc`", "`app.kubernetes.io/mdc-type`"))
@row(LEFT, "`mdc/mlflow-stage`", "`mdc/mlflow-RUN_ID`")
def _its_objects_are_adopted(bench: Bench) -> None:
    there = seldon("mlflow")
    there["metadata"] |= {
        "namespace": "default",
        "labels": {
            "app.kubernetes.io/managed-by": "mdc",
            "app.kubernetes.io/mdc-type": "mdc-mlflow-direct",
        },
        "annotations": {"mdc/mlflow-stage": "Staging", "mdc/mlflow-0f3a": "{}"},
    }
    (bench.folder / "default").mkdir(parents=True)
    (bench.folder / "default" / "mlflow.yaml").write_text(yaml.safe_dump(there))
    bench.registry.add("iris", description("mlflow"))
    chosen = bench.settings()
    (change,) = make_plan(bench.registry, FolderCluster(bench.folder, "default"), chosen).changes
    assert change.reason == "mlflow exists and is not m2s's; --adopt takes it over"
    (body,) = bench.planned(adopt=True).values()
    assert LiveDeployment(change.key, body).owner == "stage-staging"
    annotations = body["metadata"]["annotations"]
    assert annotations["m2s.io/selector"] == "stage=Staging"
    assert {"m2s.io/run-id", "m2s.io/model", "m2s.io/version"} <= annotations.keys()


COMMANDS = "Commands"


@row(COMMANDS, "`helm install … --set mlflow.stage=Staging`")
def _helm_install(_: Bench) -> None:
    assert (CHART / "Chart.yaml").is_file()
    _same_value("mlflow.stage")(_)


@row(COMMANDS, "`kubectl apply -f examples/argo-manifest`")
def _argo(_: Bench) -> None:
    bodies = [
        yaml.safe_load(file.read_text()) for file in (ROOT / "examples/argo-manifest").iterdir()
    ]
    assert [body["kind"] for body in bodies] == ["Application", "Application"]


@row(COMMANDS, "`kubectl logs -f deployment/…`")
def _logs(_: Bench) -> None:
    assert m2s("plan", "--help").code == 0


@row(COMMANDS, "a pass every 15 seconds")
@row("What it deploys", "a pass every 2 seconds")
def _interval(bench: Bench) -> None:
    assert "interval" in VALUES
    assert [bench.settings(interval=each).interval for each in ("15s", "2s")] == [15, 2]


# ----------------------------------------------------------------------------- mlflow2seldon

NEURO_VARIABLES = "Environment variables"


def _gives(variable: str, field: str, value: Any) -> None:
    def check(bench: Bench) -> None:
        found = bench.settings({variable: NEURO[variable]})
        assert getattr(found, field) == value
        option = field.replace("_", "-").removesuffix("s")
        own = options.variable("image-pull-secret" if "pull" in field else option)
        other = {"M2S_NAMESPACE": "mine", "M2S_IMAGE_PULL_SECRET": "mine"}.get(own, "mine:1")
        higher = bench.settings({variable: NEURO[variable], own: other})
        assert getattr(higher, field) in (other, (other,)), "its own name wins"

    row(NEURO_VARIABLES, f"`{variable}`")(check)


_gives("M2S_SELDON_NEURO_DEF_IMAGE", "default_image", "image:myproject/seldon:v1")
_gives("M2S_SELDON_DEPLOYMENT_NS", "namespace", "seldon")
_gives("M2S_NEURO_REGISTRY_SECRET", "image_pull_secrets", ("neuro-registry",))


@row(NEURO_VARIABLES, "`M2S_MLFLOW_HOST`")
def _host(bench: Bench) -> None:
    found = [
        bench.settings({"M2S_MLFLOW_HOST": host}).tracking_uri
        for host in (JOB, "http://mlflow:5000", "mlflow.example.com")
    ]
    assert found == [JOB, "http://mlflow:5000", "https://mlflow.example.com"]


@row(NEURO_VARIABLES, "`M2S_MLFLOW_STORAGE_ROOT`")
def _storage_root(bench: Bench) -> None:
    run = f"{1:032x}"  # the registry in memory counts its runs
    environ = {name: NEURO[name] for name in ("M2S_MLFLOW_STORAGE_ROOT", "M2S_MLFLOW_HOST")}
    environ["M2S_DEFAULT_IMAGE"] = "server:1"
    # As a run's own artifacts, and as MLflow 3 lays logged models out.
    for model, path in (("a", f"0/{run}/artifacts/model"), ("b", "0/models/m-1f6c/artifacts")):
        bench.registry.add(model, None, source=f"/usr/local/share/mlruns/{path}")
    assert [uri_of(body) for body in bench.planned(environ).values()] == [
        f"storage:myproject/mlruns/0/{run}/artifacts/model",
        "storage:myproject/mlruns/0/models/m-1f6c/artifacts",
    ]
    assert bench.settings(environ).describing == "ignored"


@row(NEURO_VARIABLES, "`M2S_MLFLOW_DEPLOY_IMG_TAG`")
@row("What data scientists do", "the tag `deployment-image` on the registered model")
def _image_tag(bench: Bench) -> None:
    tags = {"deployment-image": "one:1", "other": "two:2"}
    bench.registry.add("iris", None, model_tags=tags, tags={"deployment-image": "no:3"})
    default = {"M2S_SELDON_NEURO_DEF_IMAGE": "default:1"}
    named = {**default, "M2S_MLFLOW_DEPLOY_IMG_TAG": "other"}
    assert [images(bench, environ) for environ in (default, named)] == [["one:1"], ["two:2"]]


@row(NEURO_VARIABLES, "`M2S_SRC_NEURO_CLUSTER`")
@row("What data scientists do", "`image:myproject/seldon:v2`")
def _image_uri(bench: Bench) -> None:
    bench.registry.add("iris", None, model_tags={"deployment-image": "image:myproject/seldon:v2"})
    default = {"M2S_SELDON_NEURO_DEF_IMAGE": "image:myproject/seldon:v1"}
    clusters = (
        {"M2S_MLFLOW_HOST": JOB, "M2S_SRC_NEURO_CLUSTER": "demo_cluster"},
        {"M2S_SRC_NEURO_CLUSTER": "onprem-poc"},
        {"M2S_IMAGE_REGISTRY": "registry.example.com/team"},
    )
    assert [images(bench, {**default, **environ}) for environ in clusters] == [
        ["registry.cluster.org.neu.ro/user/myproject/seldon:v2"],
        ["registry.onprem-poc.org.neu.ro/myproject/seldon:v2"],
        ["registry.example.com/team/myproject/seldon:v2"],
    ]


MAKEFILE = "Options of its Makefile and its chart"


@row(MAKEFILE, "`make helm_deploy`", "`make helm_delete`", "`RELEASE_NAME`")
@row(MAKEFILE, "`DEPLOYMENT_NAMESPACE`", "values of its chart")
def _makefile(_: Bench) -> None:
    """What they do on a cluster is shown in test_chart_examples.py."""
    makefile = (ROOT / "Makefile").read_text()
    assert {"\nhelm_deploy:", "\nhelm_delete:"} <= set(re.findall(r"\nhelm_\w+:", makefile))
    script = (ROOT / "charts" / "release.sh").read_text()
    for name in ("M2S_RELEASE", "M2S_RELEASE_NAMESPACE", "M2S_DELETE_NAMESPACE", *NEURO):
        assert name in script
    assert "extraEnv" in VALUES


@row("What data scientists do", "a version in Staging or Production")
@row("What data scientists do", "a deployment's name, `{model}-{stage}`")
def _two_stages(bench: Bench) -> None:
    for stage in ("Staging", "Production", "Archived"):
        bench.registry.add("iris", None, stage=stage)
    found = bench.planned(NEURO, EXAMPLE)
    assert set(found) == {"iris-staging", "iris-production"}


@row("What data scientists do", "leaving the stage deletes")
def _prune(bench: Bench) -> None:
    assert bench.settings(prune=True).syncs


DEPLOYS = "What it deploys"


@row(DEPLOYS, "the init container `model-binary-download`", "the token as a plain value")
@row(NEURO_VARIABLES, "`M2S_MLFLOW_NEURO_TOKEN`")
def _init_container(bench: Bench) -> None:
    pod = neuro_pod(bench)
    (container,) = pod["initContainers"]
    assert container["name"] == "classifier-model-initializer"
    assert container["image"] == "neuromation/neuro-extras:latest"
    assert 'neuro --verbose cp -r -T "$0" "$1"' in container["command"][2]
    assert container["args"][0].startswith("storage:myproject/mlruns/")
    token = next(item for item in container["env"] if item["name"] == "NEURO_LOGIN_TOKEN")
    assert token["valueFrom"] == {"secretKeyRef": {"name": "neuro", "key": "token"}}
    assert pod["imagePullSecrets"] == [{"name": "neuro-registry"}]


@row(DEPLOYS, "the model in `/storage`")
def _storage(bench: Bench) -> None:
    pod = neuro_pod(bench)
    (volume,), (container,), (init,) = pod["volumes"], pod["containers"], pod["initContainers"]
    mounts = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    assert mounts == {"/mnt/models": volume["name"], "/storage": volume["name"]}
    assert init["volumeMounts"] == [{"name": volume["name"], "mountPath": init["args"][1]}]


@row(DEPLOYS, "the predictor `predictor`", "`imagePullPolicy: Always`")
def _predictor(bench: Bench) -> None:
    (container,) = neuro_pod(bench)["containers"]
    assert [port["name"] for port in container["ports"]] == ["http", "grpc"]
    assert container["imagePullPolicy"] == "Always"
    body = bench.planned(NEURO, EXAMPLE)["iris-staging"]
    assert [each["name"] for each in body["spec"]["predictors"]] == ["default"]


# --------------------------------------------------------------------------------- helpers


def neuro_pod(bench: Bench) -> Any:
    bench.registry.add("iris", None)
    body = bench.planned(NEURO, EXAMPLE)["iris-staging"]
    return body["spec"]["predictors"][0]["componentSpecs"][0]["spec"]


def template(folder: Path, uri: str) -> None:
    body = seldon("mlflow-var")
    body["spec"]["predictors"][0]["graph"]["modelUri"] = uri
    folder.mkdir(parents=True)
    (folder / "mlflow-var.yaml").write_text(yaml.safe_dump(body))


def uris(bench: Bench, environ: Mapping[str, str]) -> list[str]:
    chosen = bench.settings(environ)
    cluster = FolderCluster(bench.folder, "default")
    changes = make_plan(bench.registry, cluster, chosen, TemplateFolder(chosen.templates)).changes
    return [uri_of(change.merged) for change in changes if isinstance(change, Create)]


def images(bench: Bench, environ: Mapping[str, str]) -> list[str]:
    pods = [
        body["spec"]["predictors"][0]["componentSpecs"][0]["spec"]
        for body in bench.planned(environ).values()
    ]
    return [container["image"] for pod in pods for container in pod["containers"]]


def uri_of(body: Mapping[str, Any]) -> str:
    return str(body["spec"]["predictors"][0]["graph"]["modelUri"])


def m2s_with(environ: Mapping[str, str], *argv: str) -> str:
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        return m2s(*argv, "--stage", "Staging", "--target", "dir:x").error
