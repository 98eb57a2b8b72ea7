"""Every place of a model's URI: the version's own, a blank one, and what is written elsewhere."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from m2s.engine import reconcile
from m2s.engine.execute import execute
from m2s.plan.changes import Blocked, Create, Unchanged
from m2s.plan.plan import Plan
from m2s.platforms.seldon.units import units
from m2s.settings.build import build
from m2s.sources.templates import TemplateFolder
from m2s.targets.folder.namespace import FolderCluster
from tests.kits.fakes import FakeRegistry
from tests.kits.worlds import World

URI = "s3://models/iris/1"
MAP = "mlflow-artifacts:/=s3://bucket/mlflow"


def deployment(*predictors: dict[str, Any], **parts: Any) -> str:
    body = {
        "apiVersion": "machinelearning.seldon.io/v1",
        "kind": "SeldonDeployment",
        "metadata": {"name": "iris"},
        "spec": {"predictors": list(predictors)},
        **parts,
    }
    return yaml.safe_dump(body, sort_keys=False)


def server(name: str = "classifier", **fields: Any) -> dict[str, Any]:
    return {"name": name, "implementation": "MLFLOW_SERVER", **fields}


def predictor(graph: dict[str, Any], *own: str, name: str = "default", **more: Any) -> Any:
    """Return a predictor; ``own`` are the nodes with a container of their own."""
    containers = [{"name": each, "image": "example/own:1"} for each in own]
    specs = {"componentSpecs": [{"spec": {"containers": containers}}]} if own else {}
    return {"name": name, "graph": graph, **specs, **more}


def step(name: str = "step", **fields: Any) -> dict[str, Any]:
    return {"name": name, "type": "TRANSFORMER", **fields}


def planned(deploy: str, tmp_path: Path, *mapped: str, source: str = URI, **flags: Any) -> Plan:
    registry = FakeRegistry()
    registry.add("iris", deploy, source=source)
    registry.add("old", source="mlflow-artifacts:/7/models/m-7/artifacts")
    given = {"stage": ["Staging"], "model": ["iris"], "model-uri-map": list(mapped), **flags}
    chosen, cluster = build(given, {}), FolderCluster(tmp_path / "cluster", "default")
    plan = reconcile.make_plan(registry, cluster, chosen)
    execute(plan, cluster)
    again = reconcile.make_plan(registry, cluster, chosen).changes
    assert all(isinstance(change, Unchanged | Blocked) for change in again)  # law 2
    return plan


def written(plan: Plan) -> dict[str, str]:
    """Return the model URI of each unit that has one, by predictor and unit."""
    (change,) = plan.changes
    assert isinstance(change, Create), change
    names = [each["name"] for each in change.merged["spec"]["predictors"]]
    found = {}
    for unit in units(change.merged):
        if unit.stated:
            where = "explainer" if unit.is_explainer else unit.label.removeprefix("graph node ")
            found[f"{names[int(unit.path[2])]}/{where}"] = unit.uri
    return found


def refused(plan: Plan) -> str:
    (change,) = plan.changes
    assert isinstance(change, Blocked), change
    return change.reason


@pytest.mark.parametrize(
    ("predictors", "places"),
    [
        # A root that loads a model is overwritten, whatever it says.
        ([predictor(server())], {"default/classifier": URI}),
        ([predictor(server(modelUri="s3://old"))], {"default/classifier": URI}),
        ([predictor({"name": "own"}, "own")], {"default/own": URI}),
        ([predictor({"name": "own", "modelUri": "s3://old"}, "own")], {"default/own": URI}),
        ([predictor({"name": "none", "implementation": "SIMPLE_MODEL"})], {"default/none": URI}),
        # Where it loads none, the one node that does has it.
        ([predictor(step(children=[server(modelUri="")]), "step")], {"default/classifier": URI}),
        ([predictor(step(children=[server()]), "step")], {"default/classifier": URI}),
        (
            [predictor(step(children=[server(modelUri="s3://old")]), "step")],
            {"default/classifier": URI},
        ),
        (
            [predictor(step(children=[step("inner", children=[server()])]), "step", "inner")],
            {"default/classifier": URI},
        ),
        (
            [predictor(step(children=[{"name": "own", "modelUri": ""}]), "step", "own")],
            {"default/own": URI},
        ),
        (
            [
                predictor(
                    {"name": "mean", "implementation": "AVERAGE_COMBINER", "type": "COMBINER",
                     "children": [server("a", modelUri=""), server("b", modelUri="s3://fixed")]}
                )
            ],
            {"default/a": URI, "default/b": "s3://fixed"},
        ),
        # Where none does, the root has it as a note of what is served, as ever.
        ([predictor(step(children=[{"name": "own"}]), "step", "own")], {"default/step": URI}),
        # A blank one that can load a model is the version's, in every predictor.
        (
            [
                predictor(server(modelUri=""), name="main", traffic=90),
                predictor(server(modelUri="  "), name="canary", traffic=10),
            ],
            {"main/classifier": URI, "canary/classifier": URI},
        ),
        (
            [
                predictor(server(modelUri=None), name="main"),
                predictor(server(modelUri=None), name="mirror", shadow=True),
            ],
            {"main/classifier": URI, "mirror/classifier": URI},
        ),
        (
            [predictor(server(children=[server("next", modelUri=""), server("absent")]))],
            {"default/classifier": URI, "default/next": URI},
        ),
        (
            [
                predictor(step(modelUri="", children=[server(modelUri="")]), "step"),
            ],
            {"default/step": URI, "default/classifier": URI},
        ),
    ],
)  # fmt: skip
def test_where_the_versions_uri_goes(
    predictors: list[Any], places: dict[str, str], tmp_path: Path
) -> None:
    assert written(planned(deployment(*predictors), tmp_path)) == places


@pytest.mark.parametrize(
    ("predictors", "reason"),
    [
        (
            [predictor(server(), explainer={"type": "AnchorTabular", "modelUri": ""})],
            "spec.predictors[default].explainer.modelUri is blank",
        ),
        (
            [predictor(server(children=[{"name": "typo", "modelUri": ""}]), "tyop")],
            "spec.predictors[default].graph.children[typo].modelUri is blank, and graph node typo "
            "has neither an implementation nor a container of its name",
        ),
        (
            [
                predictor(
                    server(
                        children=[{"name": "r", "implementation": "SIMPLE_ROUTER", "modelUri": " "}]
                    )
                )
            ],
            "spec.predictors[default].graph.children[r].modelUri is blank, and SIMPLE_ROUTER loads "
            "no model",
        ),
        (
            [
                predictor(
                    step(children=[server("a", modelUri="s3://a"), server("b", modelUri="s3://b")]),
                    "step",
                )
            ],
            "which of spec.predictors[default].graph.children[a].modelUri and "
            "spec.predictors[default].graph.children[b].modelUri is the version's?",
        ),
    ],
)
def test_a_place_that_cannot_be_filled_is_named(
    predictors: list[Any], reason: str, tmp_path: Path
) -> None:
    assert reason in refused(planned(deployment(*predictors), tmp_path))


FORMS = {
    "mlflow-artifacts:/1/abc/artifacts/x": "s3://bucket/mlflow/1/abc/artifacts/x",
    "http://mlflow/api/2.0/mlflow-artifacts/artifacts/1/abc/x": "s3://bucket/mlflow/1/abc/x",
    "models:/old/1": "s3://bucket/mlflow/7/models/m-7/artifacts",
    "wasbs://c@acct.blob.core.windows.net/x": "azureblob://c/x",
    "https://models.s3.amazonaws.com/x": "s3://models/x",
    "s3://elsewhere/x\n": "s3://elsewhere/x",
    "minio://elsewhere/x": "minio://elsewhere/x",
}
PLACES = {
    "explainer": lambda uri: [predictor(server(), explainer={"type": "A", "modelUri": uri})],
    "child": lambda uri: [predictor(server(children=[server("child", modelUri=uri)]))],
    "transformer": lambda uri: [predictor(server(children=[step("child", modelUri=uri)]), "child")],
    "canary": lambda uri: [
        predictor(server(), name="main", traffic=90),
        predictor(server("child", modelUri=uri), name="canary", traffic=10),
    ],
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("uri", FORMS)
def test_what_is_written_anywhere_is_read_like_the_registrys_word(
    place: str, uri: str, tmp_path: Path
) -> None:
    found = written(planned(deployment(*PLACES[place](uri)), tmp_path, MAP))
    assert FORMS[uri] in found.values()
    assert URI in found.values()


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(
    "uri", ["dbfs:/x", "file:///x", "/x", r"C:\x", "mlflow-artifacts:/x", "s3:///x", "hdfs://nn/x"]
)
def test_what_no_server_reads_is_blocked_with_its_path_and_a_hint_that_works(
    place: str, uri: str, tmp_path: Path
) -> None:
    deploy = deployment(*PLACES[place](uri))
    reason = refused(planned(deploy, tmp_path))
    assert reason.startswith("spec.predictors[")
    assert ("explainer.modelUri: " if place == "explainer" else ".modelUri: ") in reason
    typed = shlex.split(reason.partition("--model-uri-map ")[2])
    assert "s3://BUCKET/PATH/x" in written(planned(deploy, tmp_path, *typed)).values()


def test_a_version_that_is_not_there_is_told_by_the_registry(tmp_path: Path) -> None:
    deploy = deployment(*PLACES["explainer"]("models:/nobody/1"))
    assert refused(planned(deploy, tmp_path)) == (
        "spec.predictors[default].explainer.modelUri: models:/nobody/1: the registry has no "
        "models:/nobody/1"
    )


def test_an_initializer_of_its_own_reads_what_it_likes(tmp_path: Path) -> None:
    child = server("child", modelUri="file:///mnt/x", storageInitializerImage="example/own:1")
    found = written(planned(deployment(predictor(server(children=[child]))), tmp_path))
    assert found["default/child"] == "file:///mnt/x"
    mapped = planned(
        deployment(predictor(server(children=[child]))), tmp_path / "2", "file:/=s3://b"
    )
    assert written(mapped)["default/child"] == "s3://b/mnt/x"


def test_the_map_is_not_gone_through_twice(tmp_path: Path) -> None:
    """The base template's URI has been through it already."""
    base = tmp_path / "base.yaml"
    base.write_text(
        deployment(predictor(server(children=[server("child", modelUri="{{ model.uri }}/sub")])))
    )
    registry = FakeRegistry()
    registry.add("iris", None, source="s3://models/1")
    chosen = build({"stage": ["Staging"], "model-uri-map": ["s3://models/=s3://models/copy/"]}, {})
    cluster = FolderCluster(tmp_path / "cluster", "default")
    plan = reconcile.make_plan(registry, cluster, chosen, TemplateFolder(None, str(base)))
    assert written(plan) == {
        "default/classifier": "s3://models/copy/1",
        "default/child": "s3://models/copy/1/sub",
    }


def templated(text: str, tmp_path: Path, *models: str, mapped: tuple[str, ...] = ()) -> Plan:
    folder = tmp_path / "templates"
    folder.mkdir(exist_ok=True)
    (folder / "iris.yaml").write_text(text)
    registry = FakeRegistry()
    for model in models:
        registry.add(model, None, source=f"s3://models/{model}")
    chosen = build({"stage": ["Staging"], "model-uri-map": list(mapped)}, {})
    cluster = FolderCluster(tmp_path / "cluster", "default")
    return reconcile.make_plan(registry, cluster, chosen, TemplateFolder(str(folder)))


def test_the_places_of_a_template(tmp_path: Path) -> None:
    label = {"version": '{{ model("iris").version }}'}
    graph = server(
        modelUri='{{ model("iris").uri }}',
        children=[server("next", modelUri="mlflow-artifacts:/x")],
    )
    text = deployment(predictor(graph, labels=label))
    plan = templated(text, tmp_path, "iris", mapped=("s3://=s3://copy/", MAP))
    assert written(plan) == {
        "default/classifier": "s3://copy/models/iris", "default/next": "s3://bucket/mlflow/x"
    }  # fmt: skip
    assert "graph.children[next].modelUri: no model" in refused(templated(text, tmp_path, "iris"))


def test_a_blank_place_of_a_template_is_its_one_models(tmp_path: Path) -> None:
    label = {"version": '{{ model("iris").version }}'}
    text = deployment(predictor(server(modelUri=""), labels=label))
    assert written(templated(text, tmp_path, "iris")) == {"default/classifier": "s3://models/iris"}
    two = text.replace("name: iris", 'name: iris-{{ model("tea").version }}', 1)
    assert refused(templated(two, tmp_path, "iris", "tea")).startswith(
        "spec.predictors[default].graph.modelUri is blank: name a model there"
    )


def test_each_share_of_a_split_is_filled_with_its_own_version(tmp_path: Path) -> None:
    deploy = deployment(predictor(step(children=[server(modelUri="")]), "step"))
    registry = FakeRegistry()
    registry.add("iris", deploy, source="s3://models/1", alias="champion")
    registry.add("iris", deploy, source="s3://models/2", alias="challenger")
    chosen = build({"split": "champion=90,challenger=10"}, {})
    plan = reconcile.make_plan(registry, FolderCluster(tmp_path, "default"), chosen)
    assert written(plan) == {
        "champion/classifier": "s3://models/1", "challenger/classifier": "s3://models/2"
    }  # fmt: skip


@pytest.mark.thorough
def test_mlflows_own_words_are_resolved_by_mlflow(on_folder: World) -> None:
    models = on_folder.models
    models.add("tool", None, source="s3://models/tool/1", alias="good")
    models.add("tool", None, source="s3://models/tool/2")
    run = models.run_of("tool", 1)
    forms = {
        "models:/tool/1": "s3://models/tool/1",
        "models:/tool@good": "s3://models/tool/1",
        "models:/tool/Staging": "s3://models/tool/2",
        "models:/tool/latest": "s3://models/tool/2",
        "models:/tool/1/inner/folder": "s3://models/tool/1/inner/folder",
        f"runs:/{run}/explainer": f"s3://runs/{run}/artifacts/explainer",
    }
    root = models.client.get_run(run).info.artifact_uri.partition(run)[0]
    for number, uri in enumerate(forms):
        models.add(f"iris-{number}", deployment(*PLACES["explainer"](uri), metadata={}))
    for uri in (
        "models:/tool/9",
        "models:/tool@bad",
        "models:/none/1",
        "runs:/0bad/x",
        "models:/tool",
    ):
        models.add(
            uri.replace("/", " ").replace(":", ""), deployment(*PLACES["child"](uri), metadata={})
        )
    plan = on_folder.plan(
        "--model-uri-map",
        f"{root}=s3://runs/",
        "--model",
        "iris-*",
        "--model",
        "m* *",
        "--model",
        "runs *",
    )
    for number, read in enumerate(forms.values()):
        change = plan[f"iris-{number}-staging"]
        assert change["action"] == "create", change
        assert read in str(change["fields"])
    rest = [change for name, change in plan.items() if not name.startswith("iris-")]
    assert len(rest) == 5
    for change in rest:
        assert change["action"] == "blocked"
        assert change["reason"].startswith(
            "spec.predictors[default].graph.children[child].modelUri: "
        )
        assert "Traceback" not in change["reason"]


def test_a_chart_beside_ours_ends_no_run(on_folder: World) -> None:
    on_folder.models.add("iris", deployment(predictor(server(modelUri=""))))
    chart = on_folder.objects.path / "chart.yaml"
    chart.parent.mkdir(parents=True)
    chart.write_text("metadata:\n  name: {{ .Values.name }}\n")
    result = on_folder("apply")
    assert result.code == 0
    told = " ".join(result.out.split())
    assert told.count("not checked: ") == 1
    assert "line 2: a key must be a string: quote it; it is not m2s's, and left alone" in told
    assert on_folder.actions() == {"iris": "unchanged"}
    assert len(on_folder("plan", "-o", "json").document["warnings"]) == 1


ANCHORED = """\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: anchored}
x-base: &base {replicas: 1}
x-main: &main
  <<: *base
  name: main
  traffic: 90
  graph: {name: classifier, implementation: MLFLOW_SERVER, modelUri: ""}
spec:
  predictors:
    - *main
    - {<<: *main, name: canary, traffic: 10}
"""


@pytest.mark.server
@pytest.mark.parametrize("target", ["folder", "cluster"])
def test_top_level_keys_are_judged_alike_on_both_targets(
    target: str, request: pytest.FixtureRequest
) -> None:
    world: World = request.getfixturevalue(f"on_{target}")
    world.models.add("iris", ANCHORED)
    world.models.add("typo", deployment(predictor(server()), metadata={}, sepc={}))
    plan = world.plan("--no-preflight")
    assert plan["anchored"]["action"] == "create"
    assert plan["typo-staging"]["reason"].endswith(
        ":10: sepc is no field of a SeldonDeployment; did you mean spec? (what begins with x- may "
        "hold anchors)"
    ), plan["typo-staging"]["reason"]
    assert world("apply", "--no-preflight").code == 1
    assert world.actions("--no-preflight") == {"anchored": "unchanged", "typo-staging": "blocked"}
    written = world.objects.all()["anchored"]
    assert not [key for key in written if key.startswith("x-")]
    main, canary = written["spec"]["predictors"]
    assert main["graph"]["modelUri"] == canary["graph"]["modelUri"] != ""
