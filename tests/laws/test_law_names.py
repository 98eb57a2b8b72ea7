"""Law 9: a name belongs to the model that serves under it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from m2s.base.errors import Rejected
from m2s.base.gate import Gate
from m2s.base.labels import KEEP, MODEL, MODEL_VERSION, PAUSED, PINNED
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Manifest
from m2s.domain.versions import ModelVersion, Selector
from m2s.engine import reconcile
from m2s.engine.execute import execute
from m2s.engine.outcomes import Outcome, Status
from m2s.observers.logs import PassLog
from m2s.plan.changes import Blocked
from m2s.settings.build import build
from m2s.targets.cluster import Cluster
from m2s.targets.folder.namespace import FolderCluster
from m2s.watch.absences import Absences
from m2s.watch.passes import Edges, Pass
from m2s.watch.report import PassReport
from tests.desired.test_templates_flow import template
from tests.kits.fakes import FakeRegistry
from tests.kits.support import description
from tests.kits.worlds import World

FRAUD = description("fraud")


def serving(world: World) -> dict[str, str]:
    """Return what each deployment serves."""
    marks = {name: body["metadata"]["annotations"] for name, body in world.objects.all().items()}
    return {name: f"{each[MODEL]} v{each[MODEL_VERSION]}" for name, each in marks.items()}


def rows(world: World, *argv: str) -> dict[str, dict[str, Any]]:
    """Return the planned changes by the model they are about."""
    changes = world("plan", "-o", "json", *argv).document["changes"]
    found = {change["model"]: change for change in changes}
    assert len(found) == len(changes), changes
    return found


@pytest.fixture
def copied(on_folder: World) -> World:
    """A serves under a name; B is promoted with a copy of its deploy.yaml."""
    on_folder.models.add("a", FRAUD)
    on_folder.models.add("other")
    on_folder.apply()
    on_folder.models.add("b", FRAUD)
    return on_folder


@pytest.mark.parametrize("argv", [(), ("--prune",)], ids=["apply", "apply --prune"])
def test_a_copied_description_blocks_the_newcomer_alone(
    copied: World, argv: tuple[str, ...]
) -> None:
    copied.models.move("a", copied.models.add("a", FRAUD, stage=None), "Staging")
    plan = rows(copied)
    assert (plan["a"]["action"], plan["a"]["reason"]) == ("update", "promoted v1 → v2")
    assert (plan["b"]["action"], plan["b"]["name"]) == ("blocked", "fraud")
    assert plan["b"]["reason"] == (
        "a v1 has the name fraud; give this one another metadata.name in its deploy.yaml, or wait: "
        "once a v1 leaves Staging, `m2s apply --prune` gives the name to b v1"
    )
    assert copied("apply", *argv).code == 1
    assert serving(copied) == {"fraud": "a v2", "other-staging": "other v1"}


def test_a_moment_without_the_incumbent_gives_nothing_away(copied: World) -> None:
    copied.models.move("a", 1, "Archived")
    row = rows(copied)["b"]
    assert row["action"] == "blocked"
    assert row["reason"] == (
        "fraud serves a (v1 is in Archived now); `m2s apply --prune` gives the name to b v1"
    )
    assert copied("apply").code == 1
    assert copied("prune", "--yes").code == 0
    assert serving(copied)["fraud"] == "a v1"
    copied.models.add("a", FRAUD)
    assert copied("apply").code == 1
    assert serving(copied)["fraud"] == "a v2"


def test_prune_hands_it_over_in_one_update(on_cluster: World) -> None:
    on_cluster.models.add("a", FRAUD)
    on_cluster.apply()
    before = on_cluster.objects.all()["fraud"]["metadata"]
    on_cluster.models.move("a", 1, "Archived")
    on_cluster.models.add("b", FRAUD)
    assert on_cluster("apply").code == 1
    assert serving(on_cluster) == {"fraud": "a v1"}
    on_cluster.apply("--prune")
    assert serving(on_cluster) == {"fraud": "b v1"}
    assert on_cluster.objects.all()["fraud"]["metadata"]["uid"] == before["uid"]
    assert set(on_cluster.actions().values()) == {"unchanged"}


def test_it_counts_as_a_deletion(copied: World) -> None:
    copied.models.move("a", 1, "Archived")
    before = copied.objects.snapshot()
    refused = copied("apply", "--prune", "--max-delete", "0")
    assert refused.code == 3
    assert "1 of 2 deployments would be deleted or handed to another model" in refused.error
    assert copied.objects.snapshot() == before
    copied.apply("--prune", "--max-delete", "1")
    assert serving(copied)["fraud"] == "b v1"


@pytest.mark.parametrize("mark", [KEEP, PAUSED])
def test_it_is_not_taken_from_one_that_is_to_stay(on_cluster: World, mark: str) -> None:
    on_cluster.models.add("a", FRAUD)
    on_cluster.apply()
    on_cluster.objects.patch("fraud", {"metadata": {"annotations": {mark: "true"}}})
    on_cluster.models.move("a", 1, "Archived")
    on_cluster.models.add("b", FRAUD)
    before = on_cluster.objects.snapshot()
    on_cluster("apply", "--prune")
    assert on_cluster.objects.snapshot() == before
    assert mark in on_cluster.plan()["fraud"]["reason"]


def test_nor_from_one_that_is_pinned(on_folder: World) -> None:
    on_folder.models.add("a", FRAUD)
    on_folder.apply()
    on_folder.models.add("a", description("fraud", replicas=2))
    on_folder.apply()
    where = on_folder.flags[-2:]
    pinned = World(on_folder.models, on_folder.objects, where)("rollback", "fraud", "--yes")
    assert pinned.code == 0, pinned
    on_folder.models.move("a", 2, "Archived")
    on_folder.models.move("a", 1, "Archived")
    on_folder.models.add("b", FRAUD)
    on_folder("apply", "--prune")
    assert serving(on_folder) == {"fraud": "a v1"}
    assert PINNED in on_folder.objects.all()["fraud"]["metadata"]["annotations"]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("name", ["fraud", None], ids=["named", "default name"])
def test_a_rename_in_mlflow_is_no_takeover(
    on_folder: World, name: str | None, version: int
) -> None:
    on_folder.models.add("a", description(name))
    on_folder.apply()
    on_folder.models.client.rename_registered_model("a", "z")
    if version == 2:
        on_folder.models.add("z", description(name))
    plan = rows(on_folder)
    if name:
        expected = "a is called z now" + (": z v2" if version == 2 else "")
        assert (plan["z"]["action"], plan["z"]["reason"]) == ("update", expected)
        on_folder.apply()
        assert serving(on_folder) == {"fraud": f"z v{version}"}
    else:
        assert (plan["z"]["action"], plan["a"]["action"]) == ("create", "delete")
        assert plan["a"]["reason"] == "a is served as z-staging now"
        on_folder.apply("--prune")
        assert serving(on_folder) == {"z-staging": f"z v{version}"}
    assert set(on_folder.actions().values()) == {"unchanged"}


def test_what_is_renamed_is_held_by_the_trouble_of_its_new_name(on_folder: World) -> None:
    on_folder.models.add("a")
    on_folder.models.add("other")
    on_folder.apply()
    on_folder.models.client.rename_registered_model("a", "z")
    for deploy in ("kind: [", None):
        on_folder.models.add("z", deploy)
        on_folder("apply", "--prune")
        assert serving(on_folder)["a-staging"] == "a v1"


def test_a_copy_of_a_model_that_is_still_there_is_no_rename(on_folder: World) -> None:
    on_folder.models.add("a", FRAUD)
    on_folder.apply()
    on_folder.models.move("a", 1, "Archived")
    on_folder.models.client.copy_model_version("models:/a/1", "b")
    on_folder.models.move("b", 1, "Staging")
    assert on_folder("apply").code == 1
    assert serving(on_folder) == {"fraud": "a v1"}


def test_a_templates_name_is_the_templates(on_folder: World, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    file = folder / "pair.yaml"
    file.write_text(template("fraud", "a"))
    given = ("--templates", str(folder))
    on_folder.models.add("a", None)
    on_folder.models.add("c", description("c"))
    on_folder.apply(*given)
    on_folder.models.add("b", FRAUD)
    file.write_text(template("fraud", "a", "c"))
    assert on_folder("apply", "--prune", *given).code == 1
    marks = on_folder.objects.all()["fraud"]["metadata"]["annotations"]
    assert '"c"' in marks["m2s.io/models"], "the template's other models are no takeover"
    (folder / "other.yaml").write_text(template("other", "c"))
    file.unlink()
    on_folder.models.move("a", 1, "Archived")
    assert on_folder("apply", *given).code == 1
    assert serving(on_folder)["fraud"] == "a v1"
    on_folder.apply("--prune", *given)
    assert serving(on_folder)["fraud"] == "b v1"


def test_two_newcomers_at_a_free_name_both_wait(on_folder: World) -> None:
    on_folder.models.add("a", FRAUD)
    on_folder.models.add("b", FRAUD)
    plan = rows(on_folder)
    assert "b v1 (stage=Staging) wants the same name" in plan["a"]["reason"]
    assert "a v1 (stage=Staging) wants the same name" in plan["b"]["reason"]


@pytest.mark.parametrize("alias", ["--alias", "--stage"])
def test_one_model_under_two_selectors_keeps_what_it_has(on_folder: World, alias: str) -> None:
    on_folder.models.add("a", FRAUD)
    other = ("--alias", "champion") if alias == "--alias" else ("--stage", "Production")
    owner = ("--owner", "shop") if alias == "--stage" else ()
    on_folder.apply(*owner)
    on_folder.models.add("a", FRAUD, stage="Production", alias="champion")
    assert on_folder("apply", *owner, *other).code == 1
    assert serving(on_folder) == {"fraud": "a v1"}


class Short(FakeRegistry):
    """A registry whose lists can leave a model out."""

    hidden = ""

    def select(self, selector: Selector) -> tuple[ModelVersion, ...]:
        return tuple(one for one in super().select(selector) if one.model != self.hidden)


@dataclass
class Scene:
    """Passes of watch over a registry in memory and a folder."""

    registry: Short
    cluster: FolderCluster
    flags: dict[str, Any]
    absences: Absences = field(default_factory=Absences)
    log: PassLog = field(default_factory=PassLog)

    def make(self) -> PassReport:
        settings = build({"stage": "Staging", "target": "dir:x", **self.flags}, {})
        edges = Edges(self.registry, self.cluster)
        report = Pass(edges, settings, self.absences, "interval", Gate()).make()
        self.log(report)
        return report

    def served(self) -> dict[str, str]:
        return {live.key.name: str(live.served[0]) for live in self.cluster.list()}


@pytest.fixture
def scene(tmp_path: Path) -> Callable[..., Scene]:
    def make(**flags: Any) -> Scene:
        made = Scene(Short(), FolderCluster(tmp_path, "default"), flags)
        made.registry.add("a", FRAUD)
        made.registry.add("other")
        assert made.make().result == "success"
        made.registry.add("b", FRAUD)
        return made

    return make


def test_watch_hands_it_over_after_as_many_passes_as_it_deletes(
    scene: Callable[..., Scene],
) -> None:
    watch = scene(prune=True, **{"prune-after": 3})
    watch.registry.move("a", 1, "Archived")
    for left in ("2 more passes find", "1 more pass finds"):
        report = watch.make()
        assert report.result == "failed"
        assert report.message == (
            "fraud blocked: fraud serves a (v1 is in Archived now); b v1 takes the name over when "
            f"{left} it so"
        )
        assert watch.served()["fraud"] == "a v1"
    assert watch.make().result == "success"
    assert watch.served()["fraud"] == "b v1"


def test_watch_counts_anew_when_the_incumbent_comes_back(scene: Callable[..., Scene]) -> None:
    watch = scene(prune=True, **{"prune-after": 2})
    watch.registry.move("a", 1, "Archived")
    watch.make()
    watch.registry.add("a", FRAUD)
    watch.make()
    assert watch.served()["fraud"] == "a v2"
    watch.registry.move("a", 2, "Archived")
    watch.make()
    assert watch.served()["fraud"] == "a v2"


def test_watch_that_deletes_nothing_hands_over_nothing(scene: Callable[..., Scene]) -> None:
    watch = scene(**{"prune-after": 1})
    watch.registry.move("a", 1, "Archived")
    for _ in range(3):
        assert "`m2s apply --prune`" in watch.make().message
    assert watch.served()["fraud"] == "a v1"


def test_a_list_that_leaves_the_incumbent_out_hands_over_nothing(
    scene: Callable[..., Scene],
) -> None:
    watch = scene(prune=True, **{"prune-after": 1})
    watch.registry.hidden = "a"
    assert "a second look still finds that wanted" in watch.make().message
    assert watch.served()["fraud"] == "a v1"


def test_watch_says_once_that_two_rows_of_one_name_are_blocked(
    scene: Callable[..., Scene], caplog: pytest.LogCaptureFixture
) -> None:
    watch = scene()
    watch.registry.add("c", FRAUD)
    with caplog.at_level(logging.WARNING, "m2s.pass"):
        for _ in range(4):
            blocked = [o for o in watch.make().outcomes if o.status is Status.BLOCKED]
            assert [outcome.change.key.name for outcome in blocked] == ["fraud", "fraud"]
    warned = [each for each in caplog.records if each.levelno == logging.WARNING]
    assert len(warned) == 2, caplog.text


class Refusing:
    """A cluster that refuses to write one name."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self._cluster, self._name = cluster, name

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def apply(self, manifest: Manifest, live: LiveDeployment | None, gate: Gate) -> LiveDeployment:
        if manifest.key.name == self._name:
            raise Rejected("not today")
        return self._cluster.apply(manifest, live, gate)


SETTINGS = build({"stage": "Staging", "target": "dir:x"}, {})


def carried_out(registry: FakeRegistry, cluster: Any, **how: Any) -> dict[str, str]:
    """Execute everything that is planned; return what each name came to."""
    plan = reconcile.make_plan(registry, cluster, SETTINGS)
    look = lambda live: reconcile.locate(registry, SETTINGS, live)  # noqa: E731 - a line
    outcomes: tuple[Outcome, ...] = execute(plan, cluster, delete=True, second_look=look, **how)
    return {one.change.key.name: f"{one.status.value} {one.message}".strip() for one in outcomes}


def chain(tmp_path: Path, *names: str) -> tuple[FakeRegistry, FolderCluster]:
    """Deploy a, b, c … under these names."""
    registry, cluster = FakeRegistry(), FolderCluster(tmp_path, "default")
    for model, name in zip("abcdef", names, strict=False):
        registry.add(model, description(name))
    carried_out(registry, cluster)
    return registry, cluster


def test_a_name_passes_on_only_once_its_model_serves_elsewhere(tmp_path: Path) -> None:
    registry, cluster = chain(tmp_path, "x", "y")
    registry.add("a", description("new"))
    registry.add("b", description("x"))
    found = carried_out(registry, Refusing(cluster, "new"))
    assert found["new"] == "failed not today"
    assert found["x"] == "held new is not there yet: apply first"
    assert found["y"] == "held x is not there yet: apply first"
    assert {one.key.name: one.model for one in cluster.list()} == {"x": "a", "y": "b"}
    carried_out(registry, cluster)
    assert {one.key.name: one.model for one in cluster.list()} == {"new": "a", "x": "b"}


def test_names_may_go_round(tmp_path: Path) -> None:
    registry, cluster = chain(tmp_path, "x", "y", "z")
    for model, name in zip("abc", "yzx", strict=True):
        registry.add(model, description(name))
    assert all(each.startswith("updated") for each in carried_out(registry, cluster).values())
    assert {one.key.name: one.model for one in cluster.list()} == {"y": "a", "z": "b", "x": "c"}


def test_the_registry_is_asked_once_more_before_a_name_passes_on(tmp_path: Path) -> None:
    registry, cluster = chain(tmp_path, "x", "y")
    registry.move("a", 1, "Archived")
    registry.add("c", description("x"))
    plan = reconcile.make_plan(registry, cluster, SETTINGS)
    registry.add("a", description("x"))
    look = lambda live: reconcile.locate(registry, SETTINGS, live)  # noqa: E731 - a line
    outcomes = execute(plan, cluster, delete=True, second_look=look)
    held = [one for one in outcomes if one.status is Status.HELD]
    assert [one.message for one in held] == ["wanted again since the plan was made"]
    assert {one.key.name: one.model for one in cluster.list()} == {"x": "a", "y": "b"}


def test_without_deletions_nothing_is_handed_over_by_execute_either(tmp_path: Path) -> None:
    registry, cluster = chain(tmp_path, "x", "y")
    registry.move("a", 1, "Archived")
    registry.add("c", description("x"))
    plan = reconcile.make_plan(registry, cluster, SETTINGS)
    assert not any(isinstance(change, Blocked) for change in plan.changes)
    outcomes = execute(plan, cluster)
    assert [one.status for one in outcomes if one.change.key.name == "x"] == [Status.BLOCKED]
    assert {one.key.name: one.model for one in cluster.list()} == {"x": "a", "y": "b"}
