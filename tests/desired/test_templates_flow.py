"""Templates from the folder to the cluster: what a platform team and its data scientists see."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from m2s.engine import reconcile
from m2s.engine.execute import execute
from m2s.engine.outcomes import Status
from m2s.plan.changes import Action
from m2s.settings.build import build
from m2s.sources.templates import TemplateFolder
from m2s.targets.folder.namespace import FolderCluster
from tests.kits.fakes import FakeRegistry
from tests.kits.support import Result, m2s
from tests.kits.worlds import ON_CLUSTER, ON_FOLDER, World

EXAMPLES = Path(__file__).parents[2] / "examples" / "templates"
HEAD = "apiVersion: machinelearning.seldon.io/v1\nkind: SeldonDeployment\n"


def template(name: str, *models: str, store: str = "s3") -> str:
    """Return a template with a chain of models."""
    graph = ""
    for index, model in enumerate(reversed(models)):
        children = f", children: [{graph}]" if graph else ""
        uri = f"{{{{ mlflow.{store}[{model!r}] }}}}"
        graph = f"{{name: n{index}, implementation: MLFLOW_SERVER, modelUri: {uri}{children}}}"
    spec = f"spec:\n  predictors:\n    - name: default\n      graph: {graph}\n"
    return f"{HEAD}metadata:\n  name: {name}\n{spec}"


@dataclass
class Platform:
    """A world with a templates folder; deploy.yaml is not looked for, as in a git folder's flow."""

    world: World
    folder: Path

    def write(self, **templates: str | None) -> None:
        """Write or, with None, remove templates by their names without the suffix."""
        self.folder.mkdir(exist_ok=True)
        for name, text in templates.items():
            file = self.folder / f"{name}.yaml"
            file.unlink() if text is None else file.write_text(text)

    def add(self, *models: str) -> None:
        """Register one more version of each and promote it."""
        for model in models:
            version = self.world.models.add(model, None, stage=None)
            self.world.models.move(model, version, "Staging")

    def __call__(self, command: str, *argv: str) -> Result:
        where = ("--templates", str(self.folder), "--deploy-file", "ignored", "--no-preflight")
        return self.world(command, *where, *argv)

    def plan(self, *argv: str) -> dict[str, dict[str, Any]]:
        result = self("plan", "-o", "json", *argv)
        assert result.code == 0, result
        return result.changes

    def actions(self, *argv: str) -> dict[str, str]:
        return {
            name: change["action"]
            for name, change in self.plan(*argv).items()
            if change["template"] or change["action"] != "create"
        }

    def apply(self, *argv: str) -> None:
        result = self("apply", *argv)
        assert result.code == 0, result

    def settled(self, *argv: str) -> bool:
        """Whether nothing is left to do."""
        return self("plan", "--detailed-exitcode", *argv).code == 0

    def objects(self) -> dict[str, Any]:
        found: dict[str, Any] = self.world.objects.all()
        return found


@pytest.fixture(params=[ON_FOLDER, ON_CLUSTER])
def platform(request: pytest.FixtureRequest, tmp_path: Path) -> Platform:
    return Platform(request.getfixturevalue(request.param), tmp_path / "templates")


@pytest.fixture
def small(on_folder: World, tmp_path: Path) -> Platform:
    return Platform(on_folder, tmp_path / "templates")


def test_the_first_seeds_git_folder_is_served_and_follows_promotions(platform: Platform) -> None:
    shutil.copytree(EXAMPLES, platform.folder)
    platform.add("iris demo1", "iris demo2", "iris demo3", "iris demo4", "wine quality")
    platform.apply()
    assert platform.settled()
    before = platform.objects()
    assert sorted(before) == ["iris-ensemble", "wine-staging"]
    graph = before["iris-ensemble"]["spec"]["predictors"][0]["graph"]
    one, three = graph["children"]
    (two,) = one["children"]
    uris = [node["modelUri"] for node in (one, two, three, graph)]
    assert uris == [platform.world.models.client.get_model_version(f"iris demo{n}", "1").source
                    for n in (1, 2, 3, 4)]  # fmt: skip
    assert before["wine-staging"]["metadata"]["annotations"]["example.com/owner"] == "nobody"

    platform.add("iris demo1")
    change = platform.plan()["iris-ensemble"]
    assert (change["action"], change["reason"]) == ("update", "promoted iris demo1 v1 → v2")
    assert change["template"] == "iris-ensemble.yaml"
    assert {(one["model"], one["version"]) for one in change["models"]} == {
        ("iris demo4", "1"), ("iris demo1", "2"), ("iris demo2", "1"), ("iris demo3", "1")
    }  # fmt: skip
    platform.apply()
    assert platform.settled()


def test_a_model_that_leaves_the_stage_holds_its_templates(platform: Platform) -> None:
    platform.write(both=template("both", "iris", "wine"), one=template("one", "wine"))
    platform.add("iris", "wine")
    platform.apply()
    before = platform.objects()
    platform.world.models.move("iris", 1, "Archived")
    platform.add("wine")
    result = platform("apply", "--prune", "-o", "json")
    assert result.code == 1
    assert {name: change["action"] for name, change in result.changes.items()} == {
        "both": "blocked", "one": "update"
    }  # fmt: skip
    assert (
        "both.yaml:8: the model 'iris' has no version in Staging"
        in (result.changes["both"]["reason"])
    )
    assert platform.objects()["both"] == before["both"]
    for command in (("apply", "--prune"), ("prune", "--yes")):
        platform(*command)
        assert platform.objects()["both"] == before["both"]


def test_a_template_that_is_removed_takes_its_deployment_along(platform: Platform) -> None:
    platform.write(a=template("a", "iris"), b=template("b", "iris"))
    platform.add("iris")
    platform.apply()
    platform.write(b=None)
    change = platform.plan()["b"]
    assert (change["action"], change["reason"]) == ("delete", "its template b.yaml is gone")
    platform.apply()
    assert sorted(platform.objects()) == ["a", "b"]
    assert platform("prune", "--yes").code == 0
    assert sorted(platform.objects()) == ["a"]
    assert platform.settled()


def test_a_template_that_is_renamed_has_a_successor(platform: Platform) -> None:
    platform.write(a=template("old", "iris"))
    platform.add("iris")
    platform.apply()
    platform.write(a=template("new", "iris"))
    assert platform.actions() == {"new": "create", "old": "delete"}
    assert "held " in platform("prune", "--yes").out
    platform.apply("--prune")
    assert sorted(platform.objects()) == ["new"]
    assert platform.settled()


def gone(platform: Platform) -> None:
    shutil.rmtree(platform.folder)


def emptied(platform: Platform) -> None:
    platform.write(a=None)


def foreign(platform: Platform) -> None:
    platform.write(a="apiVersion: v1\nkind: Secret\n")


@pytest.mark.parametrize("how", [gone, emptied, foreign], ids=lambda how: how.__name__)
@pytest.mark.parametrize("command", ["apply", "apply --prune", "prune --yes"])
def test_a_folder_without_templates_is_a_question(small: Platform, how: Any, command: str) -> None:
    small.write(a=template("a", "iris"))
    small.add("iris")
    small.apply()
    before = small.objects()
    how(small)
    result = small(*command.split())
    assert result.code == 3
    assert "while deployments that were made from templates are here (a)" in result.error
    assert small.objects() == before


def test_a_forgotten_flag_is_a_question_too(small: Platform) -> None:
    small.write(a=template("a", "iris"))
    small.add("iris")
    small.apply()
    result = small.world("prune", "--yes", "--deploy-file", "ignored")
    assert result.code == 3
    assert "--templates is not given" in result.error


def test_a_folder_that_never_was_is_a_mistake(small: Platform) -> None:
    small.add("iris")
    result = small("apply")
    assert result.code == 64
    assert f"--templates {small.folder}: there is no such folder" in result.error


def test_a_configmap_is_read_as_of_one_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "volume"
    folder.mkdir()
    for state in ("old", "new"):
        (folder / f"..{state}").mkdir()
        for name in ("a.yaml", "b.yaml"):
            (folder / f"..{state}" / name).write_text(state)
    data = folder / "..data"
    data.symlink_to("..old")
    for name in ("a.yaml", "b.yaml"):
        (folder / name).symlink_to(f"..data/{name}")
    read_bytes = Path.read_bytes

    def turning(path: Path) -> bytes:
        content = read_bytes(path)
        (turned := folder / "..tmp").symlink_to("..new")
        turned.replace(data)
        return content

    monkeypatch.setattr(Path, "read_bytes", turning)
    templates = TemplateFolder(str(folder))
    for state in ("old", "new"):
        read = templates.read()
        assert [file.text for file in read.files] == [state, state]
        assert [file.origin for file in read.files] == [f"{folder}/a.yaml", f"{folder}/b.yaml"]


def not_readable(folder: Path) -> None:
    (folder / "b.yaml").symlink_to(folder / "nothing.yaml")


def not_utf8(folder: Path) -> None:
    (folder / "b.yml").write_bytes(b"a: b\nc: \xff\xfe\n")


def too_large(folder: Path) -> None:
    (folder / "b.yaml").write_bytes(b"#" * (1024 * 1024 + 1))


def no_folder(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("a file")


def a_circle(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to(folder)


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (not_readable, "b.yaml: no such file"),
        (not_utf8, "b.yml:2: not UTF-8 text"),
        (too_large, "b.yaml: 1,048,577 bytes"),
        (no_folder, "not a folder"),
        (a_circle, "templates: "),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_what_cannot_be_read_is_an_error_before_anything_is_written(
    small: Platform, how: Any, words: str
) -> None:
    small.write(a=template("a", "iris"))
    small.add("iris")
    small.apply()
    before = small.objects()
    small.add("iris", "wine")
    how(small.folder)
    for command in ("plan", "apply --prune", "prune --yes"):
        result = small(*command.split())
        assert (result.code, result.out) == (1, "")
        assert words in result.error
    assert small.objects() == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_without_permission_is_an_error(small: Platform) -> None:
    small.write(a=template("a", "iris"))
    (small.folder / "a.yaml").chmod(0)
    assert "permission denied" in small("plan").error


@pytest.mark.parametrize(
    "broken", ["{{ mlflow.s3['iris'", "metadata: {name: [}", "metadata: {name: '{{ nothing }}'}"]
)
def test_a_template_that_says_not_even_its_name_holds_all(small: Platform, broken: str) -> None:
    small.write(a=template("a", "iris"), b=template("b", "iris"), c=template("c", "wine"))
    small.add("iris", "wine")
    small.apply()
    # b.yaml may well be a.yaml under another name, broken in the same commit.
    small.write(a=None, b=HEAD + broken)
    changes = small.plan()
    assert changes["b"]["action"] == "blocked"
    assert changes["a"]["action"] == "unchanged"
    assert changes["a"]["reason"].startswith("held: b.yaml: ")
    small("apply", "--prune")
    assert sorted(small.objects()) == ["a", "b", "c"]


def test_of_two_templates_that_want_one_name_the_one_that_has_it_goes_on(small: Platform) -> None:
    small.write(a=template("a", "iris"))
    small.add("iris", "wine")
    small.apply()
    small.write(b=template("a", "wine"))
    result = small("apply", "--prune", "-o", "json")
    assert result.code == 1
    rows = {row["template"]: row for row in result.document["plan"]["changes"]}
    actions = {name: row["action"] for name, row in rows.items()}
    assert actions == {"a.yaml": "unchanged", "b.yaml": "blocked", None: "unchanged"}
    told = "a.yaml has the name a; give this one another metadata.name; {{ selector.name }}"
    assert rows["b.yaml"]["reason"].startswith(told)
    small.add("iris")
    for other in ("wine", "nobody"):
        small.write(b=template("a", other))
        assert small("apply", "--prune").code == 1
        marks = small.objects()["a"]["metadata"]["annotations"]
        assert (marks["m2s.io/template"], marks["m2s.io/version"]) == ("a.yaml", "2")


def test_two_templates_that_want_one_free_name_are_both_blocked(small: Platform) -> None:
    small.write(a=template("a", "iris"), b=template("a", "wine"))
    small.add("iris", "wine")
    result = small("apply", "-o", "json")
    reasons = [change["reason"] for change in result.document["plan"]["changes"]]
    assert "the template b.yaml (stage=Staging) wants the same name" in "".join(reasons)
    assert "the template a.yaml (stage=Staging) wants the same name" in "".join(reasons)
    assert small.objects() == {}


def test_several_selectors_want_names_of_their_own(small: Platform) -> None:
    small.write(a=template("{{ selector.name | lower }}-a", "iris"), b=template("b", "iris"))
    small.add("iris")
    small.world.models.move("iris", small.world.models.add("iris", None), "Production")
    changes = small.plan("--stage", "Production")
    assert {name: change["action"] for name, change in changes.items()} == {
        "production-a": "create", "staging-a": "create", "b": "blocked"
    }  # fmt: skip
    assert changes["staging-a"]["version"], changes["production-a"]["version"] == ("1", "2")
    assert "{{ selector.name }}" in changes["b"]["reason"]


@pytest.mark.thorough
def test_a_model_in_a_template_has_its_own_deployment_only_with_a_deploy_yaml(
    on_folder: World, tmp_path: Path
) -> None:
    platform = Platform(on_folder, tmp_path / "templates")
    platform.write(a=template("a", "bare", "own"))
    own = on_folder.models.add("own", source=f"file://{tmp_path}/own")
    on_folder.models.add("bare", None, source=f"file://{tmp_path}/bare")
    for model in ("own", "bare"):
        (tmp_path / model).mkdir()
        (tmp_path / model / "MLmodel").write_text("flavors: {}")
    assert own == 1
    flags = (
        "--templates", str(platform.folder), "--deploy-file", "optional",
        "--model-uri-map", f"file://{tmp_path}=s3://models",
    )  # fmt: skip
    on_folder.apply(*flags)
    assert sorted(on_folder.objects.all()) == ["a", "own-staging"]
    platform.write(a=template("a", "own"))
    on_folder.apply(*flags)
    assert sorted(on_folder.objects.all()) == ["a", "bare-staging", "own-staging"]
    platform.write(a=template("a", "own", "bare"))
    plan = on_folder.plan(*flags)
    assert plan["bare-staging"]["action"] == "delete"
    assert plan["bare-staging"]["reason"] == "bare is served as a now"
    on_folder.apply("--prune", *flags)
    assert sorted(on_folder.objects.all()) == ["a", "own-staging"]
    assert on_folder.actions(*flags) == {"a": "unchanged", "own-staging": "unchanged"}


def test_narrowed_to_other_models_templates_are_left_alone(small: Platform) -> None:
    small.write(a=template("a", "iris", "wine"), b=template("b", "tea"))
    small.add("iris", "wine", "tea")
    small.apply("--model", "tea", "--model", "beer")
    assert sorted(small.objects()) == ["b"]
    small.apply("--model", "wi*")
    assert sorted(small.objects()) == ["a", "b"]
    small.add("iris", "tea")
    small.write(b=None)
    assert small.actions("--model", "wine") == {"a": "update"}
    assert small.actions("--model", "t*") == {"b": "delete"}


def test_edits_by_hand_are_taken_back(platform: Platform) -> None:
    platform.write(a=template("a", "iris"))
    platform.add("iris")
    platform.apply()
    platform.write(a=template("a", "iris") + "  protocol: v2\n")
    assert platform.plan()["a"]["reason"] == "description changed"
    platform.apply()
    assert platform.settled()


@pytest.mark.parametrize("back", ["as it was", "another"])
def test_a_template_that_comes_back_before_the_deletion_holds(tmp_path: Path, back: str) -> None:
    registry, cluster = FakeRegistry(), FolderCluster(tmp_path / "cluster", "default")
    registry.add("iris", None)
    chosen = build({"stage": ["Staging"]}, {})
    files = tmp_path / "templates"
    files.mkdir()
    folder = TemplateFolder(str(files))
    (files / "a.yaml").write_text(template("a", "iris"))
    (files / "b.yaml").write_text(template("b", "iris"))
    execute(reconcile.make_plan(registry, cluster, chosen, folder), cluster)
    (files / "b.yaml").unlink()
    planned = reconcile.make_plan(registry, cluster, chosen, folder)
    assert planned.count(Action.DELETE) == 1
    name = "b" if back == "as it was" else "c"
    (files / f"{name}.yaml").write_text(template("b", "iris"))
    look = partial(reconcile.locate, registry, chosen, folder=folder)
    outcomes = execute(planned, cluster, delete=True, second_look=look)
    assert outcomes[-1].status is Status.HELD
    (files / f"{name}.yaml").write_bytes(b"\xff")
    outcomes = execute(planned, cluster, delete=True, second_look=look)
    assert outcomes[-1].status is Status.FAILED
    assert "not UTF-8" in outcomes[-1].message
    assert {live.key.name for live in cluster.list()} == {"a", "b"}


def test_a_template_of_another_name_that_cannot_be_made_holds_the_old_one(small: Platform) -> None:
    small.write(a=template("old", "iris"))
    small.add("iris")
    small.apply()
    small.add("wine")
    small.write(a=template("new", "wine", "nobody"), c=template("c", "iris"))
    assert small("apply", "--prune").code == 1
    assert sorted(small.objects()) == ["c", "old"]
    assert small.plan()["old"]["reason"].startswith("held: a.yaml: ")


@pytest.fixture
def saved_plan(small: Platform, tmp_path: Path) -> Path:
    small.write(a=template("a", "iris", "wine"))
    small.add("iris", "wine")
    path = tmp_path / "plan.json"
    assert small("plan", "--out", str(path)).code == 0
    return path


def test_a_saved_plan_is_bound_to_its_templates(small: Platform, saved_plan: Path) -> None:
    where = ("--tracking-uri", small.world.models.uri, "--deploy-file", "ignored")
    assert m2s("apply", str(saved_plan), *where).code == 0
    assert sorted(small.objects()) == ["a"]


@pytest.mark.parametrize("move", ["template", "second model"])
def test_a_saved_plan_is_stale_when_what_it_is_made_of_moved(
    small: Platform, saved_plan: Path, move: str
) -> None:
    if move == "template":
        small.write(a=template("a", "iris", "wine") + "  replicas: 3\n")
    else:
        small.add("wine")
    where = ("--tracking-uri", small.world.models.uri, "--deploy-file", "ignored")
    result = m2s("apply", str(saved_plan), *where)
    assert result.code == 3
    assert "a: its description changed" in result.error
    assert not small.objects()


def test_a_base_template_serves_what_has_no_deploy_yaml(small: Platform) -> None:
    base = small.folder.parent / "base.yaml"
    labels = "  labels: {v: 'v{{ model.version }}'}\n"
    text = template("x", "y").replace("{{ mlflow.s3['y'] }}", '""')
    base.write_text(text.replace("  name: x\n", labels))
    small.add("iris")
    flags = ("--base-template", str(base), "--no-preflight")
    # Nothing can be listed at s3:// here; that there is no deploy.yaml is believed when told so.
    result = small.world("apply", *flags, "--deploy-file", "ignored")
    assert result.code == 0, result
    (made,) = small.objects().values()
    assert made["metadata"]["labels"]["v"] == "v1"
    base.write_text("a: {{ model.nothing }}")
    result = small.world("plan", "-o", "json", *flags, "--deploy-file", "ignored")
    assert f"{base}:1: a model version has .name" in result.changes["iris-staging"]["reason"]
    base.unlink()
    result = small.world("apply", *flags)
    assert (result.code, result.error) == (64, f"--base-template {base}: no such file")


def test_watch_reads_the_templates_in_every_pass(small: Platform) -> None:
    once = ("--once", "--policy", "sync", "--prune-after", "1", "--interval", "1s")
    small.write(a=template("a", "iris"), b=template("b", "iris"))
    small.add("iris")
    assert small("watch", *once).code == 0
    small.write(b=None)
    small.add("iris")
    assert small("watch", *once).code == 0
    assert sorted(small.objects()) == ["a"]
    assert small.settled()
    small.write(a=None)
    assert small("watch", *once).code == 3
    assert sorted(small.objects()) == ["a"]
