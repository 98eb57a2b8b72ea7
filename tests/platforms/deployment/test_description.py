"""What a Deployment that somebody describes comes to: in a folder, where all of it is seen."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from m2s.domain.versions import Key
from m2s.engine.execute import execute
from m2s.engine.reconcile import make_plan
from m2s.plan.changes import Blocked, Change, Create, Unchanged, Update
from m2s.platforms import catalogue
from m2s.settings.build import build
from m2s.targets.folder.namespace import FolderCluster
from tests.kits.fakes import FakeRegistry
from tests.kits.platform_kit import DEPLOYMENT

RCLONE = "docker.io/seldonio/rclone-storage-initializer:1.17.1"
BY_MAP = [("m2s.io/image", "other:2"), ("m2s.io/replicas", "3"), ("m2s.io/limits.memory", "1Gi")]


def deploy(**parts: Any) -> str:
    """Return the example, with other fields of its first container or beside its spec."""
    body = yaml.safe_load(DEPLOYMENT)
    container = body["spec"]["template"]["spec"]["containers"][0]
    for name, value in parts.items():
        place = body if name in ("metadata", "service") else container
        place[name] = value
    return yaml.safe_dump(body)


def change(deploy: str, folder: Path | None = None, **more: Any) -> Change:
    """Return what is planned for one version, and apply it where a folder is given."""
    registry = FakeRegistry()
    flags = more.pop("flags", {})
    registry.add("iris", deploy, **{"source": "s3://models/iris", **more})
    cluster = FolderCluster(folder or "/nonexistent", "shop")
    planned = make_plan(registry, cluster, build({"stage": ["Staging"], **flags}, {}))
    if folder:
        execute(planned, cluster, delete=True)
    (only,) = planned.changes
    return only


def written(deploy: str, folder: Path, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the Deployment and the Service in the folder."""
    assert isinstance(change(deploy, folder, **more), Create)
    (file,) = (folder / "shop").glob("*.yaml")
    deployment, service = yaml.safe_load_all(file.read_text())
    return deployment, service


def container(deployment: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = deployment["spec"]["template"]["spec"]["containers"][0]
    return found


def refused(deploy: str, **more: Any) -> str:
    blocked = change(deploy, **more)
    assert isinstance(blocked, Blocked)
    return blocked.reason


def test_a_deployment_and_its_service_find_each_other(tmp_path: Path) -> None:
    deployment, service = written(deploy(), tmp_path)
    labels = {"m2s.io/deployment": "iris-staging"}
    assert deployment["spec"]["selector"] == {"matchLabels": labels}
    assert deployment["spec"]["template"]["metadata"]["labels"] == labels
    assert service["metadata"]["name"] == "iris-staging"
    assert service["spec"] == {
        "selector": labels,
        "ports": [{"name": "http", "port": 8080, "targetPort": "http", "protocol": "TCP"}],
    }
    assert "service" not in deployment


def test_a_server_without_a_probe_is_ready_once_it_listens(tmp_path: Path) -> None:
    deployment, _ = written(deploy(), tmp_path)
    assert container(deployment)["readinessProbe"] == {"tcpSocket": {"port": "http"}}
    assert container(deployment)["ports"] == [{"name": "http", "containerPort": 8080}]


def test_its_own_port_and_probe_are_its_services(tmp_path: Path) -> None:
    probe = {"httpGet": {"path": "/readyz", "port": 3000}}
    text = deploy(ports=[{"containerPort": 3000}], readinessProbe=probe)
    deployment, service = written(text, tmp_path)
    assert container(deployment)["readinessProbe"] == probe
    assert service["spec"]["ports"][0]["port"] == 3000
    assert service["spec"]["ports"][0]["targetPort"] == 3000


def test_a_description_may_add_to_its_service(tmp_path: Path) -> None:
    given = {
        "metadata": {"annotations": {"team": "fraud"}, "labels": {"app": "iris"}},
        "spec": {"ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    }
    _, service = written(deploy(service=given), tmp_path)
    assert service["metadata"]["annotations"] == {"team": "fraud"}
    assert service["metadata"]["labels"]["app"] == "iris"
    assert service["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": "http"}]
    assert service["spec"]["selector"] == {"m2s.io/deployment": "iris-staging"}


def test_a_promotion_moves_the_uri_and_no_selector(tmp_path: Path) -> None:
    registry, cluster = FakeRegistry(), FolderCluster(tmp_path, "shop")
    chosen = build({"stage": ["Staging"]}, {})
    registry.add("iris", deploy(), source="s3://models/1")
    execute(make_plan(registry, cluster, chosen), cluster, delete=True)
    registry.move("iris", registry.add("iris", deploy(), source="s3://models/2"), "Staging")
    planned = make_plan(registry, cluster, chosen)
    (update,) = planned.changes
    assert isinstance(update, Update)
    (field,) = (each for each in update.fields if not each.bookkeeping)
    assert str(field.path[-2]) == "MODEL_URI"
    assert (field.old, field.new) == ("s3://models/1", "s3://models/2")
    execute(planned, cluster, delete=True)
    (same,) = make_plan(registry, cluster, chosen).changes
    assert isinstance(same, Unchanged)


def test_what_reads_the_uri_decides_its_words(tmp_path: Path) -> None:
    body = yaml.safe_load(deploy())
    variable = [{"name": "MODEL_URI"}]
    body["spec"]["template"]["spec"]["initContainers"] = [
        {"name": "model", "image": RCLONE, "env": variable},
        {"name": "other", "image": "m2s:1", "env": variable},
    ]
    source = "wasbs://models@account.blob.core.windows.net/iris"
    deployment, _ = written(yaml.safe_dump(body), tmp_path, source=source)
    first, second = deployment["spec"]["template"]["spec"]["initContainers"]
    assert first["env"][0]["value"] == "azureblob://models/iris"
    assert second["env"][0]["value"] == source


def test_what_only_mlflow_hands_out_is_for_what_reads_it(tmp_path: Path) -> None:
    """A server that loads its model with MLflow's own client needs nobody to bring it."""
    source = "mlflow-artifacts:/1/models/m-1/artifacts"
    deployment, _ = written(deploy(), tmp_path, source=source)
    assert container(deployment)["env"] == [{"name": "MODEL_URI", "value": source}]
    assert "--fetch-image" in refused(deploy(image=RCLONE), source=source)


def test_without_a_place_the_image_alone_decides(tmp_path: Path) -> None:
    deployment, _ = written(deploy(env=[]), tmp_path, source="mlflow-artifacts:/1/models/m-1")
    assert not container(deployment).get("env")


@pytest.mark.parametrize(("tag", "value"), BY_MAP)
def test_tags_are_about_the_first_container(tag: str, value: str, tmp_path: Path) -> None:
    deployment, _ = written(deploy(), tmp_path, tags={tag: value})
    told = {
        "m2s.io/image": container(deployment)["image"],
        "m2s.io/replicas": str(deployment["spec"]["replicas"]),
        "m2s.io/limits.memory": str(container(deployment).get("resources")),
    }
    assert value in told[tag]


@pytest.mark.parametrize(
    ("parts", "told"),
    [
        ({"tags": {"m2s.io/image": "an image"}}, "tag m2s.io/image: wants an image reference"),
        ({"tags": {"m2s.io/traffic": "10"}}, "tag m2s.io/traffic: no such tag"),
        ({"deploy": deploy(metadata={"name": "1st"})}, "begin metadata.name with a letter"),
        (
            {"deploy": deploy(service={"spec": {"type": "LoadBalancer"}})},
            "service.spec.type (LoadBalancer) opens the model to the outside",
        ),
        ({"deploy": deploy(service={"spec": {"externalIPs": ["1.2.3.4"]}})}, "externalIPs"),
        ({"deploy": deploy(securityContext={"privileged": True})}, "privileged takes over"),
        ({"deploy": "kind: Deployment\napiVersion: apps/v2\n"}, "it must be apps/v1"),
        ({"deploy": "kind: Deployment\napiVersion: apps/v1\n"}, "needs one container at least"),
        ({"deploy": deploy() + "servce: {}\n"}, "did you mean service?"),
    ],
)
def test_what_is_wrong_is_one_line(parts: dict[str, Any], told: str) -> None:
    reason = refused(parts.pop("deploy", deploy()), **parts)
    assert told in reason
    assert "\n" not in reason


def test_a_split_is_refused_in_words() -> None:
    registry = FakeRegistry()
    registry.add("iris", deploy(), stage=None, alias="champion")
    registry.add("iris", deploy(), stage=None, alias="challenger")
    cluster = FolderCluster("/nonexistent", "shop")
    for split in ("champion=90,challenger=10", "champion=100,challenger=shadow"):
        (blocked,) = make_plan(registry, cluster, build({"split": split}, {})).changes
        assert isinstance(blocked, Blocked)
        assert "--split: deployment does not share traffic" in blocked.reason


def test_a_template_is_a_deployment_only_where_it_names_a_model(tmp_path: Path) -> None:
    """Beside templates there may be Deployments of other things, as there may be Secrets."""
    from m2s.sources.templates import TemplateFolder

    folder = tmp_path / "templates"
    folder.mkdir()
    other = deploy(image="redis:7", env=[])
    ours = deploy(metadata={"name": "shop"}).replace(
        "- name: MODEL_URI", """- name: MODEL_URI
          value: '{{ model("iris").uri }}'"""
    )  # fmt: skip
    (folder / "shop.yaml").write_text(f"{ours}\n---\n{other}")
    (folder / "redis.yaml").write_text(other)
    registry = FakeRegistry()
    registry.add("iris", None, source="s3://models/iris")
    chosen = build({"stage": ["Staging"], "templates": str(folder)}, {})
    cluster = FolderCluster(tmp_path / "out", "shop")
    planned = make_plan(registry, cluster, chosen, TemplateFolder(str(folder)))
    (create,) = planned.changes
    assert isinstance(create, Create)
    assert create.key == Key("shop", "shop", "Deployment")
    assert create.manifest.uri == "s3://models/iris"


def test_a_state_is_kubernetes_own_word() -> None:
    platform = catalogue.of(Key("", "", "Deployment"))
    head = {"metadata": {"name": "iris", "namespace": "shop", "generation": 1}}
    whole = platform.wired({**head, **yaml.safe_load(deploy())["spec"], **_spec()})
    counts = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}
    assert platform.state(whole).word == ""
    assert platform.state({**whole, "status": counts}).word == "Available"
    assert (
        platform.state({**whole, "status": {**counts, "availableReplicas": 1}}).word == "Creating"
    )
    late = {"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}
    failed = platform.state({**whole, "status": {**counts, "conditions": [late]}})
    assert failed.word == "Failed"
    assert "does not progress" in failed.message
    assert failed.endpoint == "http://iris.shop.svc:8080"


def _spec() -> dict[str, Any]:
    return {"spec": yaml.safe_load(deploy())["spec"]}
