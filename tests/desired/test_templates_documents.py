"""Files of several documents in the templates folder: each is taken or left alone by its kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from m2s.desired.documents import MAX_DOCUMENTS, templates
from m2s.domain.manifests import TemplateFile
from tests.desired.test_templates_flow import HEAD, Platform, template
from tests.kits.worlds import World

SECRET = """\
apiVersion: v1
kind: Secret  # for the models
metadata: {name: seldon-rclone-secret}
stringData: {RCLONE_CONFIG_S3_TYPE: s3}
"""
ACCOUNT = "{apiVersion: v1, kind: ServiceAccount, metadata: {name: models}}\n"
CHART = """\
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Values.name }}
data:
  script: |
    {% if x %} ${#array[@]} {{
"""
BETWEEN = "---\n"


@pytest.fixture
def platform(on_folder: World, tmp_path: Path) -> Platform:
    return Platform(on_folder, tmp_path / "templates")


@pytest.mark.thorough
def test_each_document_is_taken_or_left_alone_by_its_kind(platform: Platform) -> None:
    platform.add("iris", "tea", "wine")
    platform.write(
        all=BETWEEN.join(
            [SECRET, template("first", "iris"), ACCOUNT, CHART, template("second", "tea")]
        ),
        other=f"# nothing here\n{BETWEEN}{BETWEEN}{template('third', 'wine')}...\n{CHART}",
        foreign=f"{SECRET}{BETWEEN}{CHART}",
        chart=CHART,
    )
    assert platform.actions() == {"first": "create", "second": "create", "third": "create"}
    platform.apply()
    assert platform.settled()
    # A fault is that document's own, and its line the file's.
    platform.write(all=BETWEEN.join([SECRET, template("first", "gone"), template("second", "tea")]))
    plan = platform.plan()
    assert {name: plan[name]["action"] for name in ("first", "second")} == {
        "first": "blocked", "second": "unchanged"
    }  # fmt: skip
    assert "all.yaml:13: the model 'gone' has no version" in plan["first"]["reason"]
    # A document that is gone takes its deployment with it.
    platform.write(all=BETWEEN.join([SECRET, template("second", "tea")]))
    assert platform.actions()["first"] == "delete"
    platform.apply("--prune")
    assert platform.settled()


def test_a_document_that_says_nothing_of_its_kind_is_a_mistake(platform: Platform) -> None:
    platform.add("iris")
    platform.write(all=f"{template('first', 'iris')}{BETWEEN}metadata: {{name: half}}\n")
    plan = platform.plan()
    assert plan["first"]["action"] == "create"
    assert "all.yaml:10: kind is None" in plan["half"]["reason"]


def test_one_that_is_forgotten_between_two_is_a_mistake(platform: Platform) -> None:
    platform.add("iris")
    platform.write(all=SECRET + template("first", "iris"))
    (change,) = (c for c in platform.plan().values() if c["template"])
    assert change["action"] == "blocked"
    assert "all.yaml:5: the key 'apiVersion' is given twice" in change["reason"]


def test_two_of_one_name_and_a_pause_of_one(platform: Platform) -> None:
    platform.add("iris", "tea")
    platform.write(all=template("same", "iris") + BETWEEN + template("same", "tea"))
    assert {c["action"] for c in platform.plan().values() if c["template"]} == {"blocked"}
    platform.world.models.delete("tea")
    platform.write(all=template("first", "iris"))
    platform.apply()
    platform.add("tea")
    file = platform.world.objects.path / "first.yaml"
    file.write_text(
        file.read_text().replace("annotations:\n", "annotations:\n    m2s.io/paused: 'true'\n", 1)
    )
    # Another template in the same file is no new name of the paused one.
    platform.write(all=template("first", "iris") + BETWEEN + template("second", "tea"))
    assert platform.actions() == {"first": "unchanged", "second": "create"}
    # Where it is the only one, it is.
    platform.write(all=template("second", "tea"))
    assert platform.actions() == {"first": "unchanged"}


def test_a_nameless_document_does_not_hide_its_siblings(platform: Platform) -> None:
    platform.add("iris", "tea")
    platform.write(all=template("first", "iris") + BETWEEN + template("second", "tea"))
    platform.apply()
    platform.add("iris")
    broken = template("{{ model('nobody').version }}", "tea")
    platform.write(all=template("first", "iris") + BETWEEN + broken)
    result = platform("plan", "-o", "json")
    changes = [(c["name"], c["action"]) for c in result.document["changes"]]
    assert ("first", "update") in changes
    assert ("first", "blocked") not in changes
    assert ("second", "delete") not in changes


@pytest.mark.parametrize("beside", [SECRET, ACCOUNT, CHART, "# nothing\n"])
@pytest.mark.parametrize("before", [True, False])
def test_a_base_template_beside_other_objects(
    beside: str, before: bool, platform: Platform
) -> None:
    platform.add("iris")
    base = (
        f"{HEAD}spec:\n  predictors:\n    - name: default\n      graph: {{name: g, implementation: "
        "MLFLOW_SERVER, envSecretRefName: seldon-rclone-secret}\n"
    )
    parts = [beside, base] if before else [base, beside]
    platform.write(_base=BETWEEN.join(parts))
    (change,) = platform.plan().values()
    assert change["action"] == "create"
    assert "seldon-rclone-secret" in {field["new"] for field in change["fields"]}
    platform.write(_base=BETWEEN.join([base, beside, base]))
    (change,) = platform("plan", "-o", "json").changes.values()
    assert "2 templates; a base template is one" in change["reason"]
    platform.write(_base=SECRET)
    (change,) = platform("plan", "-o", "json").changes.values()
    assert "0 templates; a base template is one" in change["reason"]


def parts(text: str) -> list[str]:
    return [one.text.lstrip("\n") for one in templates(TemplateFile("t", "t", text))]


def test_where_a_document_ends() -> None:
    assert parts("a: 1\n--- # next\nb: |\n  ---\n  x\n---b: 2\n") == [
        "a: 1\n",
        " # next\nb: |\n  ---\n  x\n---b: 2\n",
    ]
    assert parts("%YAML 1.2\n---\na: 1\r\n---\r\nb: 2") == ["a: 1\r\n", "\r\nb: 2"]
    assert parts("a: 1\n{#\n---\nb: 2\n#}\nc: 3\n") == ["a: 1\n\n\n\n\nc: 3\n"]
    assert parts("a: ${#x}\n---\nb: 2\n") == ["a: ${#x}\n", "b: 2\n"]
    assert parts("") == [""]
    many = "---\n" * (MAX_DOCUMENTS + 1)
    assert parts(many) == [many]


def test_too_many_documents_are_a_mistake(platform: Platform) -> None:
    platform.add("iris")
    platform.write(all="a: 1\n---\n" * 150)
    (change,) = (c for c in platform.plan().values() if c["template"])
    assert "150 documents; 100 at most" in change["reason"]
