"""An object that is being deleted and wanted again: told, and created once it is gone."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from m2s.base.errors import Conflict
from m2s.domain.deployments import LiveDeployment
from m2s.targets.kubernetes.namespace import connect
from m2s.watch.triggers import CLUSTER, Triggers
from tests.kits.deployments import manifest_of
from tests.kits.support import m2s
from tests.kits.worlds import World

NAME = "iris-staging"
WAITS = "example.com/waits"


@pytest.fixture
def leaving(on_cluster: World) -> World:
    """A cluster with one deployment, which a finalizer keeps from being gone."""
    on_cluster.models.add("iris")
    on_cluster.apply()
    delete(on_cluster)
    return on_cluster


def delete(world: World) -> None:
    world.objects.patch(NAME, {"metadata": {"finalizers": [WAITS]}})
    world.objects.delete(NAME)
    assert world.objects.all()[NAME]["metadata"]["deletionTimestamp"]


def let_go(world: World) -> None:
    world.objects.patch(NAME, {"metadata": {"finalizers": None}})


def asked(world: World, command: str, *argv: str) -> Any:
    """Run a command that needs no registry."""
    flags = world.flags[world.flags.index("--kubeconfig") :]
    return m2s(command, *flags, *argv)


@pytest.mark.thorough
def test_it_is_said_until_it_is_gone_and_then_it_is_created(leaving: World) -> None:
    before = leaving.objects.snapshot()
    change = leaving.plan()[NAME]
    assert change["action"] == "blocked"
    assert change["reason"].startswith(f"{NAME} is being deleted since ")
    assert change["reason"].endswith(
        f"UTC, and waits for the finalizer {WAITS}; it is created again once it is gone"
    )
    result = leaving("apply")
    assert result.code == 1
    assert "is being deleted since" in result.out
    assert "nothing to do" not in result.out.lower()
    status = asked(leaving, "status", NAME)
    assert f"and waits for the finalizer {WAITS}" in " ".join(status.out.split())
    (one,) = asked(leaving, "status", "-o", "json").document["deployments"]
    assert one["deleting"]
    rollback = asked(leaving, "rollback", NAME, "--yes")
    assert rollback.error.startswith(f"{NAME} is being deleted since")
    assert leaving.objects.snapshot() == before
    let_go(leaving)
    assert leaving.actions() == {NAME: "create"}
    leaving.apply()
    assert leaving.actions() == {NAME: "unchanged"}


@pytest.mark.thorough
def test_what_nothing_wants_is_not_deleted_over_and_over(leaving: World) -> None:
    leaving.models.add("wine")
    leaving.models.move("iris", 1, "Archived")
    leaving.apply()
    change = leaving.plan()[NAME]
    assert (change["action"], change["reason"][:16]) == ("unchanged", "is being deleted")
    result = leaving("apply", "--prune")
    assert result.code == 0
    assert "0 to delete" in result.out
    assert asked(leaving, "prune", "--all", "--stage", "Staging", "--yes").code == 0
    assert set(leaving.objects.all()) == {NAME}
    again = asked(leaving, "prune", "--all", "--stage", "Staging", "--yes").out
    assert "0 to delete, 1 unchanged" in again


def test_a_deletion_after_the_plan_is_no_success(on_cluster: World) -> None:
    on_cluster.models.add("iris")
    on_cluster.apply()
    kubeconfig = on_cluster.flags[on_cluster.flags.index("--kubeconfig") + 1]
    cluster = connect(on_cluster.objects.name, kubeconfig, None)
    (live,) = cluster.list()
    body = {key: live.body[key] for key in ("apiVersion", "kind", "spec")}
    metadata = {
        key: live.body["metadata"][key] for key in ("name", "namespace", "labels", "annotations")
    }
    wanted = manifest_of({**body, "metadata": metadata})
    delete(on_cluster)
    for over in (live, None):
        with pytest.raises(Conflict, match="it is being deleted"):
            cluster.apply(wanted, over)


def test_a_deletion_that_begins_asks_for_a_pass() -> None:
    key: Any = object()
    body: dict[str, Any] = {"metadata": {"name": "a", "namespace": "b"}, "spec": {"replicas": 1}}
    before = LiveDeployment(key, body)
    metadata = {**body["metadata"], "deletionTimestamp": "2026-11-21T12:03:00Z"}
    triggers = Triggers()
    report: Any = SimpleNamespace(plan=True, left=lambda: {key: before})
    triggers.left(report, ())
    triggers.observe(key, before)
    assert triggers.pending() is None
    triggers.observe(key, LiveDeployment(key, {**body, "metadata": metadata}))
    assert triggers.pending() == CLUSTER
