"""Law 10: every step back gets a second look, in the same pass, without waiting."""

from __future__ import annotations

import contextlib
import json
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from m2s.base.labels import PAUSED
from m2s.domain.versions import Model, ModelVersion, Selector
from m2s.engine import reconcile
from m2s.engine.execute import execute
from m2s.settings.build import build
from m2s.targets.folder.namespace import FolderCluster
from tests.kits.fakes import FakeRegistry
from tests.kits.support import Models, description
from tests.kits.worlds import Folder, World
from tests.servers import FaultProxy, MlflowServer

VERSIONS, MODELS = "model-versions/search", "registered-models/search"
RUN, FILES = "runs/get", r"mlflow-artifacts/artifacts\?"
BACK = "registered-models/get"


class Scene:
    """Models of the test's own in Staging, logged with their runs; MLflow is behind a proxy."""

    def __init__(self, server: MlflowServer, proxy: FaultProxy, name: str, target: Path) -> None:
        self.model, self.proxy = f"fraud-{name}", proxy
        where = ("--tracking-uri", proxy.url, "--model-uri-map", "mlflow-artifacts:/=s3://bucket")
        flags = ("--stage", "Staging", "--model", f"*-{name}", *where, "--target", f"dir:{target}")
        models = Models(server.uri, server.database)
        self.world = World(models, Folder(target / "default"), (*flags, "--no-cache"))

    def add(self, deploy: str | None = "", model: str = "") -> int:
        """Register a version that was logged with its run; return its number."""
        client, name = self.world.models.client, model or self.model
        run = client.create_run("0").info.run_id
        if deploy is not None:
            client.log_text(run, deploy or description(name), "deploy.yaml")
        client.log_text(run, "flavors: {python_function: {}}\n", "model/MLmodel")
        with contextlib.suppress(Exception):
            client.create_registered_model(name)
        source = f"mlflow-artifacts:/0/{run}/artifacts/model"
        made = client.create_model_version(name, source, run, await_creation_for=0)
        self.world.models.move(name, int(made.version), "Staging", archive=False)
        return int(made.version)

    def listed(self, what: str, change: Callable[[Any], None]) -> None:
        """Answer a listing with what the server says, changed."""
        path = f"/api/2.0/mlflow/{what}?max_results=1000"
        with urllib.request.urlopen(f"{self.world.models.uri}{path}", timeout=30) as answer:
            body = json.loads(answer.read())
        change(body)
        self.proxy.answer(200, body, path=what)

    @property
    def version(self) -> dict[str, str]:
        """What is served, by deployment."""
        marks = {n: b["metadata"]["annotations"] for n, b in self.world.objects.all().items()}
        return {name: each["m2s.io/version"] for name, each in marks.items()}


_names = iter(range(1000))


@pytest.fixture
def scene(
    mlflow_server: MlflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with contextlib.closing(FaultProxy(mlflow_server)) as proxy:
        yield Scene(mlflow_server, proxy, f"look{next(_names)}", tmp_path / "cluster")


def test_a_short_page_rolls_nothing_back(scene: Scene) -> None:
    scene.add()
    scene.add()
    scene.world.apply()
    before = scene.world.objects.snapshot()

    def shortened(body: Any) -> None:
        newest = (scene.model, "2")
        kept = [one for one in body["model_versions"] if (one["name"], one["version"]) != newest]
        body["model_versions"] = kept

    scene.listed(VERSIONS, shortened)
    result = scene.world("apply", "--prune", "-o", "json")
    assert result.code == 1
    (change,) = result.changes.values()
    assert change["action"] == "blocked"
    told = "v1 is listed in Staging, and a second look finds v2 there: held; plan again"
    assert change["reason"] == f"{scene.model} {told}"
    assert scene.world.objects.snapshot() == before


def test_a_rollback_that_was_made_is_made_at_once(scene: Scene) -> None:
    scene.add()
    scene.add()
    scene.world.apply()
    scene.world.models.move(scene.model, 2, "Archived")
    scene.proxy.requests.clear()
    scene.world.apply()
    assert scene.version == {scene.model: "1"}
    assert scene.proxy.count("GET", BACK) == 1


@pytest.mark.parametrize("times", [1, None], ids=["once", "always"])
@pytest.mark.parametrize("path", [RUN, FILES])
@pytest.mark.parametrize("named", [True, False], ids=["named", "default name"])
def test_a_description_that_is_lost_renames_nothing(
    scene: Scene, path: str, times: int | None, named: bool
) -> None:
    name = None if named else f"{scene.model}-staging"
    scene.add(description(name or scene.model, replicas=2))
    scene.world.apply("--deploy-file", "optional")
    before = scene.world.objects.snapshot()
    scene.proxy.answer(200, {}, path=path, times=times)
    result = scene.world("apply", "--prune", "--deploy-file", "optional")
    assert scene.world.objects.snapshot() == before, result
    # Of a run MLflow always says something; a folder may well be empty.
    assert result.code == (0 if times and path == FILES else 1), result
    scene.proxy.heal()
    scene.world.apply("--prune", "--deploy-file", "optional")
    assert scene.world.objects.snapshot() == before


def test_a_description_that_is_gone_for_good_is_told(scene: Scene) -> None:
    scene.add()
    scene.world.apply("--deploy-file", "optional")
    run = scene.world.models.run_of(scene.model, 1)
    folder = scene.world.models.database.parent / "artifacts" / "0" / run / "artifacts"
    (folder / "deploy.yaml").unlink()
    (change,) = scene.world.plan("--deploy-file", "optional").values()
    assert change["action"] == "blocked"
    assert "the deploy.yaml that " in change["reason"]
    assert "promote a version without one" in change["reason"]


def test_another_version_may_do_without(scene: Scene) -> None:
    scene.add()
    scene.world.apply("--deploy-file", "optional")
    scene.add(None)
    scene.world.apply("--prune", "--deploy-file", "optional")
    assert scene.version == {f"{scene.model}-staging": "2"}
    scene.proxy.requests.clear()
    scene.world.apply("--deploy-file", "optional")
    assert scene.proxy.count("GET", RUN) == 1, "nothing is left to look for twice"


@pytest.mark.parametrize("times", [1, None], ids=["once", "always"])
def test_an_empty_answer_lifts_no_pause(scene: Scene, times: int | None) -> None:
    scene.add()
    scene.world.apply()
    scene.add()
    client = scene.world.models.client
    client.set_registered_model_tag(scene.model, PAUSED, "true")
    before = scene.world.objects.snapshot()
    scene.proxy.answer(200, {}, path=MODELS, times=times)
    result = scene.world("apply", "--prune", "-o", "json")
    (change,) = result.changes.values()
    assert (result.code, change["action"]) == (0, "unchanged")
    assert change["reason"] == f"paused by the tag {PAUSED} of {scene.model}"
    assert scene.world.objects.snapshot() == before
    scene.proxy.heal()
    client.delete_registered_model_tag(scene.model, PAUSED)
    scene.world.apply()
    assert scene.version == {scene.model: "2"}


def test_nor_does_it_delete_what_is_paused(scene: Scene) -> None:
    scene.add()
    scene.add(model=f"other-{scene.model.partition('-')[2]}")
    scene.world.apply()
    scene.world.models.move(scene.model, 1, "Archived")
    scene.world.models.client.set_registered_model_tag(scene.model, PAUSED, "true")
    before = scene.world.objects.snapshot()
    scene.proxy.answer(200, {}, path=MODELS)
    for command in (("apply", "--prune"), ("prune", "--yes")):
        assert scene.world(*command).code == 0
        assert scene.world.objects.snapshot() == before


class Lying(FakeRegistry):
    """A registry whose lists, or whose looks at single models, can be made up."""

    def __init__(self) -> None:
        super().__init__()
        self.listed: dict[str, int] = {}
        self.nowhere: set[str] = set()
        self.asked: list[str] = []

    def select(self, selector: Selector) -> tuple[ModelVersion, ...]:
        """Leave out what is above what is said to be listed."""
        found = super().select(selector)
        return tuple(one for one in found if one.version <= self.listed.get(one.model, 99))

    def look(self, model: str) -> Model | None:
        self.asked.append(model)
        return None if model in self.nowhere else super().look(model)

    def models(self) -> Any:
        self.asked.append("*")
        return {name: one for name, one in super().models().items() if name not in self.nowhere}


def run(registry: FakeRegistry, cluster: FolderCluster, **flags: Any) -> dict[str, str]:
    """Plan and carry out; return what each deployment comes to, in words."""
    settings = build({"stage": "Staging", "target": "dir:x", **flags}, {})
    plan = reconcile.make_plan(registry, cluster, settings)
    look = lambda live: reconcile.locate(registry, settings, live)  # noqa: E731 - a line
    outcomes = execute(plan, cluster, delete=True, second_look=look)
    return {one.change.key.name: f"{one.status.value}: {one.message}" for one in outcomes}


@pytest.mark.parametrize("count", [3, 30])
def test_each_that_would_go_back_is_looked_up_and_the_others_go_on(
    tmp_path: Path, count: int
) -> None:
    registry, cluster = Lying(), FolderCluster(tmp_path, "default")
    for number in range(count):
        registry.add(f"m{number}")
        registry.add(f"m{number}")
    run(registry, cluster)
    registry.add("m0")
    registry.listed = {"m1": 1}
    registry.move("m2", 2, "Archived")
    registry.asked.clear()
    found = run(registry, cluster)
    assert found["m0-staging"] == "updated: "
    assert "a second look finds v2 there" in found["m1-staging"]
    assert found["m2-staging"] == "updated: "
    assert sorted(registry.asked) == ["m0", "m1", "m2"]
    assert {one.version for one in cluster.list() if one.model == "m2"} == {"1"}


def test_many_at_once_are_looked_up_in_one_list_and_the_missing_by_name(tmp_path: Path) -> None:
    registry, cluster = Lying(), FolderCluster(tmp_path, "default")
    for number in range(25):
        registry.add(f"m{number}")
    run(registry, cluster)
    for number in range(25):
        registry.add(f"m{number}")
    registry.nowhere = {"m7"}
    registry.asked.clear()
    found = run(registry, cluster)
    assert registry.asked == ["*", "m7"]
    assert found["m7-staging"] == (
        "blocked: m7 v2 is listed, and a second look finds no such registered model: held; "
        "plan again"
    )
    assert sum(each.startswith("updated") for each in found.values()) == 24


def test_an_alias_that_goes_back_is_looked_up_as_well(tmp_path: Path) -> None:
    registry, cluster = FakeRegistry(), FolderCluster(tmp_path, "default")
    for alias in ("champion", "challenger"):
        registry.add("iris", stage=None, alias=alias)
    flags = {"stage": None, "split": "champion=90,challenger=10"}
    run(registry, cluster, **flags)
    registry.add("iris", stage=None, alias="champion")
    assert run(registry, cluster, **flags) == {"iris-champion": "updated: "}
    registry.alias("iris", "champion", 1)
    assert run(registry, cluster, **flags) == {"iris-champion": "updated: "}
    (live,) = cluster.list()
    assert [str(one) for one in live.served] == ["iris v1", "iris v2"]
