"""Several serving platforms at once: which one, which object of a name, and what a plan shows."""

from __future__ import annotations

import io
from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from m2s.base.errors import ClusterError, M2sError, UsageError
from m2s.base.gate import Gate
from m2s.base.labels import MANAGED_BY
from m2s.cli.choosing import chosen_by
from m2s.domain.deployments import LiveDeployment
from m2s.domain.scope import Scope
from m2s.domain.versions import Key
from m2s.engine import check, status
from m2s.engine.execute import execute
from m2s.engine.reconcile import locate, make_plan
from m2s.engine.rollback import make_rollback
from m2s.observers.last_seen import Sight
from m2s.output import document, markdown, plan_view, saved_plan, status_view
from m2s.plan import explain
from m2s.plan.changes import Blocked, Create, Delete, Unchanged
from m2s.plan.plan import Plan
from m2s.platforms import catalogue
from m2s.settings.build import build
from m2s.settings.groups import Settings
from m2s.sources.templates import TemplateFolder
from m2s.targets.folder.namespace import FolderCluster
from m2s.watch.absences import Absences
from m2s.watch.passes import Edges, Pass
from m2s.watch.report import PassReport
from m2s.watch.retiring import unretired
from m2s.watch.triggers import CLUSTER, Triggers
from tests.kits.fakes import FakeRegistry
from tests.kits.platform_kit import EVERY, EXAMPLES

STAGED = build({"stage": ["Staging"]}, {})


@pytest.fixture(autouse=True)
def catalogued(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(catalogue, "ROWS", EVERY)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def both() -> tuple[FakeRegistry, FolderCluster]:
    """Two models of one name but for their platforms."""
    registry, cluster = FakeRegistry(), FolderCluster("out", "default")
    for platform in ("seldon", "toy"):
        deploy = EXAMPLES[platform].deploy
        named = deploy.replace("spec:", "metadata: {name: iris}\nspec:", 1)
        registry.add(f"iris-{platform}", named if "metadata:" not in deploy else deploy)
    return registry, cluster


def chosen(**flags: Any) -> Settings:
    return chosen_by({"stage": ["Staging"], **flags}, None)


@pytest.mark.parametrize("where", ["flag", "variable", "file"])
def test_a_platform_that_is_named_serves_versions_without_a_description(
    where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = FakeRegistry()
    registry.add("iris", None)
    if where == "variable":
        monkeypatch.setenv("M2S_PLATFORM", "toy")
    if where == "file":
        Path("m2s.yaml").write_text("platform: toy\n")
    settings = chosen(**({"platform": "toy"} if where == "flag" else {}))
    (change,) = make_plan(registry, FolderCluster("out", "default"), settings).changes
    assert isinstance(change, Create)
    assert change.key == Key("default", "iris-staging", "ToyServer")
    assert not make_plan(registry, FolderCluster("out", "default"), STAGED).changes


def test_a_deploy_yaml_says_its_platform_whatever_the_flag_does() -> None:
    registry = FakeRegistry()
    registry.add("iris", EXAMPLES["seldon"].deploy)
    (change,) = make_plan(registry, FolderCluster("out", "default"), chosen(platform="toy")).changes
    assert change.key.kind == "SeldonDeployment"


def test_a_row_that_is_blocked_is_of_the_kind_that_it_would_be() -> None:
    registry = FakeRegistry()
    registry.add("iris", "apiVersion: toy.example.org/v1\nkind: ToyServer\nspec: {modelUri: 7}\n")
    (change,) = make_plan(registry, FolderCluster("out", "default"), STAGED).changes
    assert isinstance(change, Blocked)
    assert change.key.kind == "ToyServer"


@pytest.mark.parametrize("flags", [{"platform": "tyo"}, {"platforms": "tyo"}], ids=str)
def test_an_unknown_platform_is_one_line(flags: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"platform 'tyo': no such one; did you mean toy\?"):
        chosen(**flags)


def test_the_rights_are_those_of_the_platforms_in_use() -> None:
    def plan(**flags: str) -> set[str]:
        return {right.resource for right in check.needs(chosen(**flags))[0].rights}

    seldon, toy = "seldondeployments.machinelearning.seldon.io", "toyservers.toy.example.org"
    assert plan() == {seldon}
    assert plan(platform="toy") == {toy, "configmaps"}
    assert plan(platforms="toy") == {seldon, toy, "configmaps"}


def table(plan: Plan, width: int) -> list[str]:
    text = io.StringIO()
    Console(file=text, width=width, highlight=False).print(plan_view.plan_table(plan, width))
    return [line.rstrip() for line in text.getvalue().splitlines()]


@pytest.mark.parametrize("width", [80, 100])
def test_a_plan_of_several_kinds_has_a_platform_column(
    both: tuple[FakeRegistry, FolderCluster], width: int
) -> None:
    both[0].add("a-model-with-a-name-that-is-rather-long", EXAMPLES["toy"].deploy)
    plan = make_plan(*both, STAGED)
    lines = table(plan, width)
    assert all(len(line) <= width for line in lines)
    (head,) = (line for line in lines if "Deployment" in line)
    assert head.split() == ["Deployment", "Platform", "Version", "Why"]
    rows = [line.split() for line in lines if line.startswith("+")]
    assert {row[2] for row in rows} == {"seldon", "toy"}
    assert "| Deployment | Platform | Model |" in markdown.plan_markdown(plan)
    told = document.of_plan(plan)["changes"]
    assert {each["platform"] for each in told} == {"seldon", "toy"}


def test_a_plan_of_one_platform_has_none() -> None:
    registry = FakeRegistry()
    registry.add("iris", EXAMPLES["seldon"].deploy)
    plan = make_plan(registry, FolderCluster("out", "default"), STAGED)
    assert "Platform" not in "\n".join(table(plan, 100))
    assert "platform" not in document.of_plan(plan)["changes"][0]


def test_one_name_of_two_platforms_is_told_by_its_kind(
    both: tuple[FakeRegistry, FolderCluster],
) -> None:
    registry, cluster = both
    plan = make_plan(registry, cluster, STAGED)
    name = plan.changes[0].key.name
    assert [change.key.name for change in plan.changes] == [name, name]
    execute(plan, cluster, delete=True)
    for model, platform in (("iris-seldon", "seldon"), ("iris-toy", "toy")):
        registry.move(model, registry.add(model, EXAMPLES[platform].deploy), "Staging")
    with pytest.raises(M2sError, match=f"seldondeployment/{name} and toyserver/{name}: say which"):
        make_rollback(cluster, STAGED, name, "v1")
    for word in ("ToyServer", "toyservers", "toy"):
        (change,) = make_rollback(cluster, STAGED, f"{word}/{name}", "v1").changes
        assert change.key.kind == "ToyServer"
    with pytest.raises(UsageError, match=r"no kind of deployment is called 'toi'"):
        make_rollback(cluster, STAGED, f"toi/{name}", "v1")

    found = status.of("dir:out", "default", cluster.list(), Scope(frozenset()))
    text = io.StringIO()
    Console(file=text, width=100).print(status_view.table(found, 100))
    assert "Platform" in text.getvalue()
    assert "| Deployment | Platform |" in status_view.markdown(found)
    (only,) = status.only(found, f"sdep/{name}").deployments
    assert only.key.kind == "SeldonDeployment"
    assert explain.of(plan, f"toy/{name}").change.key.kind == "ToyServer"


def test_a_saved_plan_knows_its_platforms(both: tuple[FakeRegistry, FolderCluster]) -> None:
    plan = make_plan(*both, STAGED)
    saved_plan.save("saved.json", plan, chosen(platform="toy"), ())
    saved = saved_plan.load("saved.json")
    assert saved_plan.flags_of(saved, {})["platform"] == "toy"
    assert not saved_plan.stale(saved, make_plan(*both, STAGED))


def test_only_an_edit_of_a_part_asks_for_a_pass() -> None:
    registry, cluster = FakeRegistry(), FolderCluster("out", "default")
    registry.add("iris", EXAMPLES["toy"].deploy)
    execute(make_plan(registry, cluster, STAGED), cluster)
    plan = make_plan(registry, cluster, STAGED)
    (change,) = plan.changes
    assert isinstance(change, Unchanged)
    triggers, left = Triggers(), change.live
    triggers.left(PassReport(datetime.now(UTC), 1.0, "start", "success", "", plan), ())
    for part in left.singly:
        triggers.observe(part.key, part)
    assert triggers.pending() is None
    record = left.singly[1]
    edited = {**record.body, "metadata": {**record.body["metadata"], "labels": {MANAGED_BY: "x"}}}
    triggers.observe(record.key, LiveDeployment(record.key, edited))
    assert triggers.pending() == CLUSTER


class Moving:
    """A model that moves from Seldon to the toy, and a watch that deletes at once."""

    def __init__(self, models: int = 1, **config: str) -> None:
        self.registry, self.cluster = FakeRegistry(), FolderCluster("out", "default")
        self.names = [f"iris{number}" for number in range(models)]
        flags = {"stage": ["Staging"], "policy": "sync", "prune-after": "1"}
        Path("m2s.yaml").write_text("".join(f"{key}: {text}\n" for key, text in config.items()))
        self.settings, self.absences = build(flags, {}), Absences()
        for name in self.names:
            self.registry.add(name, EXAMPLES["seldon"].deploy.replace("iris", name))
        execute(make_plan(self.registry, self.cluster, STAGED), self.cluster)
        for name in self.names:
            self.registry.move(name, self.registry.add(name, EXAMPLES["toy"].deploy), "Staging")

    def watch(self) -> PassReport:
        edges = Edges(self.registry, self.cluster)
        return Pass(edges, self.settings, self.absences, "interval", Gate()).make()

    def kinds(self) -> list[str]:
        return sorted(live.key.kind for live in self.cluster.list())

    def edit(self, **parts: Any) -> None:
        """Edit the old object as somebody else would."""
        (file,) = Path("out/default").glob("*0*.yaml") if len(self.names) > 1 else [self.old]
        body = yaml.safe_load(file.read_text())
        body["metadata"]["annotations"] |= parts.pop("annotations", {})
        file.write_text(yaml.safe_dump({**body, **parts}))

    @property
    def old(self) -> Path:
        files = Path("out/default").iterdir()
        return next(file for file in files if "toyserver" not in file.name)


def test_a_change_of_kind_shows_both_endpoints_and_is_ended_by_prune() -> None:
    moving = Moving()
    moving.edit(status={"address": {"url": "http://old.example"}})
    plan = make_plan(moving.registry, moving.cluster, STAGED)
    new, old = sorted(plan.changes, key=lambda change: change.action.word)
    assert isinstance(new, Create)
    assert isinstance(old, Delete)
    now = f"ToyServer {new.key.name} now: http://old.example → not known yet"
    assert old.reason == f"iris0 is served as {now}"
    execute(plan, moving.cluster)
    assert moving.kinds() == ["SeldonDeployment", "ToyServer"]
    execute(make_plan(moving.registry, moving.cluster, STAGED), moving.cluster, delete=True)
    assert moving.kinds() == ["ToyServer"]


def test_under_watch_the_old_object_stays_until_it_is_retired() -> None:
    moving = Moving()
    for _ in range(3):
        assert moving.watch().result == "success"
    assert moving.kinds() == ["SeldonDeployment", "ToyServer"]
    stays = [each for each in moving.watch().outcomes if "stays until `m2s prune`" in each.message]
    assert len(stays) == 1
    moving.edit(annotations={"m2s.io/retire": "true"})
    moving.watch()
    assert moving.kinds() == ["ToyServer"]


def test_a_whole_registry_that_moves_is_within_the_budget() -> None:
    moving = Moving(8)
    assert [moving.watch().result for _ in range(2)] == ["success", "success"]
    assert moving.kinds().count("SeldonDeployment") == 8


@pytest.mark.parametrize(("after", "stays"), [("1h", False), ("3h", True), ("", True)])
def test_a_successor_that_is_old_enough_retires_it(after: str, stays: bool) -> None:
    moving = Moving(1, **({"retire-after": after} if after else {}))
    moving.watch()
    plan = make_plan(moving.registry, moving.cluster, STAGED)
    now = datetime(2026, 11, 21, 12, tzinfo=UTC)
    old, new = sorted(plan.changes, key=lambda change: change.action.word)
    assert isinstance(new, Unchanged)
    metadata = {**new.live.body["metadata"], "creationTimestamp": "2026-11-21T10:00:00Z"}
    aged = replace(new, live=replace(new.live, body={**new.live.body, "metadata": metadata}))
    kept = unretired(replace(plan, changes=(old, aged)), moving.settings.retire_after, now)
    assert isinstance(kept[0], Unchanged if stays else Delete)


def test_a_template_whose_kind_changes_is_moved_too() -> None:
    registry, cluster = FakeRegistry(), FolderCluster("out", "default")
    registry.add("iris", None)
    file = Path("templates/shop.yaml")
    file.parent.mkdir()
    uri = '{{ model("iris").uri }}'
    graph = f"graph: {{name: a, implementation: MLFLOW_SERVER, modelUri: '{uri}'}}"
    head = "apiVersion: machinelearning.seldon.io/v1\nkind: SeldonDeployment\n"
    file.write_text(f"{head}spec: {{predictors: [{{name: a, {graph}}}]}}\n")
    folder = TemplateFolder("templates", None)
    execute(make_plan(registry, cluster, STAGED, folder), cluster)
    file.write_text(EXAMPLES["toy"].deploy.replace("modelUri:", f"modelUri: '{uri}'"))
    plan = make_plan(registry, cluster, STAGED, folder)
    assert {type(change) for change in plan.changes} == {Create, Delete}
    look = lambda live: locate(registry, STAGED, live, folder)  # noqa: E731 - a line
    execute(plan, cluster, delete=True, second_look=look)
    assert [live.key.kind for live in cluster.list()] == ["ToyServer"]


def test_what_was_last_seen_of_a_bundle_is_whole() -> None:
    """The cluster tells of the primary object alone, which has none of the toy's marks."""
    registry, cluster, sight = FakeRegistry(), FolderCluster("out", "default"), Sight()
    registry.add("iris", EXAMPLES["toy"].deploy)
    execute(make_plan(registry, cluster, STAGED), cluster)
    plan = make_plan(registry, cluster, STAGED)
    (change,) = plan.changes
    assert isinstance(change, Unchanged)
    primary = change.live.singly[0]
    told = replace(primary, body={**primary.body, "status": {"phase": "Available"}})
    sight.observe(told.key, told)  # before any pass nobody knows what it is
    assert sight.deployments() == ()
    sight(PassReport(datetime.now(UTC), 1.0, "start", "success", "", plan))
    sight.observe(told.key, told)
    (seen,) = sight.deployments()
    assert (seen.version, status.serving_of(seen).state) == ("1", "Available")
    sight.observe(told.key, None)
    assert sight.deployments() == ()


class Without:
    """A cluster that has no toys."""

    def __init__(self, cluster: FolderCluster) -> None:
        self._cluster = cluster

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster, name)

    def list(self, kinds: Collection[str] = ()) -> tuple[LiveDeployment, ...]:
        if "ToyServer" in kinds:
            raise ClusterError("it has no ToyServers: install the toy there")
        return self._cluster.list(kinds)


def test_a_kind_that_is_not_there_blocks_the_rows_that_name_it(
    both: tuple[FakeRegistry, FolderCluster],
) -> None:
    registry, cluster = both
    plan = make_plan(registry, Without(cluster), STAGED)
    by_kind = {change.key.kind: change for change in plan.changes}
    assert isinstance(by_kind["SeldonDeployment"], Create)
    refused = by_kind["ToyServer"]
    assert isinstance(refused, Blocked)
    assert refused.reason == "it has no ToyServers: install the toy there"
    moving = Moving()
    (held,) = make_plan(moving.registry, Without(moving.cluster), STAGED).changes
    assert isinstance(held, Blocked)  # what serves goes on serving
    assert held.live
