"""A saved plan is carried out exactly, or refused with what moved."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.kits.support import Result, description, m2s, seldon
from tests.kits.worlds import World


@pytest.fixture
def saved(on_cluster: World, tmp_path: Path) -> Callable[..., Path]:
    """Save a plan and return its path."""

    def save(*argv: str) -> Path:
        path = tmp_path / "plan.json"
        assert on_cluster("plan", "--out", str(path), *argv).code == 0
        return path

    return save


def carry_out(world: World, plan: Path, *argv: str) -> Result:
    """Apply a saved plan; it knows its selector itself."""
    return m2s("apply", str(plan), *world.flags[2:], *argv)


@pytest.mark.thorough
def test_a_saved_plan_is_what_is_applied(on_cluster: World, saved: Callable[..., Path]) -> None:
    for model in ("iris", "wine", "gone"):
        on_cluster.models.add(model)
    on_cluster.apply()
    on_cluster.models.add("iris", description(replicas=2))
    on_cluster.models.move("gone", 1, "Archived")
    on_cluster.models.add("new")
    plan = saved()
    assert plan.stat().st_mode & 0o777 == 0o600
    result = carry_out(on_cluster, plan, "--prune")
    assert (result.code, result.err) == (0, "")
    assert "Done: 1 created, 1 updated, 1 deleted" in result.out
    assert on_cluster.objects.all().keys() == {"iris-staging", "wine-staging", "new-staging"}
    assert set(on_cluster.actions().values()) == {"unchanged"}


@pytest.mark.thorough
def test_the_options_that_decide_a_plan_are_saved_with_it(
    on_cluster: World, saved: Callable[..., Path]
) -> None:
    on_cluster.objects.create(seldon("iris-staging"))
    on_cluster.models.add("iris")
    on_cluster.models.add("wine")
    plan = saved("--adopt", "--model", "iris")
    assert carry_out(on_cluster, plan).code == 0
    assert on_cluster.actions() == {"iris-staging": "unchanged", "wine-staging": "create"}


def promote(world: World) -> str:
    world.models.add("iris", description(replicas=2))
    return "iris-staging: the version was 1 and is 2"


def edit_the_description(world: World) -> str:
    run = world.models.run_of("iris", 1)
    world.models.client.log_text(run, description(replicas=9), "deploy.yaml")
    return "iris-staging: its description changed"


def edit_the_object(world: World) -> str:
    world.objects.patch("old", {"metadata": {"labels": {"m2s.io/version": "7"}}})
    return "old: the object in the cluster changed (resourceVersion "


def delete_the_object(world: World) -> str:
    world.objects.delete("old")
    return "old: the action was update and is create"


def create_the_object(world: World) -> str:
    world.objects.create(seldon("iris-staging"))
    return "iris-staging: the action was create and is blocked"


def archive_it(world: World) -> str:
    world.models.move("iris", 1, "Archived")
    return "iris-staging: create is no longer wanted"


def add_one_more(world: World) -> str:
    world.models.add("new")
    return "new-staging: create is new"


MOVES = [
    promote, edit_the_description, edit_the_object, delete_the_object, create_the_object,
    archive_it, add_one_more,
]  # fmt: skip


@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.__name__)
def test_a_stale_plan_is_refused_with_what_moved(
    on_cluster: World,
    saved: Callable[..., Path],
    move: Callable[[World], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("M2S_CACHE", "false")  # else a file that is logged anew is not looked for
    on_cluster.models.add("old", description("old"))
    on_cluster.apply()
    on_cluster.models.add("old", description("old", replicas=2))
    on_cluster.models.add("iris")
    plan = saved()
    what = move(on_cluster)
    before = on_cluster.objects.snapshot()
    result = carry_out(on_cluster, plan)
    assert result.code == 3
    assert result.error.startswith(f"{plan} is stale: {what}")
    assert result.error.endswith("; plan again")
    assert on_cluster.objects.snapshot() == before


@pytest.mark.thorough
def test_a_status_that_moved_makes_no_plan_stale(
    on_cluster: World, saved: Callable[..., Path]
) -> None:
    on_cluster.models.add("iris")
    on_cluster.apply()
    on_cluster.models.add("iris", description(replicas=2))
    plan = saved()
    before = on_cluster.objects.snapshot()
    on_cluster.objects.patch("iris-staging", {"status": {"state": "Available"}}, part="status")
    assert on_cluster.objects.snapshot() != before
    assert carry_out(on_cluster, plan).code == 0
    assert on_cluster.actions() == {"iris-staging": "unchanged"}


def test_a_plan_of_another_namespace_or_registry_is_refused(
    on_cluster: World, saved: Callable[..., Path], tmp_path: Path
) -> None:
    on_cluster.models.add("iris")
    plan = saved()
    assert m2s("apply", str(plan), *on_cluster.flags[2:-1], "elsewhere").code == 64
    document = json.loads(plan.read_text())
    document["registry"] = "http://mlflow.example"
    plan.write_text(json.dumps(document))
    result = carry_out(on_cluster, plan)
    assert result.code == 3
    assert "the registry was http://mlflow.example and is sqlite:///" in result.error
    assert on_cluster.objects.all() == {}


def test_a_flag_that_contradicts_the_plan_is_wrong_usage(
    on_cluster: World, saved: Callable[..., Path]
) -> None:
    on_cluster.models.add("iris")
    plan = saved()
    result = carry_out(on_cluster, plan, "--stage", "Production")
    assert result.code == 64
    assert result.error == "--stage: the saved plan was made with ['Staging']; leave it out"
    assert carry_out(on_cluster, plan, "--stage", "staging").code == 0


def no_json(document: dict[str, Any]) -> str:
    return "PK\x03\x04 not a plan"


def of_another_version(document: dict[str, Any]) -> str:
    return json.dumps({**document, "format_version": "9.0"})


def without_settings(document: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in document.items() if key != "settings"})


def a_list(document: dict[str, Any]) -> str:
    return json.dumps([document])


def settings_of_wrong_types(document: dict[str, Any]) -> str:
    return json.dumps({**document, "settings": {**document["settings"], "adopt": "perhaps"}})


def changes_of_wrong_types(document: dict[str, Any]) -> str:
    return json.dumps({**document, "changes": [{"name": 1, "action": {}, "live": "x"}]})


def settings_with_null(document: dict[str, Any]) -> str:
    return json.dumps({**document, "settings": dict.fromkeys(document["settings"])})


def nested(document: dict[str, Any]) -> str:
    return "[" * 100_000


FILES = [
    (no_json, 1, "not a saved plan"), (of_another_version, 1, "format version 9.0"),
    (without_settings, 1, "not a saved plan"), (a_list, 1, "not a saved plan"),
    (settings_of_wrong_types, 64, "adopt"), (changes_of_wrong_types, 1, "not a saved plan"),
    (settings_with_null, 64, "the saved plan was made with None"), (nested, 1, "not a saved plan"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("spoil", "code", "says"), FILES, ids=lambda one: getattr(one, "__name__", "")
)
def test_a_file_that_is_no_plan_of_ours(
    on_cluster: World, saved: Callable[..., Path], spoil: Any, code: int, says: str
) -> None:
    on_cluster.models.add("iris")
    plan = saved()
    plan.write_text(spoil(json.loads(plan.read_text())))
    result = carry_out(on_cluster, plan)
    assert result.code == code
    assert says in result.error
    assert on_cluster.objects.all() == {}


def test_a_file_that_is_not_there_or_a_folder(on_cluster: World, tmp_path: Path) -> None:
    absent = carry_out(on_cluster, tmp_path / "none.json")
    assert (absent.code, f"{tmp_path}/none.json: no such file" in absent.error) == (64, True)
    folder = carry_out(on_cluster, tmp_path)
    assert (folder.code, f"{tmp_path}: Is a directory" in folder.error) == (1, True)


@pytest.mark.parametrize(
    ("path", "code"),
    [("no/such/plan.json", 64), ("/proc/plan.json", 1), (".", 1), ("Makefile/plan.json", 1)],
)
def test_a_plan_that_cannot_be_saved(on_cluster: World, path: str, code: int) -> None:
    on_cluster.models.add("iris")
    result = on_cluster("plan", "--out", path)
    assert result.code == code
    assert result.error.startswith(f"--out {path}: ")
