"""Deployments of several objects on a real API server: the toy keeps its record in a ConfigMap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from m2s.base.errors import ClusterError, Conflict
from m2s.base.labels import MANAGED_BY, PAUSED, PINNED
from m2s.domain.deployments import LiveDeployment
from m2s.domain.resource import CONFIG_MAPS
from m2s.engine.execute import execute
from m2s.engine.outcomes import Outcome
from m2s.engine.reconcile import make_plan
from m2s.engine.rollback import make_rollback
from m2s.plan.changes import Blocked, Change, Create, Unchanged, Update
from m2s.plan.proof import changes_nothing
from m2s.platforms import catalogue
from m2s.settings.build import build
from m2s.targets.kubernetes.namespace import KubernetesCluster, connect
from m2s.targets.kubernetes.watching import KindsWatch
from tests.kits.fakes import FakeRegistry
from tests.kits.platform_kit import EXAMPLES, TOY, install
from tests.servers import ApiServer, FaultProxy, wait_for

STAGED = build({"stage": ["Staging"]}, {})


class Shop:
    """A registry with one toy model, and a namespace reached through a proxy."""

    def __init__(self, server: ApiServer, namespace: str, proxy: FaultProxy) -> None:
        self.registry, self.server, self.proxy = FakeRegistry(), server, proxy
        self.cluster: KubernetesCluster = connect(
            namespace,
            str(server.kubeconfig(server=proxy.url)),
            None,
            request_timeout=2,
            resources=[catalogue.default().resource, TOY.resource],
        )
        self.registry.add("iris", EXAMPLES["toy"].deploy)
        self.maps = f"/api/v1/namespaces/{namespace}/configmaps"
        self.toys = f"/apis/toy.example.org/v1/namespaces/{namespace}/toyservers"

    def change(self) -> Change:
        (change,) = make_plan(self.registry, self.cluster, STAGED).changes
        return change

    def apply(self) -> Outcome:
        plan = make_plan(self.registry, self.cluster, STAGED)
        (outcome,) = execute(plan, self.cluster, delete=True)
        return outcome

    def promote(self) -> None:
        self.registry.move("iris", self.registry.add("iris", EXAMPLES["toy"].deploy), "Staging")

    def live(self) -> LiveDeployment:
        (live,) = self.cluster.list(["ToyServer"])
        return live

    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = self.server.call("GET", f"{self.maps}/iris-staging-toy")
        return found

    def edit_record(self, **metadata: Any) -> None:
        record = self.record()
        for field, texts in metadata.items():
            record["metadata"][field] = {**record["metadata"].get(field, {}), **texts}
        self.server.call("PUT", f"{self.maps}/iris-staging-toy", record)


@pytest.fixture
def shop(
    monkeypatch: pytest.MonkeyPatch,
    api_server: ApiServer,
    namespace: str,
    fault_proxy: Callable[[ApiServer], FaultProxy],
) -> Shop:
    monkeypatch.setattr(catalogue, "ROWS", (*catalogue.ROWS, TOY))
    install(api_server, TOY.resource)
    return Shop(api_server, namespace, fault_proxy(api_server))


def test_the_primary_object_owns_what_is_beside_it(shop: Shop) -> None:
    assert shop.apply().ok
    (toy,) = shop.server.call("GET", shop.toys)["items"]
    assert "annotations" not in toy["metadata"]
    (owner,) = shop.record()["metadata"]["ownerReferences"]
    assert owner["uid"] == toy["metadata"]["uid"]
    assert owner["kind"] == "ToyServer"
    assert shop.live().version == "1"
    same = shop.change()
    assert isinstance(same, Unchanged)
    assert same.manifest
    assert changes_nothing(same.manifest, same.live)  # so that no dry run was needed


@pytest.mark.thorough
@pytest.mark.parametrize("fails", ["configmaps", "toyservers"])
def test_what_a_stopped_run_left_out_is_completed(shop: Shop, fails: str) -> None:
    for promoted in (False, True):
        if promoted:
            shop.promote()
        plan = make_plan(shop.registry, shop.cluster, STAGED)
        shop.proxy.cut(method="PATCH", path=f"{fails}/")
        (outcome,) = execute(plan, shop.cluster, delete=True)
        assert not outcome.ok
        shop.proxy.heal()
        assert shop.apply().ok
        assert isinstance(shop.change(), Unchanged)
        assert shop.live().version == ("2" if promoted else "1")


@pytest.mark.thorough
def test_an_order_never_touches_the_primary_object(shop: Shop) -> None:
    shop.apply()
    shop.promote()
    shop.apply()
    before = shop.live().stored[0]
    plan = make_rollback(shop.cluster, STAGED, "iris-staging", "v2")
    shop.proxy.requests.clear()
    (outcome,) = execute(plan, shop.cluster)
    assert outcome.ok
    assert shop.proxy.count("PATCH", "toyservers") == 0
    assert shop.live().stored[0] == before
    assert shop.record()["metadata"]["annotations"][PINNED] == "2"
    assert shop.live().pin == "2"


def test_a_pause_between_plan_and_apply_holds_both_objects(shop: Shop) -> None:
    shop.apply()
    shop.promote()
    plan = make_plan(shop.registry, shop.cluster, STAGED)
    live = shop.live()
    shop.edit_record(annotations={PAUSED: "true"})
    (outcome,) = execute(plan, shop.cluster)
    assert "it changed since the plan was made" in outcome.message
    with pytest.raises(Conflict, match="it changed since the plan was made"):
        shop.cluster.delete(live)
    assert shop.live().stored[0] == live.stored[0]
    assert shop.live().paused


def test_another_ones_companion_is_refused_in_words(shop: Shop) -> None:
    metadata: dict[str, Any] = {"name": "iris-staging-toy", "labels": {"app": "theirs"}}
    theirs = {"metadata": metadata, "data": {"a": "b"}}
    shop.server.call("POST", shop.maps, theirs)
    change = shop.change()
    assert isinstance(change, Blocked)
    assert "there is a ConfigMap iris-staging-toy that is not m2s's" in change.reason
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "theirs", "uid": "7"}
    metadata |= {"ownerReferences": [owner], "labels": {MANAGED_BY: "m2s"}}
    shop.server.call("PUT", f"{shop.maps}/iris-staging-toy", theirs)
    change = shop.change()
    assert isinstance(change, Blocked)
    assert "ConfigMap iris-staging-toy that belongs to Pod theirs" in change.reason
    assert shop.record()["data"] == {"a": "b"}


@pytest.mark.thorough
def test_one_without_an_owner_that_is_labelled_for_m2s_is_taken_over(shop: Shop) -> None:
    """So it is where the documents of a folder were applied by hand."""
    metadata = {"name": "iris-staging-toy", "labels": {MANAGED_BY: "m2s"}}
    shop.server.call("POST", shop.maps, {"metadata": metadata})
    assert isinstance(shop.change(), Create)
    assert shop.apply().ok
    assert isinstance(shop.change(), Unchanged)


@pytest.mark.thorough
def test_a_companion_that_lost_its_label_or_its_owner_is_mended(shop: Shop) -> None:
    shop.apply()
    for field, lost in (("labels", {}), ("ownerReferences", [])):
        record = shop.record()
        record["metadata"][field] = lost
        shop.server.call("PUT", f"{shop.maps}/iris-staging-toy", record)
        if field == "ownerReferences":
            record["metadata"]["labels"] = {MANAGED_BY: "m2s"}
        assert isinstance(shop.change(), Update)
        assert shop.apply().ok
        assert shop.record()["metadata"]["ownerReferences"]
        assert isinstance(shop.change(), Unchanged)


@pytest.mark.thorough
def test_a_companion_that_is_gone_is_written_again(shop: Shop) -> None:
    shop.apply()
    shop.server.call("DELETE", f"{shop.maps}/iris-staging-toy")
    assert isinstance(shop.change(), Update)
    assert shop.apply().ok
    assert shop.live().version == "1"


def test_a_list_of_something_else_is_no_empty_list_of_companions(shop: Shop) -> None:
    shop.apply()
    shop.proxy.answer(200, {"kind": "ServiceList", "apiVersion": "v1", "items": []}, path="configm")
    with pytest.raises(ClusterError, match="instead of ConfigMapList"):
        shop.change()


def test_a_watch_of_companions_tells_of_an_edit(shop: Shop) -> None:
    seen: list[LiveDeployment] = []
    shop.apply()
    watching = KindsWatch(
        shop.cluster.api, shop.cluster.namespace, ["stage-staging"],
        lambda _, live: seen.append(live) if live else None, resource=CONFIG_MAPS,
    )  # fmt: skip
    watching.start()
    try:
        wait_for(lambda: bool(seen), "the ConfigMap to be told of")
        shop.edit_record(annotations={PAUSED: "true"})
        wait_for(lambda: seen[-1].paused, "its edit to be told of")
    finally:
        watching.stop()
        watching.join(5)
    assert {live.key.name for live in seen} == {"iris-staging-toy"}


def test_what_another_object_controls_is_not_ours(shop: Shop) -> None:
    """KServe puts the labels of an InferenceService onto the Deployments that it makes."""
    path = f"/apis/apps/v1/namespaces/{shop.cluster.namespace}/deployments"
    labels = {MANAGED_BY: "m2s", "m2s.io/owner": "stage-staging"}
    container = {"name": "server", "image": "registry.example/server:1"}
    pod = {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": {"app": "a"}}, "template": pod}
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "maker", "uid": "7", "controller": True}
    for name, owners in (("made", [owner]), ("own", [])):
        metadata = {"name": name, "labels": labels, "ownerReferences": owners}
        shop.server.call("POST", path, {"metadata": metadata, "spec": spec})
    assert [live.key.name for live in shop.cluster.list(["Deployment"])] == ["own"]
    described = yaml.safe_load(EXAMPLES["deployment"].deploy)
    described["metadata"] = {"name": "made"}
    shop.registry.add("other", yaml.safe_dump(described))
    planned = make_plan(shop.registry, shop.cluster, STAGED)
    (refused,) = (each for each in planned.changes if each.key.name == "made")
    assert isinstance(refused, Blocked)
    assert "Deployment made belongs to Pod maker" in refused.reason
