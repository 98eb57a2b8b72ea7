"""A running ``m2s watch`` between a registry and a namespace of the real API server."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kits.support import Models, description
from tests.kits.watch_kit import Start
from tests.kits.worlds import Namespace, World
from tests.servers import ApiServer, FaultProxy, MlflowServer, wait_for

pytestmark = pytest.mark.slow  # processes that are waited for; `make test-all` runs them

LONG = ("--interval", "1h")
"""What happens within a test is then a trigger's doing."""
QUICK = ("--interval", "1s")


def version_of(objects: Any, name: str) -> str:
    body = objects.all().get(name, {"metadata": {"annotations": {}}})
    return str(body["metadata"]["annotations"].get("m2s.io/version", ""))


def replicas(objects: Namespace, name: str) -> int:
    return int(objects.all()[name]["spec"]["predictors"][0]["replicas"])


def edited(count: int) -> list[dict[str, Any]]:
    return [{"op": "replace", "path": "/spec/predictors/0/replicas", "value": count}]


def test_a_promotion_is_served_and_an_archived_model_goes(on_cluster: World, start: Start) -> None:
    models, objects = on_cluster.models, on_cluster.objects
    models.add("iris", description("iris"))
    models.add("wine", description("wine"))
    flags = (*on_cluster.flags, *QUICK, "--policy", "sync", "--prune-after", "2")
    watch = start(*flags, "--max-delete", "100%", "--no-preflight")
    wait_for(lambda: len(objects.all()) == 2, "both")
    models.add("iris", description("iris"), stage=None)
    models.move("iris", 2, "Staging")
    wait_for(lambda: version_of(objects, "iris") == "2", "iris v2")
    models.move("wine", 1, "Archived")
    wait_for(lambda: set(objects.all()) == {"iris"}, "wine to go")
    assert watch.end() == 0
    assert set(objects.all()) == {"iris"}
    told = [line["message"] for line in watch.lines[1:-1]]
    assert sorted(told[:2]) == ["created iris: v1 is in Staging", "created wine: v1 is in Staging"]
    assert told[2:] == ["updated iris: promoted v1 → v2", "deleted wine: v1 is in Archived now"]
    last = watch.lines[-2]
    assert (last["deployment"], last["model"], last["version"]) == ("wine", "wine", "1")
    assert (last["level"], last["action"], last["trigger"]) == ("info", "delete", "interval")


def test_an_edit_by_hand_is_taken_back_and_a_status_is_not_our_business(
    on_cluster: World, start: Start, api_server: ApiServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    models, objects = on_cluster.models, on_cluster.objects
    models.add("iris", description("iris"))
    proxy = fault_proxy(api_server)
    config = api_server.kubeconfig(namespace=objects.name, server=proxy.url)
    where = ("--kubeconfig", str(config), "--tracking-uri", models.uri)
    watch = start("--stage", "Staging", *where, *LONG)
    watch.await_line("created iris")
    wait_for(lambda: proxy.count("GET", "watch=true"), "the watch")
    objects.patch("iris", edited(7))
    watch.await_line("updated iris: drifted: edited by kubectl-patch")
    assert watch.said("updated iris")[0]["trigger"] == "cluster"
    assert replicas(objects, "iris") == 1
    # Neither a status nor the autoscaler's field nor what m2s wrote itself asks for a pass ...
    objects.patch("iris", {"status": {"state": "Available"}}, part="status")
    objects.patch("iris", {"spec": {"replicas": 3}})
    objects.delete("iris")
    # ... but the deletion that came after them does: one pass, no more.
    watch.await_line("created iris", count=2)
    passes = [
        request for request in proxy.requests
        if request.method == "GET" and "limit=" in request.path and "watch" not in request.path
    ]  # fmt: skip
    assert len(passes) == 3
    assert watch.end() == 0


def test_a_restarted_server_and_a_broken_stream_are_survived(
    own_api_server: ApiServer, sqlite_registry: str, start: Start
) -> None:
    models, name = Models(sqlite_registry), own_api_server.namespace()
    objects = Namespace(own_api_server, name)
    models.add("iris", description("iris"))
    config = own_api_server.kubeconfig(namespace=name)
    flags = ("--stage", "Staging", "--tracking-uri", sqlite_registry, "--kubeconfig", str(config))
    watch = start(*flags, *QUICK, "--prune", "--prune-after", "1", "--max-delete", "100%")
    watch.await_line("created iris")
    own_api_server.stop()
    models.add("wine", description("wine"))
    failure = watch.await_line("cannot be reached", count=1)
    assert failure["level"] in ("error", "warning")
    own_api_server.start()
    watch.await_line("created wine")
    watch.await_line("edits are noticed at once again")
    objects.patch("iris", edited(7))
    watch.await_line("updated iris: drifted")
    assert len(objects.all()) == 2
    assert watch.end() == 0


def test_an_outage_of_mlflow_deletes_nothing(
    on_cluster: World, mlflow_server: MlflowServer, start: Start,
    fault_proxy: Callable[..., FaultProxy],
) -> None:  # fmt: skip
    models, objects = Models(mlflow_server.uri, mlflow_server.database), on_cluster.objects
    proxy = fault_proxy(mlflow_server)
    for name in ("outage-a", "outage-b"):
        models.add(name, description(name), stage=None, alias="outage")
    config = objects.server.kubeconfig(namespace=objects.name)
    flags = ("--alias", "outage", "--tracking-uri", proxy.url, "--kubeconfig", str(config))
    sync = ("--policy", "sync", "--prune-after", "1", "--max-delete", "100%")
    watch = start(*flags, *QUICK, *sync, MLFLOW_HTTP_REQUEST_MAX_RETRIES="0")
    wait_for(lambda: len(objects.all()) == 2, "both")
    before = objects.snapshot()
    models.alias("outage-b", "outage", None)
    proxy.cut()
    down = proxy.count()
    watch.await_line("MLflow at")
    wait_for(lambda: proxy.count() >= down + 3, "it to be asked again")
    assert objects.snapshot() == before
    told = [line["message"] for line in watch.said("MLflow at")]
    assert len(told) == len(set(told))  # the same trouble is told once
    proxy.heal()
    wait_for(lambda: set(objects.all()) == {"outage-a"}, "recovery")
    watch.await_line("all can be read and done again")
    assert watch.end() == 0


def test_a_term_signal_finishes_the_write_in_hand_and_begins_no_other(
    on_cluster: World, api_server: ApiServer, start: Start, fault_proxy: Callable[..., FaultProxy]
) -> None:
    models, objects = on_cluster.models, on_cluster.objects
    for name in ("a", "b", "c"):
        models.add(name, description(name))
    proxy = fault_proxy(api_server)
    config = api_server.kubeconfig(namespace=objects.name, server=proxy.url)
    writing = r"\?(?!.*dryRun)"
    gate = proxy.hold(method="PATCH", path=writing)
    elected = ("--leader-elect", "--lease-name", "m2s-term", "--concurrency", "1")
    where = ("--kubeconfig", str(config), "--tracking-uri", models.uri)
    watch = start("--stage", "Staging", *where, *elected, "--policy", "sync")
    wait_for(lambda: proxy.count("PATCH", writing), "the first write")
    watch.send(signal.SIGTERM)
    watch.await_line("stopping: SIGTERM")
    gate.set()
    assert watch.wait() == 0
    assert len(objects.all()) == 1
    assert proxy.count("PATCH", writing) == 1
    assert proxy.count("DELETE") == 0
    path = f"/apis/coordination.k8s.io/v1/namespaces/{objects.name}/leases/m2s-term"
    assert not api_server.call("GET", path)["spec"]["holderIdentity"]
    assert watch.said("2 changes were not attempted")
    assert "Traceback" not in watch.text


def test_a_term_signal_does_not_wait_for_a_hung_read(
    on_cluster: World, api_server: ApiServer, start: Start, fault_proxy: Callable[..., FaultProxy]
) -> None:
    on_cluster.models.add("iris", description("iris"))
    proxy = fault_proxy(api_server)
    proxy.hold(method="GET", path="limit=")
    config = api_server.kubeconfig(namespace=on_cluster.objects.name, server=proxy.url)
    where = ("--kubeconfig", str(config), "--tracking-uri", on_cluster.models.uri)
    watch = start("--stage", "Staging", *where, "--request-timeout", "10m")
    wait_for(lambda: proxy.count("GET", "limit="), "the read")
    assert watch.end() == 0
    assert "Traceback" not in watch.text


def test_a_changed_file_is_taken_over_and_a_broken_one_is_not(
    on_folder: World, start: Start, tmp_path: Path
) -> None:
    models, objects = on_folder.models, on_folder.objects
    models.add("iris", description("iris"))
    models.add("wine", description("wine"), stage="Production")
    # As a ConfigMap is mounted: m2s.yaml is a link into a folder that is replaced as a whole.
    for number, text in enumerate(("stage: Staging", "stage: Production", "stagge: None")):
        (tmp_path / f"v{number}").mkdir()
        (tmp_path / f"v{number}" / "m2s.yaml").write_text(text)

    def turn(number: int) -> None:
        (tmp_path / "new").symlink_to(f"v{number}")
        (tmp_path / "new").replace(tmp_path / "data")

    turn(0)
    (tmp_path / "m2s.yaml").symlink_to("data/m2s.yaml")
    where = ("--tracking-uri", models.uri, "--target", f"dir:{objects.path.parent}")
    watch = start(*where, *LONG)
    watch.await_line("created iris")
    turn(1)
    watch.await_line("settings reloaded")
    watch.await_line("created wine")
    turn(2)
    assert "m2s.yaml:1: stagge: no such key" in watch.await_line("kept the settings")["message"]
    models.add("wine", description("wine"), stage=None)
    models.move("wine", 2, "Production")
    watch.send(signal.SIGHUP)
    watch.await_line("updated wine: promoted v1 → v2")
    assert watch.end(signal.SIGINT) == 0
    assert set(objects.all()) == {"iris", "wine"}
