"""Kubernetes Events of a running ``m2s watch``, on the real API server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.kits.support import Models, description
from tests.kits.watch_kit import Start
from tests.kits.worlds import Namespace, World
from tests.servers import ApiServer, FaultProxy, kubernetes_status, wait_for
from tests.servers.apiserver import SELDON_EDIT
from tests.watch.test_watch import edited, replicas, version_of

pytestmark = pytest.mark.slow  # processes that are waited for; `make test-all` runs them

QUICK = ("--interval", "1s")
SYNC = (*QUICK, "--policy", "sync", "--prune-after", "1", "--max-delete", "100%")


def events(objects: Namespace, name: str) -> dict[str, dict[str, Any]]:
    """The Events about one deployment, by their reason: at most one of each."""
    path = f"/api/v1/namespaces/{objects.name}/events"
    found = objects.server.call("GET", path)["items"]
    mine = [each for each in found if each["involvedObject"]["name"] == name]
    by_reason = {each["reason"]: each for each in mine}
    assert len(by_reason) == len(mine), mine
    return by_reason


def await_event(objects: Namespace, name: str, reason: str) -> dict[str, Any]:
    wait_for(lambda: reason in events(objects, name), f"the Event {reason} of {name}")
    return events(objects, name)[reason]


def test_each_change_is_an_event_on_its_deployment(on_cluster: World, start: Start) -> None:
    models, objects = on_cluster.models, on_cluster.objects
    models.add("iris", description("iris"))
    models.add("wine", description("wine"))
    start(*on_cluster.flags, *SYNC)
    await_event(objects, "wine", "Applied")
    uid = {name: body["metadata"]["uid"] for name, body in objects.all().items()}
    models.add("iris", description("iris"), stage=None)
    models.move("iris", 2, "Staging")
    promoted = await_event(objects, "iris", "Promoted")
    about = promoted["involvedObject"]
    assert (about["kind"], about["uid"]) == ("SeldonDeployment", uid["iris"])
    assert (about["apiVersion"], about["name"]) == ("machinelearning.seldon.io/v1", "iris")
    assert (promoted["type"], promoted["message"]) == ("Normal", "promoted v1 → v2")
    assert (promoted["reportingComponent"], promoted["source"]) == ("m2s", {"component": "m2s"})
    objects.patch("iris", edited(7))
    drift = await_event(objects, "iris", "DriftCorrected")
    assert drift["message"].startswith("drifted: edited by kubectl-patch")
    models.move("iris", 1, "Staging")
    assert await_event(objects, "iris", "RolledBack")
    models.move("wine", 1, "Archived")
    gone = await_event(objects, "wine", "Deleted")
    assert (gone["involvedObject"]["uid"], gone["message"]) == (
        uid["wine"],
        "v1 is in Archived now",
    )


def test_what_stays_blocked_is_one_event_and_a_quiet_pass_none(
    on_cluster: World, start: Start, api_server: ApiServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    models, objects = on_cluster.models, on_cluster.objects
    models.add("iris", description("iris"))
    proxy = fault_proxy(api_server)
    config = api_server.kubeconfig(namespace=objects.name, server=proxy.url)
    where = ("--kubeconfig", str(config), "--tracking-uri", models.uri)
    start("--stage", "Staging", *where, *QUICK)
    await_event(objects, "iris", "Applied")
    uid = objects.all()["iris"]["metadata"]["uid"]
    models.add("iris", "kind: Pod", stage=None)
    models.move("iris", 2, "Staging")
    blocked = await_event(objects, "iris", "Blocked")
    assert (blocked["type"], blocked["involvedObject"]["uid"]) == ("Warning", uid)
    assert "kind" in blocked["message"]
    before = proxy.count("GET", r"limit=")
    wait_for(lambda: proxy.count("GET", r"limit=") >= before + 3, "three more passes")
    assert set(events(objects, "iris")) == {"Applied", "Blocked"}
    assert (proxy.count("POST", "/events"), proxy.count("PATCH", "/events")) == (2, 0)


def test_the_same_again_raises_the_count(on_cluster: World, start: Start) -> None:
    models, objects = on_cluster.models, on_cluster.objects
    models.add("iris", description("iris"))
    watch = start(*on_cluster.flags, *QUICK)
    watch.await_line("created iris")

    def counts() -> list[int]:
        found = objects.server.call("GET", f"/api/v1/namespaces/{objects.name}/events")["items"]
        return [each["count"] for each in found if each["reason"] == "DriftCorrected"]

    # The message has the minute of the edit: of three in a row two are of the same one.
    for edit in range(1, 4):
        objects.patch("iris", edited(7))
        watch.await_line("updated iris: drifted", count=edit)
    wait_for(lambda: sum(counts()) == 3, "three drifts")
    assert max(counts()) >= 2


def test_without_the_right_serving_goes_on_and_one_line_says_so(
    api_server: ApiServer, namespace: str, sqlite_registry: str, start: Start
) -> None:
    models, objects = Models(sqlite_registry), Namespace(api_server, namespace)
    token = api_server.user(namespace, [SELDON_EDIT])
    config = api_server.kubeconfig(token, namespace=namespace)
    where = ("--kubeconfig", str(config), "--tracking-uri", sqlite_registry)
    models.add("iris", description("iris"))
    watch = start("--stage", "Staging", *where, *QUICK)
    watch.await_line("may not create events")
    models.add("iris", description("iris"), stage=None)
    models.move("iris", 2, "Staging")
    wait_for(lambda: version_of(objects, "iris") == "2", "v2")
    objects.patch("iris", edited(7))
    wait_for(lambda: replicas(objects, "iris") == 1, "the edit to go")
    watch.await_line("updated iris: drifted")
    assert watch.end() == 0
    assert len(watch.said("events")) == 1, watch.text
    assert watch.said("events")[0]["level"] == "warning"


def test_a_server_that_takes_no_events_holds_nothing_up(
    on_cluster: World, start: Start, api_server: ApiServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    models, objects = on_cluster.models, on_cluster.objects
    proxy = fault_proxy(api_server)
    config = api_server.kubeconfig(namespace=objects.name, server=proxy.url)
    where = ("--kubeconfig", str(config), "--tracking-uri", models.uri)
    gate = proxy.hold(path="/events")
    models.add("iris", description("iris"))
    watch = start("--stage", "Staging", *where, *QUICK)
    wait_for(lambda: version_of(objects, "iris") == "1", "v1")
    models.add("iris", description("iris"), stage=None)
    models.move("iris", 2, "Staging")
    wait_for(lambda: version_of(objects, "iris") == "2", "v2")
    assert not events(objects, "iris")
    gate.set()
    await_event(objects, "iris", "Promoted")
    proxy.heal()
    proxy.answer(500, kubernetes_status(500, "InternalError", "etcd is full"), path="/events")
    objects.patch("iris", edited(7))
    watch.await_line("etcd is full")
    assert replicas(objects, "iris") == 1
    assert watch.end() == 0


def test_a_single_pass_writes_them_before_it_ends(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("iris"))
    assert on_cluster("watch", "--once").code == 0
    assert set(events(on_cluster.objects, "iris")) == {"Applied"}
