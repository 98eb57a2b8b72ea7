"""m2s on the real KServe: its webhooks and its controller, with pods that are said to be ready."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
import yaml

from m2s.domain.rollout import Rollout
from m2s.domain.versions import Key
from m2s.engine.execute import execute
from m2s.engine.reconcile import make_plan
from m2s.plan.changes import Blocked, Change, Create, Unchanged, Update
from m2s.plan.plan import Plan
from m2s.settings.build import build
from m2s.targets.kubernetes.namespace import KubernetesCluster, connect
from tests.kits.chart_kit import Helm, create, token
from tests.kits.fakes import FakeRegistry
from tests.kits.support import Models, inference_service, m2s
from tests.kserve.cluster import KserveCluster
from tests.servers import wait_for

Json = dict[str, Any]
KIND = "InferenceService"
_MODEL: Json = {"modelFormat": {"name": "mlflow"}, "protocolVersion": "v2", "storageUri": ""}


class Namespace:
    """A namespace of the cluster with KServe, and a registry that m2s serves there."""

    def __init__(self, kserve: KserveCluster) -> None:
        self.kserve, self.registry = kserve, FakeRegistry()
        self.name = kserve.namespace()
        self.cluster: KubernetesCluster = connect(self.name, str(kserve.kubeconfig()), None)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """Ask for something in the namespace: ``deployments``, ``configmaps/NAME`` and so on."""
        groups = {"deployments": "apps/v1", "replicasets": "apps/v1"}
        groups["inferenceservices"] = "serving.kserve.io/v1beta1"
        group = groups.get(path.partition("/")[0], "v1")
        root = f"/apis/{group}" if "/" in group else "/api/v1"
        return self.kserve.call(method, f"{root}/namespaces/{self.name}/{path}", body)

    def names(self, kind: str) -> list[str]:
        return sorted(one["metadata"]["name"] for one in self.call("GET", kind)["items"])

    def plan(self, **settings: Any) -> Plan:
        flags = {"stage": ["Staging"], **settings}
        return make_plan(self.registry, self.cluster, build(flags, {}))

    def apply(self, **settings: Any) -> tuple[Change, ...]:
        planned = self.plan(**settings)
        outcomes = execute(planned, self.cluster, delete=True)
        assert not [one for one in outcomes if "error" in str(one).lower()], outcomes
        return planned.changes

    def assert_in_sync(self, **settings: Any) -> None:
        changes = self.plan(**settings).changes
        assert [type(change) for change in changes] == [Unchanged] * len(changes), changes

    def edit(self, name: str, change: Any, kind: str = "inferenceservices") -> None:
        """Change an object as ``kubectl edit`` does."""

        def edited() -> bool:
            there = self.call("GET", f"{kind}/{name}")
            change(there)
            try:
                self.call("PUT", f"{kind}/{name}?fieldManager=kubectl-edit", there)
            except HTTPError as error:
                if error.code != 409:
                    raise
                return False  # its status moved meanwhile
            return True

        wait_for(edited, f"{name} to be edited")

    def progress(self, name: str, before: Any = None) -> Rollout:
        live = self.cluster.get(Key(self.name, name, KIND))
        assert live
        return self.cluster.rollout(live, before)

    def await_serving(self, name: str) -> None:
        wait_for(lambda: self.progress(name).serving, f"{name} to serve", timeout=60)

    def revisions(self) -> list[str]:
        return self.names("replicasets")


@pytest.fixture
def space(kserve_cluster: KserveCluster) -> Iterator[Namespace]:
    yield Namespace(kserve_cluster)
    kserve_cluster.nodes.broken.clear()


def described(**spec: Any) -> str:
    body = yaml.safe_load(inference_service())
    body["spec"].update(spec)
    return yaml.safe_dump(body)


def container(name: str, **more: Any) -> Json:
    return {"name": name, "image": f"{name}:1", **more}


_ENV = [{"name": "STORAGE_URI", "value": ""}, {"name": "A", "value": "1"}]
_PORTS = [{"containerPort": 8080}]
_RESOURCES = {"requests": {"cpu": "1000m"}, "limits": {"memory": "2Gi"}}
SHAPES = {
    "plain": described(),
    "all": described(
        predictor={
            "minReplicas": 1,
            "maxReplicas": 3,
            "labels": {"a": "b"},
            "annotations": {"c": "d"},
            "timeout": 5,
            "model": {**_MODEL, "resources": _RESOURCES, "env": _ENV[1:], "ports": _PORTS},
            "volumes": [{"name": "v", "emptyDir": {}}],
        }
    ),
    "legacy": described(predictor={"sklearn": {"protocolVersion": "v2", "storageUri": ""}}),
    "own-image": described(predictor={"containers": [container("server", env=_ENV)]}),
    "transformer": described(transformer={"containers": [container("t")]}),
    "several": described(
        predictor={
            "model": {"modelFormat": {"name": "mlflow"}, "protocolVersion": "v2"},
            "storageUris": [{"uri": ""}],
        }
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_a_version_is_deployed_promoted_and_in_sync(space: Namespace, shape: str) -> None:
    space.registry.add("iris", SHAPES[shape])
    (change,) = space.apply()
    assert isinstance(change, Create)
    space.assert_in_sync()
    space.await_serving("iris-staging")
    space.assert_in_sync()  # KServe wrote back what it writes back
    space.registry.move("iris", space.registry.add("iris", SHAPES[shape]), "Staging")
    (update,) = space.apply()
    assert isinstance(update, Update)
    changed = [field for field in update.fields if field.path[0] == "spec"]
    assert len(changed) == 1, changed
    space.await_serving("iris-staging")
    space.assert_in_sync()


def test_orders_and_records_replace_no_pod(space: Namespace) -> None:
    space.registry.add("iris", described())
    space.apply()
    space.await_serving("iris-staging")
    before = space.revisions()

    def pause(record: Json) -> None:
        record["metadata"]["annotations"]["m2s.io/paused"] = "true"

    space.edit("iris-staging-m2s", pause, "configmaps")
    space.registry.move("iris", space.registry.add("iris", described()), "Staging")
    (change,) = space.plan().changes
    assert isinstance(change, Unchanged)
    assert change.ordered
    space.registry.move("iris", 1, "Staging")
    space.edit(
        "iris-staging-m2s",
        lambda record: record["metadata"]["annotations"].pop("m2s.io/paused"),
        "configmaps",
    )
    space.call("DELETE", "configmaps/iris-staging-m2s")
    (lost,) = space.apply()
    assert isinstance(lost, Update)
    space.assert_in_sync()
    assert space.names("configmaps") == ["iris-staging-m2s", "kube-root-ca.crt"]
    assert space.revisions() == before
    space.await_serving("iris-staging")


def test_what_is_in_sync_needs_no_dry_run(
    space: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What KServe's webhook adds is nobody's, and no reason to ask."""
    space.registry.add("iris", described())
    space.apply()
    space.await_serving("iris-staging")
    monkeypatch.setattr(space.cluster, "preview", pytest.fail)
    space.assert_in_sync()


def test_a_scale_replaces_no_pod_and_is_waited_for(space: Namespace) -> None:
    space.registry.add("iris", described(predictor={"model": _MODEL, "minReplicas": 1}))
    space.apply()
    space.await_serving("iris-staging")
    before = space.revisions()
    scaled = space.registry.add("iris", described(predictor={"model": _MODEL, "minReplicas": 2}))
    uri = f"s3://models/{1:032x}"
    space.registry.move("iris", scaled, "Staging")
    space.apply(**{"model-uri-map": [f"s3://models/{scaled:032x}={uri}"]})
    assert not space.progress("iris-staging").serving
    space.await_serving("iris-staging")
    assert space.call("GET", "deployments/iris-staging-predictor")["spec"]["replicas"] == 2
    assert space.revisions() == before


def test_an_environment_is_waited_for_with_the_uri_unchanged(space: Namespace) -> None:
    """KServe's old Deployment is complete, and Ready, when m2s looks first."""
    space.registry.add("iris", described())
    space.apply()
    space.await_serving("iris-staging")
    model = {**_MODEL, "env": [{"name": "A", "value": "1"}]}
    space.registry.move(
        "iris", space.registry.add("iris", described(predictor={"model": model})), "Staging"
    )
    space.apply(**{"model-uri-map": [f"s3://models/{2:032x}=s3://models/{1:032x}"]})
    assert not space.progress("iris-staging").serving
    space.await_serving("iris-staging")
    template = space.call("GET", "deployments/iris-staging-predictor")["spec"]["template"]
    assert {"name": "A", "value": "1"} in template["spec"]["containers"][0]["env"]


def _foreign(name: str) -> Json:
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": KIND,
        "metadata": {"name": name},
        "spec": {"predictor": {"model": {**_MODEL, "storageUri": "s3://models/old"}}},
    }


def test_an_adoption_says_that_it_replaces_the_pods(space: Namespace) -> None:
    space.call("POST", "inferenceservices", _foreign("iris-staging"))
    space.registry.add("iris", described())
    (change,) = space.plan().changes
    assert isinstance(change, Blocked)
    wait_for(space.revisions, "its pods")
    before = space.revisions()
    (change,) = space.apply(adopt=True)
    assert isinstance(change, Update)
    assert "its pods are replaced" in change.reason
    space.assert_in_sync()
    space.await_serving("iris-staging")
    assert len(space.revisions()) == len(before) + 1


def test_what_somebody_changed_is_taken_back(space: Namespace) -> None:
    space.registry.add("iris", described())
    space.apply()
    space.await_serving("iris-staging")

    def other(service: Json) -> None:
        service["spec"]["predictor"]["model"]["storageUri"] = "s3://models/theirs"

    def canary(service: Json) -> None:
        model = {**_MODEL, "storageUri": "s3://models/theirs"}
        service["spec"]["canary"] = [
            {"trafficPercent": 90, "predictor": {"name": "x", "model": model}}
        ]

    for edit, field in ((other, "spec.predictor.model.storageUri"), (canary, "spec.canary")):
        space.edit("iris-staging", edit)
        (change,) = space.plan().changes
        assert isinstance(change, Update), change
        assert any(str(one).startswith(field) for one in change.fields)
        space.apply()
        space.assert_in_sync()
        space.await_serving("iris-staging")
    assert space.call("GET", "inferenceservices/iris-staging")["spec"]["canary"] == []
    assert space.names("deployments") == ["iris-staging-predictor"]


def test_what_left_goes_with_its_record(space: Namespace) -> None:
    for model in ("iris", "wine"):
        space.registry.add(model, described())
    space.apply()
    space.registry.move("wine", 1, "Archived")
    space.apply()
    left = ["iris-staging-m2s", "kube-root-ca.crt"]
    wait_for(lambda: space.names("configmaps") == left, "the record to go")
    space.assert_in_sync()


def test_pods_that_never_get_ready_are_told(space: Namespace) -> None:
    space.registry.add("iris", described())
    space.apply()
    space.await_serving("iris-staging")
    space.kserve.nodes.broken.add(f"{2:032x}")
    space.registry.move("iris", space.registry.add("iris", described()), "Staging")
    space.apply()
    wait_for(lambda: "CrashLoopBackOff" in space.progress("iris-staging").message, "the reason")
    ready = space.call("GET", "inferenceservices/iris-staging")["status"]["conditions"]
    assert {"True"} == {one["status"] for one in ready if one["type"] == "Ready"}
    assert not space.progress("iris-staging").serving


def test_a_format_without_a_runtime_is_told_before_and_after(space: Namespace) -> None:
    space.registry.add("iris", described())
    space.apply()
    space.await_serving("iris-staging")
    odd = described(predictor={"model": {**_MODEL, "modelFormat": {"name": "odd"}}})
    space.registry.move("iris", space.registry.add("iris", odd), "Staging")
    (change,) = space.plan().changes
    assert isinstance(change, Update)
    (warning,) = change.manifest.warnings
    assert warning.startswith("no runtime of this cluster serves model format odd")
    before = space.cluster.get(change.key)
    space.apply()
    wait_for(lambda: space.progress("iris-staging", before).failed, "the refusal")
    told = space.progress("iris-staging", before).message
    assert told.startswith("KServe does not roll it out (InvalidSpec): NoSupportingRuntime")


def test_a_canary_is_only_written_where_kserve_gives_it_a_share(space: Namespace) -> None:
    for alias in ("champion", "challenger"):
        space.registry.add("iris", described(), alias=alias)
    split = {"stage": None, "split": "champion=90,challenger=10"}
    (change,) = space.plan(**split).changes
    assert isinstance(change, Blocked)
    assert change.reason.startswith("spec.canary: KServe gives the share with Gateway API only")
    # What comes of it all the same: two Deployments, and no share.
    (change,) = space.apply(**split, preflight=False)
    assert isinstance(change, Create)
    space.assert_in_sync(**split, preflight=False)
    name = change.key.name
    space.await_serving(name)
    made = [f"{name}-challenger-predictor", f"{name}-predictor"]
    assert space.names("deployments") == made
    before = space.revisions()
    space.apply(**{**split, "split": "champion=50,challenger=50"}, preflight=False)
    space.await_serving(name)
    assert space.revisions() == before
    space.apply(**{**split, "split": "champion=100"}, preflight=False)
    wait_for(lambda: space.names("deployments") == made[1:], "the canary to go")
    assert set(space.revisions()) < set(before)


def test_a_day_by_commands(space: Namespace, sqlite_registry: str) -> None:
    """Waited for, shown, rolled back, pinned and let go again: the pods change with the model."""
    models, kubeconfig = Models(sqlite_registry), str(space.kserve.kubeconfig())
    where = ("--kubeconfig", kubeconfig, "-n", space.name)
    edges = ("--tracking-uri", sqlite_registry, "--stage", "Staging", *where)

    def run(command: str, *argv: str) -> str:
        result = m2s(command, *argv)
        assert result.code == 0, result
        return result.out

    def apply() -> str:
        return run("apply", *edges, "--yes", "--wait", "--timeout", "60s")

    models.add("iris", described())
    assert "iris-staging" in apply()
    models.add("iris", described())
    apply()
    there = space.revisions()
    shown = run("status", *where, "--platform", "kserve")
    assert "Available" in shown
    assert "iris-staging" in shown
    for argv in ((), ("--unpin",)):
        run("rollback", *where, "--yes", *argv, "InferenceService/iris-staging")
    for order in ("pause", "resume"):
        run(order, *where, "--yes", "InferenceService/iris-staging")
    assert space.revisions() == there  # a template that was there before is the same again
    apply()
    assert space.revisions() == there
    assert "0 to create, 0 to update" in run("plan", *edges)


def test_the_charts_rights_are_enough(
    space: Namespace, helm: Helm, sqlite_registry: str, tmp_path: Path
) -> None:
    server, system = space.kserve.server, space.kserve.server.namespace("m2s")
    told = {"mlflow": {"stage": "Staging", "namespace": space.name}, "platforms": ["kserve"]}
    values = {**told, "preflight": True, "rbac": {"clusterPreflight": True}}
    release = helm.template(values, namespace=system)
    kinds = ("ServiceAccount", "Role", "RoleBinding", "ClusterRole", "ClusterRoleBinding")
    for body in (one for kind in kinds for one in release.all(kind)):
        create(server, body)
    account = server.kubeconfig(token(server, release.one("ServiceAccount")), namespace=space.name)
    (tmp_path / "m2s.yaml").write_text(release.config)
    edges = ("--tracking-uri", sqlite_registry, "--kubeconfig", str(account))
    models = Models(sqlite_registry)
    for name in ("iris", "wine"):
        models.add(name, described())

    def run(command: str, *argv: str) -> str:
        result = m2s(command, "--config", str(tmp_path / "m2s.yaml"), *edges, *argv)
        assert result.code == 0, result
        return " ".join((result.out + result.err).split())

    planned = run("plan")
    assert "2 to create" in planned
    assert "not checked: MLmodel" in planned  # of a store that is not there, and of nothing else
    assert planned.count("not checked") == 1
    run("apply", "--prune")
    models.add("iris", described())
    models.move("wine", 1, "Archived")
    assert "1 to update, 1 to delete" in run("plan")
    run("apply", "--prune")
    wait_for(lambda: space.names("inferenceservices") == ["iris-staging"], "wine to go")
    assert "0 to create, 0 to update, 0 to delete" in run("plan")


def test_bad_input_is_one_line_and_holds_its_row(space: Namespace) -> None:
    typo = described(predictor={"model": {**_MODEL, "storageURI": "x"}})
    named = described(predictor={"model": {**_MODEL, "name": "x"}})
    for name, deploy in (("typo", typo), ("named", named)):
        space.registry.add(name, deploy)
    space.registry.add("fine", described())
    changes = {change.key.name.partition("-")[0]: change for change in space.plan().changes}
    assert isinstance(changes["fine"], Create)
    for name in ("typo", "named"):
        change = changes[name]
        assert isinstance(change, Blocked)
        assert "\n" not in change.reason
    assert "storageURI" in str(changes["typo"])
