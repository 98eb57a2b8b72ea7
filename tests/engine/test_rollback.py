"""``m2s rollback``: an earlier version from the cluster's record, pinned until that is lifted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import pytest

from m2s.base.labels import HISTORY, PINNED, REVISIONS
from tests.kits.support import Result, description, m2s, seldon
from tests.kits.worlds import ON_CLUSTER, ON_FOLDER, World
from tests.servers import free_port

NAME = "iris-staging"
NOWHERE = f"http://127.0.0.1:{free_port()}"


def given(world: World) -> dict[str, str]:
    return dict(zip(world.flags[::2], world.flags[1::2], strict=True))


def where(world: World) -> tuple[str, ...]:
    """The flags that say where the cluster is, and nothing of a registry."""
    flags = given(world)
    kept = {name: flags[name] for name in ("--kubeconfig", "-n", "--target") if name in flags}
    return tuple(item for pair in kept.items() for item in pair)


def rollback(world: World, *argv: str) -> Result:
    """Roll back with a registry that nobody answers for."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_TRACKING_URI", NOWHERE)
        return m2s("rollback", *where(world), *argv)


def served(world: World) -> list[str]:
    """The versions on record, the present one first."""
    noted = json.loads(notes(world)[HISTORY])
    return [entry["served"][0]["version"] for entry in noted]


def notes(world: World, name: str = NAME) -> Mapping[str, str]:
    found: Mapping[str, str] = world.objects.all()[name]["metadata"]["annotations"]
    return found


def replicas(world: World) -> int:
    return int(world.objects.all()[NAME]["spec"]["predictors"][0]["replicas"])


def promote(world: World, *numbers: int) -> None:
    """Serve versions of as many replicas, one after the other."""
    for number in numbers:
        world.models.add("iris", description(replicas=number))
        world.apply()


@pytest.fixture(params=[ON_CLUSTER, ON_FOLDER])
def world(request: pytest.FixtureRequest) -> World:
    found: World = request.getfixturevalue(request.param)
    return found


@pytest.mark.thorough
def test_the_version_before_comes_back_and_stays(world: World) -> None:
    promote(world, 1, 2, 3)
    result = rollback(world, NAME)
    assert result.code == 0, result
    assert "rolled back v3 → v2 and pinned" in " ".join(result.out.split())
    assert replicas(world) == 2
    change = world.plan()[NAME]
    assert change["action"] == "unchanged"
    assert change["version"] == "2"
    assert change["reason"] == (
        "pinned to v2; v3 is in Staging; `m2s rollback iris-staging --unpin` lifts it"
    )
    assert "pinned to v2" in world("plan").out
    promote(world, 4)  # a promotion while it is pinned waits
    assert replicas(world) == 2
    assert "v4 is in Staging" in world.plan()[NAME]["reason"]


def test_the_pin_is_lifted_and_the_registry_decides_again(world: World) -> None:
    promote(world, 1, 2)
    assert rollback(world, NAME).code == 0
    lifted = rollback(world, NAME, "--unpin")
    assert lifted.code == 0, lifted
    assert PINNED not in notes(world)
    assert world.plan()[NAME]["reason"] == "promoted v1 → v2"
    world.apply()
    assert replicas(world) == 2
    assert served(world) == ["2", "1", "2", "1"]
    again = rollback(world, NAME, "--unpin")
    assert again.code == 0
    assert "not pinned" in again.out


def test_any_version_on_record_can_be_named(world: World) -> None:
    promote(world, 1, 2, 3)
    assert rollback(world, NAME, "--to", "v1").code == 0
    assert replicas(world) == 1
    revision = json.loads(notes(world)[HISTORY])[1]["revision"]
    assert rollback(world, NAME, "--to", revision).code == 0
    assert replicas(world) == 3
    assert rollback(world, NAME, "--to", "3").code == 0  # what it serves can be pinned, too
    assert world.actions() == {NAME: "unchanged"}


@pytest.mark.thorough
def test_the_last_ten_are_kept(world: World) -> None:
    promote(world, *range(1, 13))
    assert served(world) == [str(number) for number in range(12, 2, -1)]
    gone = rollback(world, NAME, "--to", "2")
    assert gone.code == 1
    assert gone.error.startswith(f"the record of {NAME} does not have 2; there is")
    assert rollback(world, NAME, "--to", "3").code == 0
    assert replicas(world) == 3


def test_the_record_is_named_as_the_source_of_a_pinned_one(on_folder: World) -> None:
    promote(on_folder, 1, 2)
    assert rollback(on_folder, NAME).code == 0
    explained = on_folder("plan", "--explain", NAME, "-o", "json").document["fields"]
    layers = {field["path"]: field["layer"] for field in explained}
    assert layers["spec.predictors[default].replicas"] == "its record of v1"


def test_an_edit_of_a_pinned_one_is_taken_back(on_cluster: World) -> None:
    promote(on_cluster, 1, 2)
    assert rollback(on_cluster, NAME).code == 0
    path = "/spec/predictors/0/replicas"
    on_cluster.objects.patch(NAME, [{"op": "replace", "path": path, "value": 7}])
    change = on_cluster.plan()[NAME]
    assert change["action"] == "update"
    assert "pinned to v1" in change["reason"]
    assert "drifted: edited by kubectl-patch" in change["reason"]
    on_cluster.apply()
    assert replicas(on_cluster) == 1
    assert on_cluster.actions() == {NAME: "unchanged"}


def test_a_pinned_one_is_kept_when_its_model_leaves(world: World) -> None:
    promote(world, 1, 2)
    world.models.add("tea")
    world.apply()
    assert rollback(world, NAME).code == 0
    world.models.move("iris", 1, "Archived")
    world.models.move("iris", 2, "Archived")
    result = world("apply", "--prune")
    assert result.code == 0, result
    assert replicas(world) == 1


def test_a_pinned_one_is_kept_when_the_new_version_has_another_name(world: World) -> None:
    promote(world, 1, 2)
    assert rollback(world, NAME).code == 0
    world.models.add("iris", description("iris-new"))
    assert world("apply", "--prune").code == 0
    assert set(world.objects.all()) == {NAME}


@pytest.mark.thorough
def test_kubectl_can_pin_and_unpin(on_cluster: World) -> None:
    promote(on_cluster, 1, 2)
    on_cluster.objects.patch(NAME, {"metadata": {"annotations": {PINNED: "1"}}})
    change = on_cluster.plan()[NAME]
    assert change["action"] == "update"
    assert change["reason"].endswith("rolled back v2 → v1")
    on_cluster.apply()
    assert replicas(on_cluster) == 1
    lifted = rollback(on_cluster, NAME, "--unpin")
    assert lifted.code == 0, lifted
    assert not notes(on_cluster).get(PINNED)
    on_cluster.apply()
    assert replicas(on_cluster) == 2
    assert on_cluster.actions() == {NAME: "unchanged"}


@pytest.mark.thorough
@pytest.mark.parametrize("record", ["", "[", "7", '[{"served":1}]', "none"])
def test_a_pin_that_nothing_is_known_of_holds(on_cluster: World, record: str) -> None:
    promote(on_cluster, 1, 2)
    marks = {PINNED: "1", HISTORY: None if record == "none" else record, REVISIONS: "AAAA"}
    on_cluster.objects.patch(NAME, {"metadata": {"annotations": marks}})
    before = on_cluster.objects.snapshot()
    result = on_cluster("apply", "--prune", "-o", "json")
    assert result.code == 1
    change = result.changes[NAME]
    assert change["action"] == "blocked"
    assert "pinned to 1, which is not on its record" in change["reason"]
    assert on_cluster.objects.snapshot() == before
    assert rollback(on_cluster, NAME, "--unpin").code == 0
    on_cluster.apply()
    assert on_cluster.actions() == {NAME: "unchanged"}


def test_objects_written_before_there_was_a_record_begin_one(on_cluster: World) -> None:
    promote(on_cluster, 1)
    none = {"metadata": {"annotations": {HISTORY: None, REVISIONS: None}}}
    on_cluster.objects.patch(NAME, none)
    assert on_cluster.actions() == {NAME: "unchanged"}
    promote(on_cluster, 2)
    assert served(on_cluster) == ["2", "1"]
    assert rollback(on_cluster, NAME).code == 0
    assert replicas(on_cluster) == 1


def test_a_new_description_of_the_same_version_replaces_the_old_one(world: World) -> None:
    promote(world, 1)
    with_two = ("--on-conflict", "highest", "--ignore", "/spec/replicas")
    world.models.client.log_text(
        world.models.run_of("iris", 1), description(replicas=5), "deploy.yaml"
    )
    assert world("apply", "--no-cache", *with_two).code == 0
    assert served(world) == ["1"]
    promote(world, 2)
    assert rollback(world, NAME).code == 0
    assert replicas(world) == 5


def test_a_description_too_large_to_keep_is_named(on_folder: World) -> None:
    noise = {f"n{i}": hashlib.sha512(bytes([i])).hexdigest() for i in range(250)}
    noise |= {f"m{i}": hashlib.sha512(bytes([i, i])).hexdigest() for i in range(250)}
    noise |= {f"o{i}": hashlib.sha512(bytes([i, 0, i])).hexdigest() for i in range(250)}
    body: dict[str, Any] = seldon()
    body["spec"]["annotations"] = noise
    on_folder.models.add("iris", json.dumps(body))
    on_folder.apply()
    promote(on_folder, 2)
    result = rollback(on_folder, NAME)
    assert result.code == 1
    assert "the description of v1 is not kept any more" in result.error


def test_what_cannot_be_rolled_back_is_one_line(world: World) -> None:
    promote(world, 1)
    cases = {
        (
            "nope",
        ): f"no deployment nope in namespace {given(world).get('-n', 'default')}; did you mean",
        (NAME,): f"the record of {NAME} has nothing that it served before",
        (
            NAME,
            "--owner",
            "other",
        ): f"{NAME} belongs to the owner stage-staging, not to other",
    }
    for argv, line in cases.items():
        result = rollback(world, *argv)
        assert result.code == 1
        assert result.error.startswith(line)
        assert "\n" not in result.error
    both = rollback(world, NAME, "--to", "1", "--unpin")
    assert (both.code, both.error) == (64, "--unpin and --to exclude each other")


def test_what_is_not_ours_has_no_record(on_cluster: World) -> None:
    on_cluster.objects.create(seldon("theirs"))
    result = rollback(on_cluster, "theirs")
    assert result.code == 1
    assert result.error.startswith("theirs is not m2s's")


def test_a_saved_plan_is_not_stale_for_its_record(on_cluster: World, tmp_path: Any) -> None:
    promote(on_cluster, 1)
    on_cluster.models.add("iris", description(replicas=2))
    saved = str(tmp_path / "plan.json")
    assert on_cluster("plan", "--out", saved).code == 0
    assert REVISIONS not in (tmp_path / "plan.json").read_text()
    result = on_cluster("apply", saved)
    assert result.code == 0, result
    assert replicas(on_cluster) == 2
