"""A whole day of ``m2s watch`` under exactly the chart's Role, with everything that can happen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kits.chart_kit import Helm
from tests.kits.day_kit import Controller, Day, controller
from tests.kits.pod_kit import install
from tests.kits.watch_kit import Start
from tests.observers.test_events import await_event
from tests.servers import ApiServer, FaultProxy, MlflowServer, wait_for
from tests.watch.test_watch import edited, replicas

pytestmark = pytest.mark.slow  # processes that are waited for; `make test-all` runs them

PRUNE_AFTER = 3
MODELS = ("iris", "wine", "rye", "oak")


@pytest.fixture
def day(
    helm: Helm, own_api_server: ApiServer, mlflow_server_factory: Callable[..., MlflowServer],
    fault_proxy: Callable[..., FaultProxy], tmp_path: Path,
) -> Day:  # fmt: skip
    values = ("mlflow.stage=Staging", "policy=sync", f"pruneAfter={PRUNE_AFTER}")
    account = install(helm, own_api_server, tmp_path / "mount", *values)
    return Day(own_api_server, mlflow_server_factory(), account, fault_proxy(own_api_server))


def test_a_full_day(day: Day, start: Start) -> None:
    first, neighbours = day.account.rotate(), day.neighbours()
    for model in MODELS:
        day.add(model)
    pod = controller(day, start, "--interval", "1s")
    born = deployments(day, pod)
    promotion(day)
    drift(day, pod)
    archive(day)
    outage_of_mlflow(day, pod)
    assert not pod.watch.said("may not"), pod.watch.text
    restart_of_the_api_server(day, pod)
    started = len(pod.watch.said("may not"))  # by a server that has not read its Roles yet
    second = day.account.rotate()
    day.account.revoke(first)
    lost_lease(day, pod)
    day.account.await_refusal(first)
    day.add("oat")
    day.await_version("oat", "1")
    assert day.writes("PATCH")[-1] == ("oat", second.text)

    now = day.objects.all()
    assert {name: now[name] for name in neighbours} == neighbours
    assert set(now) == {"iris", "rye", "oat", *neighbours}
    assert [now[name]["metadata"]["uid"] for name in ("iris", "rye")] == [born["iris"], born["rye"]]
    assert day.deleted() == [("wine", born["wine"]), ("oak", born["oak"])]
    assert {name for name, _ in day.writes("PATCH")} == {*MODELS, "oat"}
    assert day.plan_as_user() == 0
    books(pod)
    assert len(pod.watch.said("may not")) == started, pod.watch.text
    assert pod.watch.end() == 0
    assert "Traceback" not in pod.watch.text


def deployments(day: Day, pod: Controller) -> dict[str, str]:
    """Return the uids of what is served first."""
    for model in MODELS:
        await_event(day.objects, model, "Applied")
    assert pod.page("/readyz") == "ok\n"
    pod.watch.await_line("leading as")
    assert len(pod.watch.said("watching stage=Staging")) == 1
    return {name: body["metadata"]["uid"] for name, body in day.objects.all().items()}


def promotion(day: Day) -> None:
    day.await_version("iris", day.promote("iris"))
    await_event(day.objects, "iris", "Promoted")


def drift(day: Day, pod: Controller) -> None:
    day.objects.patch("iris", edited(7))
    pod.watch.await_line("updated iris: drifted: edited by kubectl-patch")
    assert replicas(day.objects, "iris") == 1


def archive(day: Day) -> None:
    """What left the stage is deleted, but only when it was gone in several passes in a row."""
    day.models.move("wine", 1, "Archived")
    before = day.passes()  # of which the last may have seen it already
    wait_for(lambda: "wine" not in day.objects.all(), "wine to go")
    assert day.passes() >= before + PRUNE_AFTER - 1
    await_event(day.objects, "wine", "Deleted")


def outage_of_mlflow(day: Day, pod: Controller) -> None:
    version = day.add("rye", stage=None)
    day.mlflow.stop()
    pod.watch.await_line("MLflow at")
    day.offline.move("rye", version, "Staging")
    day.offline.move("oak", 1, "Archived")
    before = day.objects.snapshot()
    wait_for(lambda: pod.value("m2s_reconcile_total", result="error") >= 2, "vain passes")
    assert (pod.page("/healthz"), day.objects.snapshot()) == ("ok\n", before)
    passed = pod.value("m2s_reconcile_total", result="success")
    day.mlflow.start()
    day.await_version("rye", str(version))
    pod.watch.await_line("all can be read and done again")
    wait_for(lambda: "oak" not in day.objects.all(), "oak to go")
    # Passes that could not read count for nothing; the one that deleted it may not be over yet.
    assert pod.value("m2s_reconcile_total", result="success") >= passed + PRUNE_AFTER - 1


def restart_of_the_api_server(day: Day, pod: Controller) -> None:
    day.server.stop()
    errors = pod.value("m2s_reconcile_total", result="error")
    version = day.promote("iris")
    wait_for(lambda: pod.value("m2s_reconcile_total", result="error") > errors, "a vain pass")
    assert pod.page("/healthz") == "ok\n"
    day.server.start()
    day.await_version("iris", version)
    pod.watch.await_line("edits are noticed at once again")


def lost_lease(day: Day, pod: Controller) -> None:
    """Nothing is written while another holds the Lease; what was missed is done afterwards."""
    led = len(pod.watch.said("leading as"))
    with day.usurped():
        pod.watch.await_line("no longer leading, nothing more is written")
        assert pod.value("m2s_leader") == 0
        version, before = day.promote("rye"), day.objects.snapshot()
        looks = day.proxy.count("GET", "leases/")
        wait_for(lambda: day.proxy.count("GET", "leases/") >= looks + 2, "it to ask for the Lease")
        assert (pod.page("/readyz"), day.objects.snapshot()) == ("ok\n", before)
    day.await_version("rye", version)
    pod.watch.await_line("leading as", count=led + 1)


def books(pod: Controller) -> None:
    """What the one process that was there all day has counted."""
    changes = "m2s_changes_total"
    assert pod.value(changes, action="create", status="created") == 5
    assert pod.value(changes, action="update", status="updated") == 5
    assert pod.value(changes, action="delete", status="deleted") == 2
    assert pod.value("m2s_leader") == 1
    for model, version in (("iris", "3"), ("rye", "3"), ("oat", "1")):
        served = {"model": model, "version": version, "deployment": model}
        assert pod.value("m2s_served_model_info", selector="stage=Staging", **served) == 1
