"""Law 8 for whatever a file may hold: one line or a blocked row, no traceback, no hang.

Descriptions, tags and templates are a stranger's or a colleague's text; m2s.yaml and saved plans
may have been edited by hand. Webhook bodies are in tests/watch/test_webhook.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from m2s.base.errors import M2sError
from m2s.engine import reconcile
from m2s.output import saved_plan
from m2s.plan.changes import Blocked
from m2s.plan.plan import Plan
from m2s.settings.build import build
from m2s.sources.templates import TemplateFolder
from m2s.targets.folder.namespace import FolderCluster
from tests.kits.fakes import FakeRegistry
from tests.kits.support import description, seldon, tried

ENDS = 60
"""Seconds: what takes a moment has to be over by then, on a machine under load."""
SETTINGS = build({"stage": "Staging", "deploy-file": "optional"}, {})
KEYS = (
    "apiVersion", "kind", "metadata", "name", "namespace", "labels", "annotations", "spec",
    "predictors", "graph", "children", "componentSpecs", "containers", "env", "image", "modelUri",
    "parameters", "replicas", "traffic", "shadow", "implementation", "type", "value", "<<", "",
)  # fmt: skip
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(-(10**30), 10**30), st.floats(), st.text(max_size=12),
    st.sampled_from(["MLFLOW_SERVER", "{{ model.uri }}", "{{", "{% for", "s3://b/m", "\x00", "~"]),
)  # fmt: skip
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from(KEYS), st.text(max_size=5)), inner, max_size=4),
    ),
    max_leaves=12,
)
BOMB = "a: &a [x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(20)
)
NASTY = (
    "", "\x00", "---\n---\n", "[" * 5000, "{a: " * 5000, "a: " * 2000, "&a [*a]", BOMB, "? " * 3000,
    "!!python/object:os.system x", "%YAML 9.9\n---\na", "a: 1e999999", "a: 0x" + "f" * 9000,
    "'" * 9999, "- " * 4000, "a: |\n" + " \n" * 9000, "\ufeffkind: x", "{{" * 3000, "{%" * 3000,
    "kind: SeldonDeployment\nspec: {predictors: [{graph: &g {children: [*g]}}]}",
    "# " + "a." * 9000, "{{ [1] * 10 ** 9 }}", "{{ 'x' * 10 ** 9 }}", "{{ 9 ** 9 ** 9 }}",
    "{{ range(10 ** 12) | list }}",
)  # fmt: skip


def at(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a body with another value somewhere; a path that is not there changes nothing."""
    if not path:
        return value
    head, *rest = path
    if isinstance(body, dict) and head in body:
        return {**body, head: at(body[head], tuple(rest), value)}
    if isinstance(body, list) and isinstance(head, int) and head < len(body):
        return [*body[:head], at(body[head], tuple(rest), value), *body[head + 1 :]]
    return body


PLACES: tuple[tuple[Any, ...], ...] = (
    (), ("apiVersion",), ("kind",), ("metadata",), ("metadata", "name"), ("spec",),
    ("spec", "predictors"), ("spec", "predictors", 0), ("spec", "predictors", 0, "graph"),
    ("spec", "predictors", 0, "graph", "modelUri"), ("spec", "predictors", 0, "replicas"),
    ("spec", "predictors", 0, "componentSpecs"),
    ("spec", "predictors", 0, "componentSpecs", 0, "spec", "containers"),
    ("spec", "predictors", 0, "componentSpecs", 0, "spec", "containers", 0, "name"),
    ("spec", "predictors", 0, "componentSpecs", 0, "spec", "containers", 0, "image"),
    ("spec", "predictors", 0, "name"), ("spec", "predictors", 0, "graph", "name"),
    ("spec", "predictors", 0, "graph", "implementation"),
)  # fmt: skip
changed = st.builds(
    lambda path, value: yaml.safe_dump(at(seldon("iris"), path, value)),
    st.sampled_from(PLACES), values,
)  # fmt: skip
texts = st.one_of(changed, st.sampled_from(NASTY), values.map(yaml.safe_dump), st.text(max_size=60))


def in_time(work: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(timeout=ENDS)


def told(work: Callable[[], Any]) -> str:
    """Return the line that work ends with, in time; "" where all is well."""
    try:
        in_time(work)
    except M2sError as error:
        return str(error)
    return ""


def is_line(text: str) -> bool:
    return "\n" not in text and len(text) < 2000


def planned(folder: Path, registry: FakeRegistry, templates: TemplateFolder | None = None) -> Plan:
    cluster = FolderCluster(folder / "cluster", "default")
    made: Plan = in_time(lambda: reconcile.make_plan(registry, cluster, SETTINGS, templates))
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


@tried(90)
@given(text=texts)
def test_a_description_blocks_its_own_row_at_most(folder: Path, text: str) -> None:
    registry = FakeRegistry()
    registry.add("stranger", text)
    registry.add("fine")
    rows = {change.key.name: change for change in planned(folder, registry).changes}
    assert not isinstance(rows["fine-staging"], Blocked)
    for row in rows.values():
        assert not isinstance(row, Blocked) or ("\n" not in row.reason and row.reason)


@tried(60)
@given(
    tags=st.dictionaries(
        st.one_of(
            st.sampled_from(["replicas", "traffic", "limits.memory", "protocol", "keep", "image"]),
            st.text(max_size=8),
        ).map("m2s.io/{}".format),
        st.one_of(st.sampled_from(NASTY), st.text(max_size=20), scalars.map(str)),
        max_size=3,
    )
)
def test_tags_block_their_own_row_at_most(folder: Path, tags: dict[str, str]) -> None:
    registry = FakeRegistry()
    registry.add("stranger", description("stranger"), tags=tags, model_tags=tags)
    registry.add("fine")
    rows = {change.key.name: change for change in planned(folder, registry).changes}
    assert not isinstance(rows["fine-staging"], Blocked)


@tried(60)
@given(text=texts)
def test_a_template_is_one_line_at_most(folder: Path, text: str) -> None:
    place = folder / "templates"
    place.mkdir(exist_ok=True)
    (place / "t.yaml").write_bytes(text.encode("utf-8", "surrogatepass"))
    registry = FakeRegistry()
    registry.add("iris")
    assert is_line(told(lambda: planned(folder, registry, TemplateFolder(str(place), None))))


@tried(90)
@given(text=st.one_of(st.sampled_from(NASTY), values.map(yaml.safe_dump), st.text(max_size=60)))
def test_m2s_yaml_is_one_line_at_most(folder: Path, text: str) -> None:
    path = folder / "m2s.yaml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert is_line(told(lambda: build({}, {}, str(path))))


@pytest.fixture(scope="module")
def kept(folder: Path) -> dict[str, Any]:
    """A plan that m2s saved."""
    registry = FakeRegistry()
    registry.add("iris")
    path = folder / "saved.json"
    saved_plan.save(str(path), planned(folder, registry), SETTINGS, [])
    document: dict[str, Any] = json.loads(path.read_text())
    return document


@tried(90)
@given(
    data=st.data(),
    text=st.one_of(st.none(), st.sampled_from([*NASTY, '{"a":' * 5000, "NaN", "9" * 5000])),
)
def test_a_saved_plan_is_one_line_at_most(
    folder: Path, kept: dict[str, Any], data: st.DataObject, text: str | None
) -> None:
    change, path = kept["changes"][0], folder / "edited.json"
    places = [(name,) for name in kept] + [("settings", name) for name in kept["settings"]]
    where = data.draw(st.sampled_from([*places, *[("changes", 0, name) for name in change]]))
    edited = json.dumps(at(kept, where, data.draw(values)))
    path.write_bytes((edited if text is None else text).encode("utf-8", "surrogatepass"))
    registry = FakeRegistry()
    registry.add("iris")

    def read() -> None:
        saved = saved_plan.load(str(path))
        flags = saved_plan.flags_of(saved, {})
        saved_plan.accepts(saved)
        build(flags, {})
        saved_plan.stale(saved, planned(folder, registry))

    assert is_line(told(read))
