"""What every serving platform does: one contract, for each row of the catalogue and for the toy."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from m2s.base import strictyaml
from m2s.base.labels import FAILED, MANAGED_BY, OWNER, VERIFIED
from m2s.domain.manifests import identified
from m2s.domain.serving import State
from m2s.domain.versions import Key, MlModel, ModelVersion
from m2s.engine.execute import execute
from m2s.engine.reconcile import make_plan
from m2s.objects.layers import Layer
from m2s.plan.changes import Blocked, Create, Delete, Unchanged, Update
from m2s.platforms import catalogue
from m2s.platforms.bare import Bare
from m2s.platforms.catalogue import Row
from m2s.platforms.common import asking
from m2s.platforms.platform import Platform
from m2s.platforms.problem import Problem
from m2s.settings.build import build
from m2s.targets.cluster import Cluster
from m2s.targets.folder.namespace import FolderCluster
from m2s.targets.kubernetes.namespace import connect
from tests.kits.fakes import FakeRegistry
from tests.kits.platform_kit import EVERY, EXAMPLES, Example, install
from tests.kits.support import tried
from tests.servers import ApiServer

STAGED = build({"stage": ["Staging"]}, {})


@pytest.fixture(autouse=True)
def catalogued(monkeypatch: pytest.MonkeyPatch) -> None:
    """The toy has its row: one line, and nothing else is told of it."""
    monkeypatch.setattr(catalogue, "ROWS", EVERY)


@pytest.fixture(params=EVERY, ids=lambda row: row.name)
def row(request: pytest.FixtureRequest) -> Row:
    given: Row = request.param
    return given


@pytest.fixture
def platform(row: Row) -> Platform:
    return catalogue.of(Key("", "", row.resource.kind))


@pytest.fixture
def example(row: Row) -> Example:
    return EXAMPLES[row.name]


@pytest.fixture(params=["folder", pytest.param("cluster", marks=pytest.mark.cluster)])
def cluster(request: pytest.FixtureRequest, row: Row, tmp_path: Path) -> Iterator[Cluster]:
    if request.param == "folder":
        yield FolderCluster(tmp_path / "out", "default")
        return
    server: ApiServer = request.getfixturevalue("api_server")
    install(server, row.resource)
    kubeconfig = request.getfixturevalue("kubeconfig")
    yield connect(None, str(kubeconfig), None)


def document(text: str) -> strictyaml.Document:
    (only,) = strictyaml.load_all(text.encode())
    return only


def test_it_is_found_by_its_name_its_kind_and_its_objects(platform: Platform, row: Row) -> None:
    resource = platform.resource
    assert platform.name == row.name
    assert catalogue.of(Key("shop", "iris", resource.kind)) is platform
    assert catalogue.of_body({"kind": resource.kind, "apiVersion": resource.api_version})
    assert catalogue.by_plural(resource.plural) == resource
    assert resource.kind in {each.kind for each in catalogue.every()}


def test_a_description_that_works_has_no_fault(platform: Platform, example: Example) -> None:
    assert platform.fault(document(example.deploy)) is None


def test_what_is_wrong_is_told_with_its_place(platform: Platform, example: Example) -> None:
    for path, value in example.wrong:
        body = yaml.safe_load(example.deploy)
        place = body
        for step in path[:-1]:
            place = place.setdefault(step, {}) if isinstance(step, str) else place[step]
        place[path[-1]] = value
        found = platform.fault(document(yaml.safe_dump(body)))
        assert found is not None, path
        where, words = found
        assert where[: len(path)] == path[: len(where)]
        assert words
        assert "\n" not in words


_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("kind", [row.resource.kind for row in EVERY], ids=str)
@tried(60, sharing=True)
@given(spec=_JSON, metadata=_JSON, status=_JSON)
def test_any_description_is_refused_or_read(
    kind: str, spec: Any, metadata: Any, status: Any
) -> None:
    platform = catalogue.of(Key("", "", kind))
    head = {"apiVersion": platform.resource.api_version, "kind": platform.resource.kind}
    body = {**head, "metadata": metadata, "spec": spec}
    assert isinstance(platform.state({**body, "status": status}), State)
    text = yaml.safe_dump(body, allow_unicode=True)
    try:
        read = document(text)
    except strictyaml.YamlError:
        return
    if platform.fault(read) is None:
        whole = platform.blanked(read.value)
        with contextlib.suppress(Problem):
            _, merged = platform.complete([Layer("given", whole)])
            platform.check(merged)
            list(platform.model_uris(merged.body))


def test_a_version_is_deployed_promoted_and_removed(
    cluster: Cluster, platform: Platform, example: Example
) -> None:
    registry, kind = FakeRegistry(), platform.resource.kind
    first = registry.add("iris", example.deploy)
    planned = make_plan(registry, cluster, STAGED)
    (change,) = planned.changes
    assert isinstance(change, Create)
    assert change.key == Key(cluster.namespace, "iris-staging", kind)
    execute(planned, cluster, delete=True)
    (live,) = cluster.list([kind])
    assert live.key == change.key
    assert platform.first_uri(live.body) == platform.readable(f"s3://models/{first:032x}")
    (same,) = make_plan(registry, cluster, STAGED).changes
    assert isinstance(same, Unchanged)

    second = registry.add("iris", example.deploy)
    registry.move("iris", second, "Staging")
    planned = make_plan(registry, cluster, STAGED)
    (change,) = planned.changes
    assert isinstance(change, Update)
    changed = [str(field) for field in change.fields if field.path[0] == "spec"]
    assert len(changed) == 1  # the model's URI, and nothing else
    execute(planned, cluster, delete=True)
    (live,) = cluster.list([kind])
    assert live.version == str(second)
    (same,) = make_plan(registry, cluster, STAGED).changes
    assert isinstance(same, Unchanged)


def test_what_it_is_stored_as_comes_to_the_same_again(platform: Platform, example: Example) -> None:
    registry = FakeRegistry()
    for deploy in (example.deploy, None):
        registry.add(f"iris-{bool(deploy)}".lower(), deploy)
    for change in make_plan(registry, _nowhere(), STAGED).changes:
        if not isinstance(change, Create) or change.key.kind != platform.resource.kind:
            continue
        body = change.manifest.body
        primary, *companions = platform.stored(body)
        assert identified(platform.seen(primary, companions)) == identified(body)
        assert primary["kind"] == platform.resource.kind
        kinds = [each.kind for each in platform.companions]
        assert [kinds.index(each["kind"]) for each in companions] == sorted(
            kinds.index(each["kind"]) for each in companions
        )
        for each in (primary, *companions):
            assert each["metadata"]["namespace"] == change.key.namespace
            assert each["metadata"]["labels"][MANAGED_BY] == "m2s"
            assert each["metadata"]["labels"][OWNER] == change.manifest.owner
            assert each["apiVersion"] == catalogue.resource(each["kind"]).api_version
        platform.seen(primary, ())  # of a run that was stopped


def test_what_became_of_it_is_noted_and_changes_nothing(
    cluster: Cluster, platform: Platform, example: Example
) -> None:
    if isinstance(cluster, FolderCluster):
        pytest.skip("nothing serves in a folder")
    registry, kind = FakeRegistry(), platform.resource.kind
    registry.add("iris", example.deploy)
    execute(make_plan(registry, cluster, STAGED), cluster)
    for marks in ({VERIFIED: "[1]", FAILED: "[2]"}, {FAILED: None}, {VERIFIED: "[3]"}):
        (live,) = cluster.list([kind])
        cluster.mark(live, marks)
        (noted,) = cluster.list([kind])
        found = {name: noted.annotations.get(name) for name in (VERIFIED, FAILED)}
        assert {name: found[name] for name in marks} == marks
        (change,) = make_plan(registry, cluster, STAGED).changes
        assert isinstance(change, Unchanged)


def test_it_says_where_it_answers_or_that_it_does_not(platform: Platform, example: Example) -> None:
    body = yaml.safe_load(example.deploy)
    body.setdefault("metadata", {})["name"] = "iris"
    with contextlib.suppress(Problem):
        found = platform.ask(body)
        assert found.service.startswith("iris")
        assert asking.ready(found).path.startswith("/")


def test_what_left_is_removed_beside_what_stays(
    cluster: Cluster, platform: Platform, example: Example
) -> None:
    registry = FakeRegistry()
    for model in ("iris", "wine"):
        registry.add(model, example.deploy)
    execute(make_plan(registry, cluster, STAGED), cluster, delete=True)
    registry.move("wine", 1, "Archived")
    planned = make_plan(registry, cluster, STAGED)
    assert [type(change) for change in planned.changes] == [Unchanged, Delete]
    looked = planned.changes[1]
    assert isinstance(looked, Delete)
    assert looked.key.kind == platform.resource.kind


def test_without_a_description_its_own_server_is_a_description_too(platform: Platform) -> None:
    registry = FakeRegistry()
    registry.add("iris", None)
    (version,) = registry.select(STAGED.selectors[0])
    layers = platform.own_layers(
        Bare(version, "s3://models/1", mlmodel=MlModel(("python_function",), "", "3.11.7")), STAGED
    )
    _, merged = platform.complete(layers)
    platform.check(merged)
    assert list(platform.model_uris(merged.body))


def test_a_tag_that_pauses_is_no_tag_of_the_platforms(platform: Platform, example: Example) -> None:
    below = platform.complete([Layer("given", yaml.safe_load(example.deploy))])[1].body
    paused = ModelVersion("iris", 1, tags={"m2s.io/paused": "true", "theirs": "x"})
    assert platform.tag_layers(paused, below) == ()
    with pytest.raises(Problem, match=r"tag m2s.io/odd: no such tag"):
        platform.tag_layers(ModelVersion("iris", 1, tags={"m2s.io/odd": "x"}), below)


def test_two_kinds_of_one_name_stand_side_by_side(
    cluster: Cluster, platform: Platform, example: Example
) -> None:
    registry = FakeRegistry()
    registry.add("iris", example.deploy)
    execute(make_plan(registry, cluster, STAGED), cluster, delete=True)
    (live,) = cluster.list([platform.resource.kind])
    others = [each.kind for each in catalogue.every() if each.kind != platform.resource.kind]
    for kind in others:
        if isinstance(cluster, FolderCluster):
            assert cluster.get(Key(live.key.namespace, live.key.name, kind)) is None
    assert cluster.get(live.key) == live


def test_nothing_serves_before_anything_is_made(platform: Platform, example: Example) -> None:
    registry = FakeRegistry()
    registry.add("iris", example.deploy)
    (change,) = make_plan(registry, _nowhere(), STAGED).changes
    assert isinstance(change, Create)
    metadata = {**change.manifest.body["metadata"], "generation": 1, "uid": "u"}
    body = {**change.manifest.body, "metadata": metadata}
    found = platform.rollout(body, None, (), 1, lambda _: ())
    assert not found.serving
    assert found.message
    assert platform.related(body) or body["kind"] == "Deployment"  # its own


def _nowhere() -> Cluster:
    return FolderCluster("/nonexistent", "default")


def test_a_plan_holds_several_kinds(tmp_path: Path) -> None:
    """Also in a templates folder's place: each deploy.yaml says its platform by its own kind."""
    registry, cluster = FakeRegistry(), FolderCluster(tmp_path, "default")
    for name, one in EXAMPLES.items():
        registry.add(f"model-{name}", one.deploy)
    planned = make_plan(registry, cluster, STAGED)
    assert {change.key.kind for change in planned.changes} == {each.resource.kind for each in EVERY}
    execute(planned, cluster, delete=True)
    again = make_plan(registry, cluster, STAGED)
    assert all(isinstance(change, Unchanged) for change in again.changes)


def test_a_file_holds_all_that_a_deployment_is_stored_as(tmp_path: Path) -> None:
    registry, cluster = FakeRegistry(), FolderCluster(tmp_path, "default")
    registry.add("iris", EXAMPLES["toy"].deploy)
    execute(make_plan(registry, cluster, STAGED), cluster)
    (file,) = (tmp_path / "default").iterdir()
    documents = list(yaml.safe_load_all(file.read_text()))
    assert [each["kind"] for each in documents] == ["ToyServer", "ConfigMap"]
    assert "ownerReferences" not in file.read_text()

    by_hand = documents[1]["metadata"]["annotations"]
    by_hand["m2s.io/run-id"] = "by-hand"
    file.write_text(yaml.safe_dump_all(documents))
    (change,) = make_plan(registry, cluster, STAGED).changes
    assert isinstance(change, Update)
    assert [str(field) for field in change.fields] == ["metadata.annotations[m2s.io/run-id]"]
    execute(make_plan(registry, cluster, STAGED), cluster)
    (same,) = make_plan(registry, cluster, STAGED).changes
    assert isinstance(same, Unchanged)


def test_a_kind_that_nobody_knows_is_one_line() -> None:
    registry = FakeRegistry()
    registry.add("iris", "apiVersion: v1\nkind: Teapot\nspec: {}\n")
    (change,) = make_plan(registry, _nowhere(), STAGED).changes
    assert isinstance(change, Blocked)
    assert "kind is 'Teapot'; it must be SeldonDeployment" in change.reason
