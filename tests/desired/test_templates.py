"""Templates: what placeholders become, and what is said of those that become nothing."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from m2s.desired.choosing import choose
from m2s.desired.templating.filling import deployment, fragment
from m2s.desired.templating.names import Catalog, base_names
from m2s.domain.manifests import Manifest, TemplateFile, Undeployable
from m2s.domain.versions import Description, ModelVersion, Selector, Unreadable
from m2s.objects.layers import Layer
from m2s.platforms import catalogue
from m2s.platforms.problem import Problem
from m2s.settings.build import build

STAGING = Selector("stage", "Staging")
SETTINGS = build({"stage": ["Staging"], "model-uri-map": ["mlflow-artifacts:/=s3://mapped"]}, {})
HEAD = "apiVersion: machinelearning.seldon.io/v1\nkind: SeldonDeployment\n"
ODD = 'a\'b: "c" {d}\n- # &e *f !g |h ñ'

VERSIONS = {
    ModelVersion("iris demo", 3, run_id="r3", tags={"replicas": "2", "odd": ODD}): "s3://m/iris",
    ModelVersion("blob", 1): "wasbs://box@acct.blob.core.windows.net/m",
    ModelVersion("google", 1): "gs://m/g",
    ModelVersion("mapped", 1): "mlflow-artifacts:/0/m",
    ModelVersion("other remote", 1): "minio://m/o",
    ModelVersion("local", 1): "file:///m",
    ModelVersion(ODD, 1): "s3://m/odd",
    ModelVersion("pending", 1, status="PENDING_REGISTRATION"): "s3://m/p",
}


def catalog() -> Catalog:
    described: dict[ModelVersion, Description | Unreadable] = {
        version: Description(uri, None) for version, uri in VERSIONS.items()
    }
    unreadable, located = ModelVersion("unreadable", 1), ModelVersion("located", 1)
    described[unreadable] = Unreadable("its store is down")
    described[located] = Unreadable("its files cannot be listed", "s3://m/located")
    return Catalog(STAGING, choose(STAGING, described), described, SETTINGS)


def made(text: str) -> Manifest | Undeployable | None:
    return deployment(TemplateFile("t.yaml", "dir/t.yaml", text), catalog(), "ns")


def with_value(placeholder: str) -> str:
    graph = '{name: g, modelUri: {{ mlflow.s3["iris demo"] }}}'
    return f"{HEAD}spec:\n  predictors:\n    - graph: {graph}\n      label: {placeholder}\n"


def value(placeholder: str) -> Any:
    """Return what a placeholder becomes in a deployment."""
    manifest = made(with_value(placeholder))
    assert isinstance(manifest, Manifest), manifest
    return manifest.body["spec"]["predictors"][0]["label"]


@pytest.mark.parametrize(
    ("placeholder", "expected"),
    [
        ('{{ mlflow.s3["iris demo"] }}', "s3://m/iris"),
        ("'{{ mlflow.s3[\"iris demo\"] }}'", "s3://m/iris"),
        ('>-\n        {{ mlflow.s3["iris demo"] }}', "s3://m/iris"),
        ('{{mlflow.s3["iris demo"]}}', "s3://m/iris"),
        ('{{ mlflow.blob["blob"] }}', "azureblob://box/m"),
        ('{{ mlflow.gcs["google"] }}', "gs://m/g"),
        ('{{ mlflow.s3["mapped"] }}', "s3://mapped/0/m"),
        ('{{ mlflow.s3["other remote"] }}', "minio://m/o"),
        ('{{ mlflow.gcs["other remote"] }}', "minio://m/o"),
        ('{{ model("iris demo").uri }}', "s3://m/iris"),
        ('{{ model("located").uri }}', "s3://m/located"),
        ('{{ model("local").version }}', 1),
        ('{{ model("iris demo").version }}', 3),
        ("'{{ model(\"iris demo\").version }}'", "3"),
        ('v{{ model("iris demo").version }}-{{ model("google").version }}', "v3-1"),
        ('{{ model("iris demo").run_id }}', "r3"),
        ('{{ model("iris demo").name }}', "iris demo"),
        ('{{ model("iris demo").tags["odd"] }}', ODD),
        ('\'{{ model("iris demo").tags["odd"] }}\'', ODD),
        ('x {{ model("iris demo").tags.odd }} y', f"x {ODD} y"),
        ('{{ model("iris demo").tags["replicas"] }}', "2"),
        ('{{ model("iris demo").tags["replicas"] | int + 1 }}', 3),
        ('{{ model("iris demo").tags["none"] | default("red") }}', "red"),
        ('{{ model("iris demo").tags["none"] | default(7) }}', 7),
        ('{{ model("blob").run_id | default("no run") }}', "no run"),
        ('{{ "yes" if model("iris demo").version > 2 else "no" }}', "yes"),
        ('{{ model("iris demo").version > 2 }}', True),
        ('"{{ model("iris demo").version > 2 }}"', "true"),
        ('{{ selector.kind }}/{{ selector.name | lower | replace("g", "k") }}', "stage/stakink"),
        ('{{ model("iris demo").name\n        ~ "!" }}', "iris demo!"),
        ("{{ 'a}}b' }}", "a}}b"),
        ("'{% raw %}{{ x }}{% endraw %}'", "{{ x }}"),
        ("{# {{ nothing }} #}1", 1),
        ('1 # {{ model("nobody").uri }}', 1),
        ('[a, {{ model("iris demo").version }}]', ["a", 3]),
        ('{ {{ model("iris demo").name }}: {{ "b" }} }', {"iris demo": "b"}),
    ],
)
def test_a_placeholder_becomes(placeholder: str, expected: Any) -> None:
    result = value(placeholder)
    assert (result, type(result)) == (expected, type(expected))


def test_a_models_name_can_be_anything() -> None:
    quoted = ODD.replace('"', '\\"').replace("\n", "\\n")
    assert value(f'{{{{ model("{quoted}").uri }}}}') == "s3://m/odd"


LINE = "dir/t.yaml:6: "


@pytest.mark.parametrize(
    ("placeholder", "reason"),
    [
        ('{{ mlflow.s3["nobody"] }}', "the model 'nobody' has no version in Staging"),
        ('{{ model("nobody").version }}', "the model 'nobody' has no version in Staging"),
        ('{{ mlflow.gcs["iris demo"] }}', "mlflow.gcs['iris demo']: the model lies at s3://m/iris;"
         " write mlflow.s3['iris demo']"),
        ('{{ mlflow.s3["blob"] }}', "write mlflow.blob['blob']"),
        ('{{ mlflow.azure["blob"] }}', "mlflow has .s3, .gcs, .blob, not .azure"),
        ('{{ mlflow.s3[iris] }}', "wants a model's name in quotes"),
        ('{{ mlflow.s3 }}', "not mlflow.s3: name a model"),
        ('{{ mlflow["s3"] }}', "name a model"),
        ('{{ model("iris demo") }}', "ask for its .uri, .version, .run_id or .tags"),
        ('{{ model("iris demo").url }}', "not .url"),
        ('{{ model.uri }}', 'name the model, as in model("iris").uri'),
        ('{{ model() }}', "wants the name of one model"),
        ('{{ model(3) }}', "wants the name of one model"),
        ('{{ model("blob").run_id }}', "blob v1 was registered without a run"),
        ('{{ model("iris demo").tags["no"] }}', "iris demo v3 has no tag 'no'; set it, or add"),
        ('{{ model("iris demo").tags }}', "ask for one"),
        ('{{ model("iris demo").tags["odd"] | int }}', "is no whole number"),
        ('{{ model("unreadable").uri }}', "unreadable v1: its store is down"),
        ('{{ model("local").uri }}', "local v1: no model server can read file:///m"),
        ('{{ model("pending").uri }}', "pending: v1 is PENDING_REGISTRATION"),
        ('{{ nothing }}', "'nothing' is undefined"),
        ('{{ "a" | shout }}', "No filter named 'shout'. There are default, lower"),
        ('{{ none }}', "a text or a number, not a NoneType"),
        ('{{ [1] }}', "a text or a number, not a list"),
        ('{{ }}', "nothing between {{ and }}"),
        ('{{ 1 2 }}', "chunk after expression"),
        ('{{ 1 / 0 }}', "division by zero"),
        # The sandbox: no way out, and nothing small that becomes large.
        ('{{ "".__class__.__mro__ }}', "access to attribute '__class__'"),
        ('{{ model("blob")._settings }}', "not ._settings"),
        ('{{ "a".upper() }}', "nothing but model(…) can be called"),
        ('{{ range(9) }}', "'range' is undefined"),
        ('{{ "a" * 999999999 }}', "* takes numbers only"),
        ('{{ [1] * 999999999 }}', "* takes numbers only"),
        ('{{ 9 ** 9 ** 9 ** 9 }}', "* takes numbers only"),
        ('{{ "%999999999d" % 1 }}', "% takes numbers only"),
        (f'{{{{ "{"a" * 900}" | replace("a", "{"b" * 900}") }}}}', "over 65,536 characters"),
        (f'{{{{ "{"a" * 2000}" }}}}', "an expression of over 2,000 characters"),
    ],
)  # fmt: skip
def test_says_what_is_wrong_and_where(placeholder: str, reason: str) -> None:
    result = made(with_value(placeholder))
    assert isinstance(result, Undeployable)
    assert result.reason.startswith(LINE)
    assert reason in result.reason
    assert "\n" not in result.reason
    assert not result.nameless


def test_names_every_model_that_is_held() -> None:
    result = made(with_value('{{ model("nobody").uri }} {{ model("google").uri }}'))
    assert isinstance(result, Undeployable)
    assert set(result.held) == {"iris demo", "nobody", "google"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "dir/t.yaml:1: 0 documents; it must be one"),
        ("{{ model('google').uri", "dir/t.yaml:1: a {{ without its }}"),
        ("a: 1\nb: {{ ) }}", "dir/t.yaml:2: unexpected ')'"),
        ("a: {# b\n", "Missing end of comment tag"),
        ("a: 1\n{% for i in [1] %}\n{% endfor %}", "dir/t.yaml:2: a template has placeholders"),
        ("a: {{ 1 }}\nb: [\n", "dir/t.yaml:"),
        ("a: {{ 1\n }}\n{{ 1 }}: 1\n\tb: 2", "dir/t.yaml:4: a tab where YAML wants spaces"),
        ("a: 1\nb: \ue000", "dir/t.yaml:2: a character of Unicode's private use area"),
        ("a: &a [*a]", "an alias inside the very value it names"),
        ("[1]", "dir/t.yaml:1: a list; it must be one SeldonDeployment"),
        ("a: 1", "kind is None; it must be SeldonDeployment"),
        ("kind: Secret", "kind is 'Secret'; it must be SeldonDeployment"),
        (HEAD.replace("SeldonDeployment", "SeldonDeploymnt"), "kind is 'SeldonDeploymnt'"),
        (HEAD.replace("seldon.io", "seldon.oi"), "apiVersion is 'machinelearning.seldon.oi/v1'"),
        (HEAD + "---\n" + HEAD, "dir/t.yaml:4: 2 documents; it must be one"),
        (HEAD + "metadata: {name: 5}\nspec: {predictors: [{graph: {}}]}", "name is a number"),
        (HEAD + "metadata: {annotations: {v: {{ model('google').version }}}}", "must be a text"),
        (HEAD + "spec: {predictors: [{graph: {}}]}", "no placeholder names a model"),
    ],
)  # fmt: skip
def test_says_what_no_template_is(text: str, reason: str) -> None:
    result = made(text)
    assert isinstance(result, Undeployable)
    assert reason in result.reason


def test_objects_of_other_kinds_may_lie_beside_the_templates() -> None:
    assert made("apiVersion: v1\nkind: Secret\n") is None
    for kind in ("ServingRuntime", "InferenceGraph", "LLMInferenceService"):
        assert made(f"apiVersion: serving.kserve.io/v1alpha1\nkind: {kind}\n") is None
    assert made("apiVersion: serving.kserve.io/v1beta1\nkind: InferenceServce\n") is not None
    assert made("apiVersion: serving.kserve.io/v1beta1\n") is not None


@pytest.mark.parametrize(
    ("name", "expected"),
    [("plain", "plain"), ("{{ selector.name | lower }}-x", "staging-x"), ("A b", "a-b-a")],
)
def test_a_template_names_its_deployment(name: str, expected: str) -> None:
    for graph in ("{{ model('google').uri }}", "{{ model('nobody').uri }}"):
        spec = f"spec: {{predictors: [{{graph: {{modelUri: {graph}}}}}]}}"
        result = made(f"{HEAD}metadata: {{name: {name}}}\n{spec}")
        assert result is not None
        assert result.key.name.startswith(expected)
        assert not (isinstance(result, Undeployable) and result.nameless)


def test_a_name_that_depends_on_a_missing_model_is_unknown() -> None:
    name = '"{{ model("nobody").tags["team"] }}-{{ model("google").version }}"'
    result = made(f"{HEAD}metadata: {{name: {name}}}\nspec: {{predictors: [{{graph: {{}}}}]}}")
    assert isinstance(result, Undeployable)
    assert result.nameless
    assert set(result.held) == {"nobody", "google"}


def test_aliases_cannot_make_much_of_little() -> None:
    big = "b: &b [{{ model('google').name ~ '" + "x" * 1900 + "' }}]\n"
    many = "c: [" + ", ".join(["*b"] * 700) + "]\n"
    result = made(f"{HEAD}{big}{many}spec: {{predictors: [{{graph: {{}}}}]}}")
    assert isinstance(result, Undeployable)
    assert "over 1,048,576 characters filled in" in result.reason


def base(text: str, *, whole: bool = True) -> Layer:
    version, uri = next(iter(VERSIONS.items()))
    names = partial(base_names, STAGING, version, Description(uri, None), SETTINGS)
    file = TemplateFile("_base.yaml", "dir/_base.yaml", text)
    return fragment(file, catalogue.default(), names, whole=whole)[1]


def test_the_base_template_speaks_of_the_version_at_hand() -> None:
    layer = base(
        "{name: {{ model.name }}, v: {{ model.version }}, u: {{ model.uri }},"
        " t: {{ model.tags.replicas | int }}, s: {{ selector.name }}}",
        whole=False,
    )
    assert layer.body == {"name": "iris demo", "v": 3, "u": "s3://m/iris", "t": 2, "s": "Staging"}
    assert layer.name == "dir/_base.yaml"


@pytest.mark.parametrize(
    ("text", "reason", "whole"),
    [
        ("a: 1\nb: {{ model.url }}", "dir/_base.yaml:2: a model version has .name", False),
        ("[1]", "dir/_base.yaml:1: it must be a SeldonDeployment, or a part of one", False),
        ("a: 1", "kind is None; it must be SeldonDeployment", True),
    ],
)
def test_says_what_is_wrong_with_a_base_template(text: str, reason: str, whole: bool) -> None:
    with pytest.raises(Problem) as raised:
        base(text, whole=whole)
    assert reason in str(raised.value)
