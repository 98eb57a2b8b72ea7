"""A pause: an annotation, or a tag in the registry, leaves one deployment as it is."""

from __future__ import annotations

import pytest

from m2s.base.labels import PAUSED
from tests.kits.support import description
from tests.kits.worlds import ON_CLUSTER, ON_FOLDER, World

NAME = "iris-staging"
REPLICAS = [{"op": "replace", "path": "/spec/predictors/0/replicas", "value": 7}]


def pause(world: World, value: str | None = "true") -> None:
    world.objects.patch(NAME, {"metadata": {"annotations": {PAUSED: value}}})


def replicas(world: World) -> int:
    return int(world.objects.all()[NAME]["spec"]["predictors"][0]["replicas"])


def test_an_annotation_pauses_until_it_is_gone(on_cluster: World) -> None:
    on_cluster.models.add("iris")
    on_cluster.models.add("tea")
    on_cluster.apply()
    pause(on_cluster)
    on_cluster.models.add("iris", description(replicas=2))
    on_cluster.models.add("tea", description(replicas=2))
    plan = on_cluster.plan()
    assert plan[NAME]["action"] == "unchanged"
    assert plan[NAME]["reason"] == "paused by its annotation m2s.io/paused; v2 is in Staging"
    assert plan["tea-staging"]["action"] == "update"  # nobody else is
    on_cluster.apply()
    assert replicas(on_cluster) == 1
    pause(on_cluster, None)
    on_cluster.apply()
    assert replicas(on_cluster) == 2


@pytest.mark.parametrize("value", ["false", " False"])
def test_false_pauses_nothing(on_cluster: World, value: str) -> None:
    on_cluster.models.add("iris")
    on_cluster.apply()
    pause(on_cluster, value)
    on_cluster.models.add("iris", description(replicas=2))
    assert on_cluster.actions() == {NAME: "update"}


def test_a_paused_one_is_neither_corrected_nor_deleted(on_cluster: World) -> None:
    on_cluster.models.add("iris")
    on_cluster.models.add("tea")
    on_cluster.apply()
    pause(on_cluster)
    on_cluster.objects.patch(NAME, REPLICAS)
    on_cluster.models.move("iris", 1, "Archived")
    before = on_cluster.objects.snapshot()
    assert on_cluster("apply", "--prune").code == 0
    assert on_cluster("prune", "--yes").code == 0
    assert on_cluster("prune", "--yes", "--all").code == 0
    assert on_cluster.objects.snapshot() == {NAME: before[NAME]}


def test_a_paused_one_is_not_renamed(on_cluster: World) -> None:
    on_cluster.models.add("iris")
    on_cluster.apply()
    pause(on_cluster)
    on_cluster.models.add("iris", description("iris-new"))
    assert on_cluster("apply", "--prune").code == 0
    assert set(on_cluster.objects.all()) == {NAME}


def test_a_new_version_that_cannot_be_deployed_is_no_trouble_meanwhile(on_cluster: World) -> None:
    on_cluster.models.add("iris")
    on_cluster.apply()
    pause(on_cluster)
    on_cluster.models.add("iris", "spec: [")
    assert on_cluster("apply").code == 0
    pause(on_cluster, None)
    assert on_cluster.actions() == {NAME: "blocked"}


@pytest.fixture(params=[ON_CLUSTER, ON_FOLDER])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(request.param)
    return found


@pytest.mark.thorough
def test_a_tag_of_the_registered_model_pauses(world: World) -> None:
    world.models.add("iris")
    world.models.add("tea")
    world.apply()
    world.models.client.set_registered_model_tag("iris", PAUSED, "until monday")
    world.models.client.set_registered_model_tag("tea", PAUSED, "false")
    world.models.add("iris", description(replicas=2))
    world.models.add("tea", description(replicas=2))
    plan = world.plan()
    assert plan[NAME]["reason"] == "paused by the tag m2s.io/paused of iris; v2 is in Staging"
    assert plan["tea-staging"]["action"] == "update"
    world.apply()
    assert replicas(world) == 1
    world.models.client.delete_registered_model_tag("iris", PAUSED)
    world.apply()
    assert replicas(world) == 2


def test_a_tag_of_the_new_version_keeps_the_old_one(world: World) -> None:
    world.models.add("iris")
    world.apply()
    world.models.add("iris", description(replicas=2), tags={PAUSED: "true"})
    assert world.plan()[NAME]["reason"].startswith("paused by the tag m2s.io/paused of iris v2")
    world.apply()
    assert replicas(world) == 1
    world.models.client.delete_model_version_tag("iris", "2", PAUSED)
    world.apply()
    assert replicas(world) == 2


def test_a_paused_model_is_not_deployed_at_all(world: World) -> None:
    world.models.add("iris", model_tags={PAUSED: "true"})
    result = world("plan", "-o", "json")
    assert result.changes == {}
    (skipped,) = result.document["skipped"]
    assert skipped["reason"] == "paused by the tag m2s.io/paused of iris"


def test_a_deploy_yaml_cannot_pause_its_own_deployment(world: World) -> None:
    world.models.add(
        "iris",
        description(NAME).replace(
            f"  name: {NAME}", f"  name: {NAME}\n  annotations: {{{PAUSED}: 'true'}}"
        ),
    )
    world.apply()
    world.models.add("iris", description(NAME, replicas=2))
    assert world.actions() == {NAME: "update"}
