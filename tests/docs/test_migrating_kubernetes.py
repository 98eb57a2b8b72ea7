"""docs/migrating.md, "From Seldon Core v1 to plain Kubernetes", as it is written there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kits.support import m2s
from tests.kits.worlds import World

PAGE = Path(__file__).parents[2] / "docs" / "migrating.md"
SECTION = PAGE.read_text().partition("## From Seldon Core v1 to plain Kubernetes")[2]


def commands() -> list[list[str]]:
    """Return what the section has a person type, without ``m2s`` and what is redirected."""
    found = re.findall(r"(?m)^ {7}m2s (.+)$", SECTION.partition("\n## ")[0])
    return [line.partition(" >")[0].split() for line in found]


@pytest.mark.thorough
def test_a_registry_moves_model_by_model(on_cluster: World, tmp_path: Path) -> None:
    plan, init, apply = commands()
    prune = ["prune", "--stage", "Staging"]
    assert " ".join(prune) in SECTION
    for model in ("iris", "wine"):
        on_cluster.models.add(model, source=f"s3://models/{model}")
    on_cluster.apply("--no-preflight")

    started = m2s(*init)
    assert started.code == 0
    on_cluster.models.move(
        "iris", on_cluster.models.add("iris", started.out, source="s3://models/iris/2"), "Staging"
    )
    rows = documents(on_cluster, *apply[1:])
    assert {(each["name"], each["platform"], each["action"]) for each in rows} >= {
        ("iris-staging", "deployment", "create"),
        ("wine-staging", "seldon", "unchanged"),
    }
    on_cluster.apply("--no-preflight")
    where = f"/apis/apps/v1/namespaces/{on_cluster.objects.name}/deployments"
    assert names(on_cluster, where) == {"iris-staging"}
    assert set(on_cluster.objects.all()) == {"iris-staging", "wine-staging"}

    pruned = on_cluster(prune[0], "--yes", "--no-preflight")
    assert pruned.code == 0, pruned
    assert set(on_cluster.objects.all()) == {"wine-staging"}
    assert names(on_cluster, where) == {"iris-staging"}
    assert plan[0] == "plan"


def names(world: World, path: str) -> set[str]:
    return {one["metadata"]["name"] for one in world.objects.server.call("GET", path)["items"]}


def documents(world: World, *argv: str) -> list[dict[str, Any]]:
    result = world("plan", "-o", "yaml", "--no-preflight")
    assert result.code == 0, result
    rows: list[dict[str, Any]] = yaml.safe_load(result.out)["changes"]
    return rows


@pytest.mark.parametrize("option", ["platform", "env-secret"])
def test_the_first_look_is_a_plan_that_this_release_takes(option: str) -> None:
    plan = commands()[0]
    assert f"--{option}" in plan
