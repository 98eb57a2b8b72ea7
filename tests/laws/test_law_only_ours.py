"""Law 5: only our own objects are touched, and deletions stay within a stated budget."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from m2s.base.labels import KEEP, MANAGED_BY, MODEL, OWNER
from tests.kits.support import seldon
from tests.kits.worlds import World


def fill(world: World, count: int) -> list[str]:
    """Deploy so many models; returns their names."""
    models = [f"m{number}" for number in range(count)]
    for model in models:
        world.models.add(model)
    world.apply()
    return models


def archive(world: World, models: list[str]) -> None:
    for model in models:
        world.models.move(model, 1, "Archived")


def others(world: World) -> dict[str, Any]:
    """Put other people's deployments beside ours: everything but m2s's label with our owner."""
    labels = [
        {}, {"app": "by-hand"}, {OWNER: "stage-staging"}, {MANAGED_BY: "m2s"},
        {MANAGED_BY: "m2s", OWNER: "stage-production"},
        {MANAGED_BY: "argo", OWNER: "stage-staging"},
    ]  # fmt: skip
    for number, mine in enumerate(labels):
        body = seldon(f"other-{number}")
        body["metadata"] |= {"labels": mine, "annotations": {MODEL: f"m{number}"}}
        world.objects.create(body)
    made = world.objects.all()
    return {name: copy.deepcopy(body) for name, body in made.items() if name.startswith("other-")}


def test_other_peoples_objects_stay_as_they_are(on_cluster: World) -> None:
    foreign = others(on_cluster)
    models = fill(on_cluster, 3)
    archive(on_cluster, models[:1])
    on_cluster.apply("--prune")
    assert on_cluster("prune", "--all", "--yes").code == 0
    assert on_cluster.objects.all() == foreign


@pytest.mark.parametrize("label", [{}, {MANAGED_BY: "m2s", OWNER: "stage-production"}])
def test_a_name_that_is_taken_is_blocked(on_cluster: World, label: dict[str, str]) -> None:
    body = seldon("iris-staging")
    body["metadata"]["labels"] = label
    on_cluster.objects.create(body)
    before = on_cluster.objects.all()
    on_cluster.models.add("iris")
    result = on_cluster("apply", "--prune", "-o", "json")
    assert result.code == 1
    assert result.changes["iris-staging"]["action"] == "blocked"
    assert on_cluster.objects.all() == before


def test_one_deployment_of_two_owners_selectors_is_each_ones_own(on_cluster: World) -> None:
    on_cluster.models.add("iris", alias="champion")
    on_cluster.apply()
    flags = on_cluster.flags[2:]
    champion = World(on_cluster.models, on_cluster.objects, ("--alias", "champion", *flags))
    champion.apply("--prune")
    assert on_cluster.objects.all().keys() == {"iris-staging", "iris-champion"}
    on_cluster.models.alias("iris", "champion", None)
    on_cluster.apply("--prune")
    assert on_cluster.objects.all().keys() == {"iris-staging", "iris-champion"}
    assert champion("prune", "--all", "--yes").code == 0
    assert on_cluster.objects.all().keys() == {"iris-staging"}


@pytest.mark.parametrize("command", [("apply", "--prune"), ("prune", "--yes")], ids=" ".join)
def test_deletions_over_the_budget_are_refused(on_folder: World, command: tuple[str, ...]) -> None:
    models = fill(on_folder, 8)
    archive(on_folder, models[:6])
    on_folder.models.add("new")
    before = on_folder.objects.snapshot()
    refused = on_folder(*command)
    assert refused.code == 3
    assert "6 of 8" in refused.error
    assert on_folder.objects.snapshot() == before
    assert on_folder(*command, "--max-delete", "50%").code == 3
    assert on_folder(*command, "--max-delete", "5").code == 3
    assert on_folder.objects.snapshot() == before
    assert on_folder(*command, "--max-delete", "6").code == 0
    assert on_folder.objects.snapshot().keys() - {"new-staging"} == {"m6-staging", "m7-staging"}


@pytest.mark.thorough
def test_the_budget_is_the_larger_of_a_count_and_a_share(on_folder: World) -> None:
    models = fill(on_folder, 20)
    archive(on_folder, models[:6])
    assert on_folder("prune", "--yes").code == 0
    archive(on_folder, models[6:12])
    assert on_folder("prune", "--yes").code == 3
    assert on_folder("prune", "--yes", "--max-delete", "100%").code == 0
    assert len(on_folder.objects.snapshot()) == 8


def test_apply_without_prune_is_not_stopped_by_the_budget(on_folder: World) -> None:
    archive(on_folder, fill(on_folder, 8)[:6])
    on_folder.models.add("new")
    on_folder.apply()
    assert len(on_folder.objects.snapshot()) == 9


@pytest.mark.parametrize("command", [("apply",), ("apply", "--prune"), ("prune", "--yes")])
def test_an_emptied_registry_is_a_question(on_folder: World, command: tuple[str, ...]) -> None:
    archive(on_folder, fill(on_folder, 2))
    before = on_folder.objects.snapshot()
    refused = on_folder(*command, "--max-delete", "100%")
    assert refused.code == 3
    assert "prune --all" in refused.error
    assert on_folder.objects.snapshot() == before
    assert on_folder("plan").code == 0
    assert on_folder("prune", "--all", "--yes").code == 0
    assert on_folder.objects.snapshot() == {}


@pytest.mark.parametrize("value", ["true", "", "please"])
def test_an_object_to_be_kept_is_never_deleted(on_cluster: World, value: str) -> None:
    archive(on_cluster, fill(on_cluster, 2)[:1])
    on_cluster.objects.patch("m0-staging", {"metadata": {"annotations": {KEEP: value}}})
    on_cluster.apply("--prune")
    assert "m2s.io/keep" in on_cluster.plan()["m0-staging"]["reason"]
    assert on_cluster("prune", "--all", "--yes").code == 0
    assert on_cluster.objects.all().keys() == {"m0-staging"}
    on_cluster.objects.patch("m0-staging", {"metadata": {"annotations": {KEEP: "false"}}})
    assert on_cluster("prune", "--all", "--yes").code == 0
    assert on_cluster.objects.all() == {}


def test_an_object_that_lost_its_model_is_left_alone(on_cluster: World) -> None:
    archive(on_cluster, fill(on_cluster, 2)[:1])
    on_cluster.objects.patch("m0-staging", {"metadata": {"annotations": {MODEL: None}}})
    assert on_cluster("apply", "--prune").code == 1
    assert on_cluster.objects.all().keys() == {"m0-staging", "m1-staging"}


def test_a_narrowed_run_touches_nothing_else(on_cluster: World) -> None:
    for model in ("iris-a", "iris-b", "wine"):
        on_cluster.models.add(model)
    on_cluster.apply()
    archive(on_cluster, ["iris-a", "wine"])
    on_cluster.models.add("wine-2")
    before = on_cluster.objects.all()
    on_cluster.apply("--prune", "--model", "iris-*")
    after = on_cluster.objects.all()
    assert after == {name: before[name] for name in ("iris-b-staging", "wine-staging")}
    assert on_cluster("prune", "--all", "--yes", "--model", "wine").code == 0
    assert on_cluster.objects.all() == {"iris-b-staging": before["iris-b-staging"]}
