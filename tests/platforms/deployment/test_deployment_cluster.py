"""Deployments and their Services on a real API server, Kubernetes' controllers played by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from m2s.domain.deployments import LiveDeployment
from m2s.engine.execute import execute
from m2s.engine.outcomes import Status
from m2s.engine.reconcile import make_plan
from m2s.engine.rollback import make_rollback
from m2s.plan.changes import Blocked, Change, Create, Unchanged, Update
from m2s.platforms import catalogue
from m2s.settings.build import build
from m2s.targets.kubernetes.namespace import KubernetesCluster, connect
from tests.kits.fakes import FakeRegistry
from tests.kits.platform_kit import DEPLOYMENT
from tests.kits.support import tried
from tests.laws.test_law_convergence import converge
from tests.servers import ApiServer

KIND = "Deployment"
STAGED = build({"stage": ["Staging"], "preflight": False}, {})
WHOLE = {"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2,
         "readyReplicas": 2, "availableReplicas": 2}  # fmt: skip


class Shop:
    """A registry and a namespace; an administrator's hand on both kinds."""

    def __init__(self, server: ApiServer, namespace: str, kubeconfig: Path) -> None:
        self.registry, self.server = FakeRegistry(), server
        self.cluster: KubernetesCluster = connect(
            namespace, str(kubeconfig), None, resources=[catalogue.resource(KIND)]
        )
        self.deployments = f"/apis/apps/v1/namespaces/{namespace}/deployments"
        self.services = f"/api/v1/namespaces/{namespace}/services"

    def change(self) -> Change:
        (change,) = make_plan(self.registry, self.cluster, STAGED).changes
        return change

    def apply(self) -> LiveDeployment:
        """Apply, and see that nothing is left to do."""
        planned = make_plan(self.registry, self.cluster, STAGED)
        (outcome,) = execute(planned, self.cluster, delete=True)
        assert outcome.status in (Status.CREATED, Status.UPDATED), outcome
        assert isinstance(self.change(), Unchanged)
        return self.live()

    def live(self) -> LiveDeployment:
        (live,) = self.cluster.list([KIND])
        return live

    def promote(self, deploy: str = DEPLOYMENT) -> None:
        self.registry.move("iris", self.registry.add("iris", deploy), "Staging")

    def edit(self, path: str, fields: Mapping[str, Any], part: str = "") -> None:
        """Change a field of an object by hand, or its status."""
        body = self.server.call("GET", path)
        for way, value in fields.items():
            *steps, last = way.split(".")
            place = body
            for step in steps:
                place = place.setdefault(step, {}) if isinstance(place, dict) else place[int(step)]
            place[last] = value
        self.server.call("PUT", f"{path}{part}", body)


@pytest.fixture
def shop(api_server: ApiServer, namespace: str, kubeconfig: Path) -> Shop:
    made = Shop(api_server, namespace, kubeconfig)
    made.registry.add("iris", DEPLOYMENT)
    return made


def test_both_are_written_and_what_the_server_fills_in_is_no_drift(shop: Shop) -> None:
    live = shop.apply()
    service = shop.server.call("GET", f"{shop.services}/iris-staging")
    assert service["spec"]["clusterIP"]
    assert service["spec"]["selector"] == live.body["spec"]["selector"]["matchLabels"]
    (owner,) = service["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == (KIND, live.uid)


def test_what_somebody_changed_is_taken_back(shop: Shop) -> None:
    shop.apply()
    where = f"{shop.services}/iris-staging"
    shop.edit(where, {"spec.selector": {"app": "other"}})
    shop.edit(
        f"{shop.deployments}/iris-staging", {"spec.template.spec.containers.0.image": "evil:1"}
    )
    change = shop.change()
    assert isinstance(change, Update)
    told = {str(field) for field in change.fields}
    assert any(re.match(r".*containers\[server\]\.image", each) for each in told)
    assert any(each.startswith("service.spec.selector") for each in told)
    shop.apply()
    selector = shop.server.call("GET", where)["spec"]["selector"]
    assert selector == {"m2s.io/deployment": "iris-staging"}


def test_a_service_that_is_gone_is_made_again(shop: Shop) -> None:
    shop.apply()
    shop.server.call("DELETE", f"{shop.services}/iris-staging")
    change = shop.change()
    assert isinstance(change, Update)
    assert {field.path[0] for field in change.fields} == {"service"}
    assert not any("clusterIP" in str(field) for field in change.fields)
    shop.apply()


def test_a_service_of_somebody_elses_is_left_alone(shop: Shop) -> None:
    body = {"metadata": {"name": "iris-staging"}, "spec": {"ports": [{"port": 1}]}}
    made = shop.server.call("POST", shop.services, body)
    change = shop.change()
    assert isinstance(change, Blocked)
    assert "there is a Service iris-staging that is not m2s's" in change.reason
    now = shop.server.call("GET", f"{shop.services}/iris-staging")
    assert now["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


def test_a_mistake_is_one_line_and_what_serves_stays(shop: Shop) -> None:
    before = shop.apply()
    shop.promote(DEPLOYMENT.replace("image:", "imagee:"))
    change = shop.change()
    assert isinstance(change, Blocked)
    assert "imagee" in change.reason
    assert "\n" not in change.reason
    assert change.live is not None
    assert shop.live().body["metadata"]["uid"] == before.uid


def test_a_selector_that_would_change_is_blocked(shop: Shop) -> None:
    shop.apply()
    body = yaml.safe_load(DEPLOYMENT)
    body["spec"]["selector"] = {"matchLabels": {"m2s.io/deployment": "iris-staging", "v": "2"}}
    body["spec"]["template"]["metadata"] = {"labels": {"v": "2"}}
    shop.promote(yaml.safe_dump(body))
    change = shop.change()
    assert isinstance(change, Blocked)
    assert "immutable" in change.reason


def test_a_rollout_is_over_when_kubernetes_says_so(shop: Shop) -> None:
    first = shop.apply()
    where = f"{shop.deployments}/iris-staging"
    assert "not observed" in shop.cluster.rollout(first).message
    shop.edit(where, {"status": WHOLE}, "/status")
    assert shop.cluster.rollout(first).serving
    shop.promote()
    second = shop.apply()
    assert not shop.cluster.rollout(second).serving
    shop.edit(where, {"status": {**WHOLE, "observedGeneration": 2, "replicas": 3}}, "/status")
    assert "1 old replicas are still there" in shop.cluster.rollout(second, first).message
    late = {
        "type": "Progressing",
        "status": "False",
        "reason": "ProgressDeadlineExceeded",
        "message": "it is late",
    }
    failed = {**WHOLE, "observedGeneration": 2, "conditions": [late]}
    shop.edit(where, {"status": failed}, "/status")
    rollout = shop.cluster.rollout(second, first)
    assert rollout.failed
    assert "it is late" in rollout.message


def test_an_autoscaler_keeps_its_replicas(shop: Shop) -> None:
    shop.apply()
    shop.edit(f"{shop.deployments}/iris-staging", {"spec.replicas": 7})
    shop.promote()
    assert shop.apply().body["spec"]["replicas"] == 7


def test_a_rollback_brings_the_old_uri_and_stays(shop: Shop) -> None:
    first = shop.apply()
    shop.promote()
    shop.apply()
    execute(make_rollback(shop.cluster, STAGED, "iris-staging", "1"), shop.cluster, delete=False)
    assert _uri(shop.live()) == _uri(first)
    assert isinstance(shop.change(), Unchanged)


def _uri(live: LiveDeployment) -> Any:
    return live.body["spec"]["template"]["spec"]["containers"][0]["env"][0]["value"]


def test_what_another_object_controls_is_not_ours(shop: Shop) -> None:
    """KServe copies the labels of its objects to the Deployments that it makes."""
    live = shop.apply()
    controller = {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "name": "wine",
        "uid": "1",
        "controller": True,
    }
    metadata = {
        "name": "wine-predictor",
        "labels": live.body["metadata"]["labels"],
        "ownerReferences": [controller],
    }
    spec = yaml.safe_load(DEPLOYMENT)["spec"]
    spec["selector"] = {"matchLabels": {"app": "wine"}}
    spec["template"]["metadata"] = {"labels": {"app": "wine"}}
    shop.server.call("POST", shop.deployments, {"metadata": metadata, "spec": spec})
    assert isinstance(shop.change(), Unchanged)


def test_a_deployment_and_its_service_are_adopted(shop: Shop) -> None:
    """Somebody's own, of the same name, with the selector that they have."""
    labels = {"app": "iris"}
    body = yaml.safe_load(DEPLOYMENT)
    body["spec"]["selector"] = {"matchLabels": labels}
    body["spec"]["template"]["metadata"] = {"labels": labels}
    shop.server.call("POST", shop.deployments, {"metadata": {"name": "iris-staging"}, **body})
    shop.promote(yaml.safe_dump(body))
    assert isinstance(shop.change(), Blocked)
    adopting = build({"stage": ["Staging"], "adopt": True}, {})
    planned = make_plan(shop.registry, shop.cluster, adopting)
    (outcome,) = execute(planned, shop.cluster, delete=True)
    assert outcome.status in (Status.CREATED, Status.UPDATED)
    assert isinstance(shop.change(), Unchanged)
    assert shop.live().body["spec"]["selector"] == {"matchLabels": labels}


_SERVERS = st.fixed_dictionaries(
    {
        "name": st.just("server"),
        "image": st.sampled_from(["server:1", "rclone-storage-initializer"]),
    },
    optional={
        "env": st.lists(
            st.sampled_from(
                [
                    {"name": "MODEL_URI"},
                    {"name": "MODEL_URI", "value": ""},
                    {"name": "A", "value": "1"},
                ]
            ),
            max_size=2,
            unique_by=lambda each: each["name"],
        ),
        "ports": st.lists(
            st.fixed_dictionaries(
                {"containerPort": st.sampled_from([80, 3000, 0])},
                optional={"name": st.sampled_from(["http", "grpc", "BAD"])},
            ),
            max_size=2,
            unique_by=lambda each: each["containerPort"],
        ),
        "readinessProbe": st.sampled_from([{"httpGet": {"path": "/ping", "port": "http"}}, {}]),
        "resources": st.just({"limits": {"cpu": "500m", "memory": "1024Mi"}}),
    },
)
_SERVICES = st.fixed_dictionaries(
    {},
    optional={
        "metadata": st.fixed_dictionaries(
            {},
            optional={
                "labels": st.sampled_from([{}, {"a": "b"}]),
                "annotations": st.sampled_from([{}, {"a": "b"}]),
            },
        ),
        "spec": st.sampled_from(
            [{}, {"clusterIP": "None"}, {"type": "ClusterIP"}, {"sessionAffinity": "ClientIP"},
             {"ports": [{"port": 80}]}, {"typo": 1}]
        ),
    },
)  # fmt: skip
_SPECS = st.fixed_dictionaries(
    {},
    optional={
        "replicas": st.sampled_from([0, 2]),
        "strategy": st.just({"type": "Recreate"}),
        "minReadySeconds": st.sampled_from([0, 5]),
        "selector": st.just({"matchLabels": {"app": "iris"}}),
    },
)
_TAGS = st.fixed_dictionaries(
    {},
    optional={
        "m2s.io/replicas": st.sampled_from(["0", "3", "x"]),
        "m2s.io/limits.memory": st.sampled_from(["1Gi", "2e9", "1000000000m"]),
        "m2s.io/image": st.sampled_from(["other:1", "B A D"]),
    },
)


@st.composite
def _described(draw: st.DrawFn) -> str:
    template: dict[str, Any] = {"spec": {"containers": [draw(_SERVERS)]}}
    body: dict[str, Any] = {"apiVersion": "apps/v1", "kind": KIND}
    body["spec"] = {**draw(_SPECS), "template": template}
    if "selector" in body["spec"] and draw(st.booleans()):
        template["metadata"] = {"labels": {"app": "iris"}}
    if draw(st.booleans()):
        body["service"] = draw(_SERVICES)
    return yaml.safe_dump(body)


@pytest.mark.thorough
@tried(30, sharing=True)
@given(versions=st.lists(st.tuples(_described(), _TAGS), min_size=1, max_size=3))
def test_whatever_is_described_comes_to_rest(
    shop: Shop, versions: list[tuple[str, dict[str, str]]]
) -> None:
    for path in (shop.deployments, shop.services):
        shop.server.call("DELETE", path)
    registry = FakeRegistry()
    for deploy, tags in versions:
        registry.add("iris", deploy, tags=tags, source="s3://models/iris")
        converge(registry, shop.cluster, STAGED)


def test_a_first_plan_tells_the_model_and_its_image(shop: Shop) -> None:
    change = shop.change()
    assert isinstance(change, Create)
    told = {str(field): field.new for field in change.fields}
    assert told["spec.template.spec.containers[server].env[MODEL_URI].value"].startswith("s3://")
