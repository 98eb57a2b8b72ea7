"""Names that move: a renamed deployment, and a name that passes from one model to another."""

from __future__ import annotations

from typing import Any

import pytest

from m2s.base.labels import MODEL
from tests.kits.support import description
from tests.kits.worlds import World

TYPO = description("d").replace("modelUri", "modelURI")


def serving(world: World) -> dict[str, str]:
    """Return which model each object serves."""
    bodies: dict[str, Any] = world.objects.all()
    return {name: body["metadata"]["annotations"][MODEL] for name, body in bodies.items()}


@pytest.mark.thorough
def test_the_old_name_goes_once_the_new_one_is_there(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("old"))
    on_cluster.apply()
    on_cluster.models.add("iris", description("new"))
    planned = on_cluster.plan()
    assert {name: planned[name]["action"] for name in planned} == {"new": "create", "old": "delete"}
    assert planned["old"]["reason"] == "iris is served as new now"
    result = on_cluster("prune", "--yes")
    assert result.code == 0
    assert "new is not there yet: apply first" in result.out
    assert serving(on_cluster) == {"old": "iris"}
    on_cluster.apply()
    assert serving(on_cluster) == {"old": "iris", "new": "iris"}
    assert on_cluster("prune", "--yes").code == 0
    assert serving(on_cluster) == {"new": "iris"}


def test_apply_with_prune_renames_in_one_go(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("old"))
    on_cluster.apply()
    on_cluster.models.add("iris", description("new"))
    on_cluster.apply("--prune")
    assert serving(on_cluster) == {"new": "iris"}


def test_the_old_name_stays_when_the_new_one_is_refused(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("old"))
    on_cluster.apply()
    on_cluster.models.add("iris", TYPO)
    planned = on_cluster.plan()
    assert {name: planned[name]["action"] for name in planned} == {
        "d": "blocked",
        "old": "unchanged",
    }
    assert planned["old"]["reason"] == "held: d is blocked"
    assert on_cluster("apply", "--prune").code == 1
    assert serving(on_cluster) == {"old": "iris"}


@pytest.mark.thorough
def test_prune_waits_for_a_name_that_another_model_has_yet(on_cluster: World) -> None:
    """The name to come serves the model that leaves: iris is served by "a" only."""
    on_cluster.models.add("iris", description("a"))
    on_cluster.models.add("wine", description("b"))
    on_cluster.models.add("other")
    on_cluster.apply()
    on_cluster.models.move("wine", 1, "Archived")
    on_cluster.models.add("iris", description("b"))
    planned = on_cluster.plan()
    assert planned["a"]["reason"] == "held: b is blocked"
    assert planned["b"]["reason"] == (
        "b serves wine (v1 is in Archived now); `m2s apply --prune` gives the name to iris v2"
    )
    for command in (("prune", "--yes"), ("apply",)):
        on_cluster(*command)
        assert serving(on_cluster)["a"] == "iris", command
    on_cluster.apply("--prune")
    assert serving(on_cluster) == {"b": "iris", "other-staging": "other"}


@pytest.mark.thorough
def test_two_models_may_swap_their_names(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("a"))
    on_cluster.models.add("wine", description("b"))
    on_cluster.apply()
    on_cluster.models.add("iris", description("b"))
    on_cluster.models.add("wine", description("a"))
    reasons = {name: change["reason"] for name, change in on_cluster.plan().items()}
    assert reasons["a"] == (
        "a serves iris (iris is served as b now); `m2s apply --prune` gives the name to wine v2"
    )
    assert on_cluster("apply").code == 1
    assert serving(on_cluster) == {"a": "iris", "b": "wine"}
    on_cluster.apply("--prune")
    assert serving(on_cluster) == {"a": "wine", "b": "iris"}
    assert set(on_cluster.actions().values()) == {"unchanged"}


def test_two_models_that_want_one_free_name_are_both_blocked(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("shop"))
    on_cluster.models.add("wine", description("shop"))
    before = on_cluster.objects.all()
    result = on_cluster("apply", "--prune", "-o", "json")
    assert result.code == 1
    reasons = [change["reason"] for change in result.document["plan"]["changes"]]
    assert len(reasons) == 2
    assert all("wants the same name" in reason for reason in reasons)
    assert on_cluster.objects.all() == before


def test_odd_model_names_become_names_of_their_own(on_cluster: World) -> None:
    models = ["wine quality", "wine-quality", "Wine Quality", "größe", "日本語", "x" * 70]
    for model in models:
        on_cluster.models.add(model)
    on_cluster.apply()
    assert sorted(serving(on_cluster).values()) == sorted(models)
    assert set(on_cluster.actions().values()) == {"unchanged"}


def test_a_name_is_not_taken_from_a_model_whose_own_is_blocked(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("a"))
    on_cluster.models.add("wine", description("b"))
    on_cluster.models.add("rose", description("c"))
    on_cluster.apply()
    on_cluster.models.add("iris", TYPO)
    on_cluster.models.add("wine", description("a"))
    on_cluster.models.add("rose", description("b", replicas=2))
    before = on_cluster.objects.all()
    result = on_cluster("apply", "--prune", "-o", "json")
    assert result.code == 1
    reasons = {name: change["reason"] for name, change in result.changes.items()}
    assert reasons["d"].endswith("modelURI: field not declared in schema")
    assert reasons["a"] == "a still serves iris, which is held: d is blocked"
    assert reasons["b"] == "b still serves wine, which is held: a is blocked"
    assert on_cluster.objects.all() == before
