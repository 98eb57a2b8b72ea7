"""``m2s pause``, ``resume``, ``history``, and who ordered what and why."""

from __future__ import annotations

import json

import pytest

from m2s.base.labels import ORDERS, PAUSED
from m2s.domain.deployments import LiveDeployment
from m2s.domain.notes import LENGTH, Note, noted, notes
from m2s.domain.versions import Key
from tests.engine.test_status import show, where
from tests.kits.deployments import body as deployment
from tests.kits.support import Result, description, m2s
from tests.kits.worlds import World
from tests.watch.test_watch import edited, replicas


@pytest.fixture
def iris(on_cluster: World) -> World:
    """Iris serves v2 after v1."""
    on_cluster.models.add("iris", description("iris"))
    on_cluster.apply()
    on_cluster.models.add("iris", description("iris"), stage=None)
    on_cluster.models.move("iris", 2, "Staging")
    on_cluster.apply()
    return on_cluster


def order(world: World, command: str, *argv: str) -> Result:
    result = m2s(command, "iris", *where(world), *argv)
    assert result.code == 0, result
    return result


def events(world: World) -> dict[str, str]:
    """The messages of the Events about iris, by their reason."""
    path = f"/api/v1/namespaces/{world.objects.name}/events"
    found = world.objects.server.call("GET", path)["items"]
    return {one["reason"]: one["message"] for one in found if one["source"]["component"] == "m2s"}


@pytest.mark.thorough
def test_a_pause_notes_who_and_why_and_touches_nothing_else(iris: World) -> None:
    iris.objects.patch("iris", edited(7))
    result = order(iris, "pause", "--message", "load test")
    assert "paused by admin: load test; `m2s resume iris` lifts it" in result.out
    body = iris.objects.all()["iris"]
    assert replicas(iris.objects, "iris") == 7, "the edit stays"
    assert body["metadata"]["annotations"][PAUSED] == "true"
    assert iris.actions() == {"iris": "unchanged"}
    assert events(iris)["Paused"].startswith("paused by admin: load test")
    assert "paused: m2s leaves it as it is (paused by admin at 20" in show(iris).out
    assert "it is paused already" in order(iris, "pause").out
    order(iris, "resume")
    assert PAUSED not in iris.objects.all()["iris"]["metadata"]["annotations"]
    iris.apply()
    assert replicas(iris.objects, "iris") == 1
    past = order(iris, "history", "-o", "json").document["deployments"][0]["orders"]
    assert [(one["what"], one["by"], one["message"]) for one in past] == [
        ("resumed", "admin", ""), ("paused", "admin", "load test"),
    ]  # fmt: skip
    assert iris.actions() == {"iris": "unchanged"}


def test_a_pause_by_kubectl_is_lifted_too(iris: World) -> None:
    iris.objects.patch("iris", {"metadata": {"annotations": {PAUSED: ""}}})
    order(iris, "resume")
    assert PAUSED not in iris.objects.all()["iris"]["metadata"]["annotations"]
    assert "it is not paused here" in order(iris, "resume").out


def test_a_rollback_is_noted_in_the_history_and_in_an_event(iris: World) -> None:
    order(iris, "rollback", "--message", "v2 is slow; token=hunter2-secret-value")
    out = order(iris, "history").out
    assert "rolled back" in out
    assert "v2 is slow" in out
    assert "hunter2" not in out
    assert events(iris)["RolledBack"].startswith("rolled back by admin: v2 is slow")
    iris.apply()
    assert "v2 is slow" in order(iris, "history", "-o", "markdown").out, "an apply keeps it"
    order(iris, "rollback", "--unpin")
    assert "Unpinned" not in events(iris), "without a message it is as it was"


def test_adopt_and_prune_note_it_too(on_cluster: World) -> None:
    models, objects = on_cluster.models, on_cluster.objects
    objects.create(deployment(objects.name, "iris", owner=None))
    models.add("iris", description("iris"))
    assert on_cluster("apply", "--adopt", "--message", "ours now").code == 0
    assert "ours now" in order(on_cluster, "history").out
    assert events(on_cluster)["Applied"].startswith("adopted by admin: ours now")
    models.move("iris", 1, "Archived")
    models.add("tea", description("tea"))
    assert on_cluster("prune", "--yes", "--max-delete", "1", "--message", "done").code == 0
    assert events(on_cluster)["Deleted"].startswith("pruned by admin: done")


def test_a_folder_keeps_the_note_without_a_name(on_folder: World) -> None:
    on_folder.models.add("iris", description("iris"))
    on_folder.apply()
    target = on_folder.flags[on_folder.flags.index("--target") :]
    assert m2s("pause", "iris", *target, "--message", "wait").code == 0
    assert on_folder.actions() == {"iris": "unchanged"}
    assert m2s("resume", "iris", *target).code == 0
    on_folder.models.add("iris", description("iris"))
    on_folder.apply()
    assert "wait" in m2s("history", "iris", *target).out


def test_the_last_orders_are_kept_and_nobody_elses_text_is_a_traceback() -> None:
    live = LiveDeployment(Key("default", "iris"), {"metadata": {"name": "iris"}})
    for number in range(LENGTH + 2):
        told = noted(live, Note(what="paused", message=f"{number}" * 3000))
        live = LiveDeployment(live.key, {"metadata": {"annotations": told}})
    kept = notes(live)
    assert (len(kept), kept[0].message[:2]) == (LENGTH, "11")
    assert len(live.annotations[ORDERS]) < 10_000
    for text in ("", "{", "[1]", "{}", "7", '[{"what": []}]', json.dumps([[]])):
        notes(LiveDeployment(live.key, {"metadata": {"annotations": {ORDERS: text}}}))
