"""Law 14: deployments remember their registry; a run against one that is not theirs is refused."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from m2s.base.gate import Gate
from m2s.base.labels import REGISTRY
from m2s.domain import provenance
from m2s.domain.deployments import LiveDeployment
from m2s.domain.versions import Key
from m2s.settings.build import build
from m2s.sources.mlflow.registry import MlflowRegistry
from m2s.targets.folder.namespace import FolderCluster
from m2s.watch.absences import Absences
from m2s.watch.passes import Edges, Pass
from m2s.watch.report import PassReport
from tests.kits.support import Models, description
from tests.kits.worlds import World
from tests.servers import sqlite_uri

DEPLOYED = ("fraud", "churn", "price", "spam")
WRITING = [("apply", "--prune"), ("apply",), ("prune", "--yes")]
STAGE, ALIAS = ("--stage", "Staging"), ("--alias", "champion")
BOTH = pytest.mark.parametrize("company", [STAGE, ALIAS], ids=["stage", "alias"], indirect=True)


def copied(source: Path, target: Path) -> None:
    """Copy a database; whoever has the target open sees that it is another one."""
    connect = sqlite3.connect
    with contextlib.closing(connect(source)) as old, contextlib.closing(connect(target)) as new:
        old.backup(new)


@dataclass
class Company:
    """A folder of deployments, and registries that take turns behind the URL that m2s asks."""

    world: World
    empty: Path
    folder: Path
    selector: tuple[str, str]
    made: int = 0

    @property
    def models(self) -> Models:
        return self.world.models

    def add(self, *models: str, to: Models | None = None) -> None:
        """Register a version of each and promote it."""
        for model in models:
            registry = to or self.models
            number = registry.add(model, description(model), stage=None)
            registry.move(model, number, "Staging")
            registry.alias(model, "champion", number)

    def drop(self, model: str, version: int) -> None:
        """Take a version out of what is served."""
        self.models.move(model, version, "Archived")
        self.models.alias(model, "champion", None)

    def at(self, registry: Models) -> World:
        """Return the world of whoever asks another registry."""
        flags = list(self.world.flags)
        flags[flags.index("--tracking-uri") + 1] = registry.uri
        return replace(self.world, models=registry, flags=tuple(flags))

    def another(self, *models: str) -> Models:
        """Return another registry, with these models."""
        self.made += 1
        folder = self.folder / f"registry-{self.made}"
        folder.mkdir()
        registry = Models(sqlite_uri(self.empty, folder))
        self.add(*models, to=registry)
        return registry

    def put(self, registry: Models) -> None:
        """Put another registry's data behind the URL that m2s asks."""
        copied(registry.database, self.models.database)

    def copy(self) -> Models:
        """Return a copy of the registry, at another URL."""
        self.made += 1
        path = self.folder / f"copy-{self.made}.db"
        copied(self.models.database, path)
        return Models(f"sqlite:///{path}")

    def served(self) -> dict[str, str]:
        marks = {n: b["metadata"]["annotations"] for n, b in self.world.objects.all().items()}
        return {name: each["m2s.io/version"] for name, each in marks.items()}

    def note(self, name: str) -> Any:
        marks = self.world.objects.all()[name]["metadata"]["annotations"]
        return json.loads(marks[REGISTRY]) if REGISTRY in marks else None

    def forget(self, *names: str) -> None:
        """Leave deployments as an older m2s has written them."""
        for name in names:
            file = self.world.objects.path / f"{name}.yaml"
            body = yaml.safe_load(file.read_text())
            del body["metadata"]["annotations"][REGISTRY]
            file.write_text(yaml.safe_dump(body, sort_keys=False))


@pytest.fixture
def company(
    request: pytest.FixtureRequest, on_folder: World, mlflow_template: Path, tmp_path: Path
) -> Company:
    """Four models are deployed, by stage unless the test says otherwise."""
    selector = getattr(request, "param", STAGE)
    world = replace(on_folder, flags=(*selector, *on_folder.flags[2:]))
    made = Company(world, mlflow_template, tmp_path, selector)
    made.add(*DEPLOYED)
    world.apply()
    return made


@pytest.fixture
def staged(on_folder: World, mlflow_template: Path, tmp_path: Path) -> Company:
    """Nothing is deployed; by stage."""
    return Company(on_folder, mlflow_template, tmp_path, STAGE)


def refused(
    world: World, company: Company, *words: str, commands: Sequence[Sequence[str]] = WRITING[:1]
) -> None:
    """Assert that nothing at all is written, and why."""
    before = company.world.objects.snapshot()
    for command in commands:
        result = world(*command, "--max-delete", "100%")
        assert result.code == 3, result
        for word in ("`m2s apply --accept-registry`", *words):
            assert word in result.error
        assert company.world.objects.snapshot() == before


def empty(world: World) -> bool:
    """Whether nothing is to be done, and nothing in the way."""
    return set(world.actions().values()) == {"unchanged"}


@BOTH
def test_another_registry_is_refused(company: Company) -> None:
    other = company.another("wine")
    words = "knows none of the models deployed here, which come from sqlite://"
    world = company.at(other)
    refused(world, company, f"the registry {other.uri} {words}", commands=WRITING)
    plan = world("plan")
    assert (plan.code, plan.err.startswith("Warning: apply and prune would refuse: ")) == (0, True)


@BOTH
def test_so_is_one_with_models_of_the_same_names(company: Company) -> None:
    other = company.another(*DEPLOYED)
    refused(company.at(other), company, "is not the model that was deployed")


@pytest.mark.parametrize("models", [("wine",), DEPLOYED], ids=["others", "same names"])
def test_so_is_another_one_behind_the_same_url(company: Company, models: tuple[str, ...]) -> None:
    company.put(company.another(*models))
    refused(company.world, company)


@BOTH
def test_one_that_moved_is_the_same(company: Company) -> None:
    moved = company.copy()
    world = company.at(moved)
    assert empty(world)
    assert company.note("fraud")["registry"] == company.models.uri, "no change of its own"
    company.add("fraud", to=moved)
    world.apply("--prune")
    assert company.note("fraud")["registry"] == moved.uri
    assert company.note("churn")["registry"] == company.models.uri
    moved.delete("churn")
    world.apply("--prune")
    assert set(company.served()) == {"fraud", "price", "spam"}


def test_it_is_accepted_once_and_shown(company: Company) -> None:
    before = company.models.uri
    other = company.another("fraud", "churn", "wine")
    world = company.at(other)
    plan = world.plan("--accept-registry")
    told = f"registry accepted: {other.uri}, before {before}"
    assert [plan[name]["action"] for name in ("fraud", "wine", "spam")] == [
        "update", "create", "delete",
    ]  # fmt: skip
    assert plan["fraud"]["reason"].endswith(told)
    world.apply("--prune", "--accept-registry")
    assert set(company.served()) == {"fraud", "churn", "wine"}
    assert company.note("fraud")["registry"] == other.uri
    assert empty(world)
    world.apply("--prune")
    refused(company.world, company)


def test_what_would_change_in_nothing_else_is_noted_anew(company: Company) -> None:
    """Accepting has to show in the deployments, or it would have to be said again."""
    twin = company.copy()
    for model in DEPLOYED:
        created = "UPDATE registered_models SET creation_time = 1"
        _sql(twin, created, "UPDATE model_versions SET creation_time = 2")
        assert model in company.served()
    world = company.at(twin)
    refused(world, company)
    plan = world.plan("--accept-registry")
    assert {change["action"] for change in plan.values()} == {"update"}
    assert all(change["fields"] == [] for change in plan.values())
    world.apply("--accept-registry")
    assert empty(world)


def _sql(models: Models, *statements: str) -> None:
    from tests.kits.registry_kit import execute

    for statement in statements:
        execute(models.database, statement)


def test_so_it_is_in_a_cluster(on_cluster: World, mlflow_template: Path, tmp_path: Path) -> None:
    company = Company(on_cluster, mlflow_template, tmp_path, STAGE)
    company.add("fraud", "churn")
    on_cluster.apply()
    other = company.another("fraud", "churn")
    world = company.at(other)
    refused(world, company)
    world.apply("--accept-registry")
    assert company.note("fraud")["registry"] == other.uri
    before = on_cluster.objects.snapshot()
    world.apply("--prune")
    assert on_cluster.objects.snapshot() == before


def test_a_saved_plan_remembers_that_it_was_accepted(company: Company, tmp_path: Path) -> None:
    world = company.at(company.another(*DEPLOYED))
    saved = str(tmp_path / "plan.json")
    assert world("plan", "--out", saved, "--accept-registry").code == 0
    where = world.flags[2:4]
    result = replace(world, flags=where)("apply", saved)
    assert result.code == 0, result
    assert empty(world)


@BOTH
def test_an_older_backup_is_refused(company: Company) -> None:
    backup = company.copy()
    company.add("fraud")
    company.world.apply()
    assert company.served()["fraud"] == "2"
    company.put(backup)
    refused(company.world, company, "does not have fraud v2", "restored from an older backup")
    company.world.apply("--accept-registry")
    assert company.served()["fraud"] == "1"
    assert empty(company.world)


def test_a_version_that_is_deleted_in_mlflow_is_no_backup(company: Company) -> None:
    company.add("fraud")
    company.world.apply()
    company.models.delete("fraud", 2)
    company.models.move("fraud", 1, "Staging")
    company.models.alias("fraud", "champion", 1)
    company.world.apply()
    assert company.served()["fraud"] == "1"


def test_registering_again_and_deleting_are_a_working_day(company: Company) -> None:
    company.models.delete("fraud")
    company.add("fraud")
    company.world.apply("--prune")
    company.models.delete("churn")
    company.world.apply("--prune")
    assert set(company.served()) == {"fraud", "price", "spam"}
    assert empty(company.world)


def test_even_if_there_is_only_one(staged: Company) -> None:
    staged.add("fraud")
    staged.world.apply()
    for version in ("1", "1"):
        staged.models.delete("fraud")
        staged.add("fraud")
        staged.world.apply("--prune")
        assert staged.served() == {"fraud": version}
        assert empty(staged.world)


def test_half_of_the_models_gone_at_once_is_a_question(company: Company) -> None:
    for model in ("fraud", "churn"):
        company.models.delete(model)
    company.add("price")
    for command in (WRITING[0], WRITING[2]):
        result = company.world(*command)
        assert result.code == 3
        assert "models that the registry no longer has (churn and fraud)" in result.error
    company.world.apply()
    assert company.served() == {"churn": "1", "fraud": "1", "price": "2", "spam": "1"}
    company.world.apply("--prune", "--accept-registry")
    assert set(company.served()) == {"price", "spam"}


def test_leaving_the_stage_is_none(company: Company) -> None:
    for model in ("fraud", "churn"):
        company.drop(model, 1)
    company.world.apply("--prune")
    assert set(company.served()) == {"price", "spam"}
    for model in ("price", "spam"):
        company.drop(model, 1)
    result = company.world("apply", "--prune")
    assert result.code == 3
    assert "prune --all" in result.error


@pytest.mark.thorough
def test_deployments_of_an_older_m2s(company: Company) -> None:
    company.forget(*DEPLOYED)
    assert empty(company.world), "the first plan after an upgrade"
    company.world.apply("--prune")
    assert company.note("fraud") is None
    company.add("fraud")
    company.world.apply("--prune")
    assert company.note("fraud")["registry"] == company.models.uri
    assert company.note("churn") is None
    company.forget("fraud")
    refused(company.at(company.another("wine")), company, "knows none of the models deployed here")
    known = company.another("fraud", "wine")
    company.at(known).apply()
    assert set(company.served()) == {*DEPLOYED, "wine"}


def test_the_note_says_which_versions_of_which_models(staged: Company) -> None:
    staged.add("fraud")
    staged.world.apply()
    version = staged.models.client.get_model_version("fraud", "1")
    born = {"model": "fraud", "version": "1", "registered": version.creation_timestamp}
    assert staged.note("fraud") == {
        "registry": staged.models.uri,
        "served": [{**born, "file": True}],
    }
    staged.models.add("fraud", description("fraud", replicas=2))
    staged.world.apply()
    model = staged.models.client.get_registered_model("fraud")
    assert staged.note("fraud")["served"][0]["created"] == model.creation_timestamp


NOTES = ["", "{", "[]", "null", "[" * 9999, '{"registry": 1, "served": []}',
         '{"registry": "x", "served": [{"model": "m", "version": "1", "created": true}]}',
         '{"registry": "x", "served": [{"model": "m", "version": 1}]}',
         '{"registry": "x", "served": {"model": "m"}}',
         '{"registry": "x", "served": 7}']  # fmt: skip


@pytest.mark.parametrize("note", NOTES)
def test_a_note_that_is_not_m2ss_is_none(note: str) -> None:
    body = {"metadata": {"annotations": {REGISTRY: note}}}
    assert provenance.of(LiveDeployment(Key("default", "fraud"), body)) is None


def test_a_description_cannot_say_where_it_comes_from(staged: Company) -> None:
    body = yaml.safe_load(description("fraud"))
    body["metadata"]["annotations"] = {REGISTRY: '{"registry":"http://mine","served":[]}'}
    staged.models.add("fraud", yaml.safe_dump(body))
    staged.world.apply()
    assert staged.note("fraud")["registry"] == staged.models.uri


def test_the_note_survives_a_rollback(staged: Company) -> None:
    staged.add("fraud", "churn")
    staged.world.apply()
    staged.add("fraud")
    staged.world.apply()
    assert (
        replace(staged.world, flags=staged.world.flags[4:])("rollback", "fraud", "--yes").code == 0
    )
    note = staged.note("fraud")
    assert (note["registry"], note["served"][0]["version"]) == (staged.models.uri, "1")
    assert empty(staged.world)


def test_a_deployment_of_another_registry_among_ours_stays(company: Company) -> None:
    file = company.world.objects.path / "fraud.yaml"
    body = yaml.safe_load(file.read_text())
    stamps = {"created": 5, "registered": 6}
    served = [{"model": "elsewhere", "version": "1", **stamps}]
    told = json.dumps({"registry": "http://elsewhere", "served": served})
    marks = {REGISTRY: told, "m2s.io/model": "elsewhere"}
    body["metadata"]["annotations"] |= marks
    file.write_text(yaml.safe_dump(body))
    company.drop("fraud", 1)
    result = company.world("apply", "--prune", "-o", "json")
    assert result.code == 1
    assert result.changes["fraud"]["action"] == "blocked"
    assert "it comes from the registry http://elsewhere" in result.changes["fraud"]["reason"]
    company.world.apply("--prune", "--accept-registry")
    assert set(company.served()) == {"churn", "price", "spam"}


@dataclass
class Watching:
    """Passes of watch over one registry after the other, which deletes at once."""

    company: Company
    absences: Absences = field(default_factory=Absences)

    def __post_init__(self) -> None:
        self.follow(self.company.models)

    def follow(self, models: Models) -> None:
        where = FolderCluster(self.company.world.objects.path.parent, "default")
        self.edges = Edges(MlflowRegistry(models.uri).incremental(600), where)

    def make(self, trigger: str = "interval") -> PassReport:
        kind, name = self.company.selector
        flags = {kind[2:]: name, "prune": True, "prune-after": 1, "target": "dir:x"}
        settings = build({**flags, "max-delete": "100%"}, {})
        return Pass(self.edges, settings, self.absences, trigger, Gate()).make()


@BOTH
@pytest.mark.parametrize(
    ("models", "how"), [(("wine",), "behind its back"), (DEPLOYED, "restarted")]
)
def test_watch_refuses_too(company: Company, models: tuple[str, ...], how: str) -> None:
    watch, other = Watching(company), company.another(*models)
    assert watch.make().result == "success"
    before = company.world.objects.snapshot()
    if how == "restarted":
        watch.follow(other)
    else:
        company.put(other)
    for trigger in ("webhook", "interval", "interval"):
        report = watch.make(trigger)
        assert (report.result, report.outcomes) == ("refused", ())
        assert "`m2s apply --accept-registry`" in report.message
    assert company.world.objects.snapshot() == before
    asked = other if how == "restarted" else company.models
    company.at(asked).apply("--prune", "--accept-registry")
    assert watch.make().result == "success"
