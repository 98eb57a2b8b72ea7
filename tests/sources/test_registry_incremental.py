"""A registry that reads what changed answers as one that reads everything, for fewer requests."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.exceptions import MlflowException

from m2s.base.errors import RegistryError
from m2s.domain.versions import Description, Model, Selector
from m2s.sources.mlflow.incremental import DOUBTS, IncrementalRegistry
from m2s.sources.mlflow.registry import MlflowRegistry
from m2s.sources.mlflow.snapshot import SLACK, ModelReader, OutOfDate, Snapshot
from tests.kits.registry_kit import CHAMPION, STAGING, execute, seed
from tests.kits.support import Models, tried
from tests.servers import FaultProxy, MlflowServer, sqlite_uri

PRODUCTION = Selector("stage", "Production")
RESYNC = 600.0
STAMP = "UPDATE registered_models SET last_updated_time = ? WHERE name = ?"


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def following(uri: str, clock: Callable[[], float] = time.monotonic) -> IncrementalRegistry:
    return MlflowRegistry(uri).incremental(RESYNC, clock)


def names(registry: Any, selector: Selector = STAGING) -> list[str]:
    return [str(version) for version in registry.select(selector)]


MODELS = st.sampled_from(["a", "b", "it's", "größe (x), y%", 'say "x"'])
STEPS = st.one_of(
    st.tuples(st.just("version"), MODELS, st.sampled_from(["Staging", "Production", "None"])),
    st.tuples(st.just("move"), MODELS, st.sampled_from(["Staging", "Archived", "Production"])),
    st.tuples(st.just("alias"), MODELS, st.sampled_from([None, 1, 2])),
    st.tuples(st.just("drop"), MODELS, st.just(1)),
    st.tuples(st.just("rename"), MODELS, MODELS),
    st.tuples(st.just("delete"), MODELS, st.none()),
)


def change(models: Models, step: tuple[str, str, Any]) -> None:
    """Do one thing to a registry, where it can be done."""
    kind, model, what = step
    client = models.client
    with contextlib.suppress(MlflowException):
        match kind:
            case "version":
                with contextlib.suppress(MlflowException):
                    client.create_registered_model(model)
                made = client.create_model_version(model, "s3://x/y", await_creation_for=0)
                client.transition_model_version_stage(model, made.version, what)
            case "move":
                client.transition_model_version_stage(model, "1", what)
            case "alias":
                models.alias(model, "champion", what)
            case "drop":
                client.delete_model_version(model, "1")
            case "rename":
                client.rename_registered_model(model, what)
            case "delete":
                client.delete_registered_model(model)


@pytest.mark.thorough
@tried(25, sharing=True)
@given(passes=st.lists(st.lists(STEPS, max_size=3), min_size=2, max_size=5))
@example(passes=[[("version", "a", "Staging")], [], [("rename", "a", "b")]])
def test_it_answers_as_a_registry_that_is_read_as_a_whole(
    mlflow_template: Path, tmp_path_factory: Any, passes: Any
) -> None:
    uri = sqlite_uri(mlflow_template, tmp_path_factory.mktemp("followed"))
    models, whole = Models(uri), MlflowRegistry(uri)
    by_stage, by_alias = following(uri), following(uri)
    deleted = False
    for steps in passes:
        for step in steps:
            change(models, step)
            deleted = deleted or step[0] == "delete"
        # A model that is gone as a whole is noticed late by stages, and by aliases at once.
        for selector in (STAGING, PRODUCTION):
            found = by_stage.select(selector)
            missing = [one for one in whole.select(selector) if one not in found]
            assert missing == []
            assert deleted or found == whole.select(selector)
        for selector in (CHAMPION, STAGING):
            assert by_alias.select(selector) == whole.select(selector)
    by_stage.forget()
    for selector in (STAGING, PRODUCTION):
        assert by_stage.select(selector) == whole.select(selector)


@pytest.fixture(scope="module")
def own_server(
    mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MlflowServer]:
    """A server whose registry nobody else fills."""
    server = MlflowServer(mlflow_template, tmp_path_factory.mktemp("followed-server"))
    yield server
    server.stop()


@pytest.fixture
def many(
    own_server: MlflowServer, fault_proxy: Callable[..., FaultProxy]
) -> tuple[Models, FaultProxy]:
    """300 models that last changed a minute apart each, behind a proxy."""
    server = own_server
    execute(server.database, "DELETE FROM registered_model_aliases")
    execute(server.database, "DELETE FROM model_versions")
    execute(server.database, "DELETE FROM registered_models")
    seed(server.database, 300)
    found = [(1_700_000_000_000 + n * 60_000, f"model {n:05}") for n in range(300)]
    execute(server.database, STAMP, *found)
    return Models(server.uri, server.database), fault_proxy(server)


def asked(proxy: FaultProxy) -> list[str]:
    """What was asked since the last time, by the last part of the path."""
    paths = [request.path.split("?")[0].rpartition("2.0/mlflow/")[2] for request in proxy.requests]
    proxy.requests.clear()
    return paths


@pytest.mark.thorough
def test_a_quiet_pass_is_one_small_request_and_a_change_one_more(
    many: tuple[Models, FaultProxy],
) -> None:
    models, proxy = many
    clock = Clock()
    registry = following(proxy.url, clock)
    assert len(names(registry)) == 300
    assert asked(proxy) == ["registered-models/search", "model-versions/search"]
    page, versions = "registered-models/search", "model-versions/search"
    names(registry)
    assert asked(proxy) == [page, versions]  # the newest may have changed in the same millisecond
    names(registry)
    assert asked(proxy) == [page]

    models.move("model 00007", 2, "Staging")
    assert "model 00007 v2" in names(registry)
    assert asked(proxy) == [page, versions]
    names(registry)
    assert asked(proxy) == [page, versions]
    names(registry)
    assert asked(proxy) == [page]

    names(registry, CHAMPION)
    assert asked(proxy) == [page]
    models.alias("model 00008", "champion", 2)
    assert "model 00008 v2" in names(registry, CHAMPION)
    assert asked(proxy) == [page]

    models.delete("model 00009")
    assert "model 00009 v1" in names(registry)
    clock.now += RESYNC
    assert "model 00009 v1" not in names(registry)


@pytest.mark.thorough
def test_a_pass_that_could_not_be_read_is_an_error_and_the_next_one_makes_up_for_it(
    many: tuple[Models, FaultProxy], impatient: None
) -> None:
    models, proxy = many
    registry = following(proxy.url)
    names(registry)
    models.move("model 00007", 1, "Archived")
    for spoiled in ("registered-models/search", "model-versions/search"):
        proxy.answer(500, "broken", path=spoiled)
        for _ in range(2):
            with pytest.raises(RegistryError):
                names(registry)
        proxy.heal()
    assert "model 00007 v1" not in names(registry)
    registry.forget()
    models.delete("model 00009")
    proxy.answer(500, "broken", path="model-versions/search")
    with pytest.raises(RegistryError):
        names(registry)
    proxy.heal()
    assert "model 00009 v1" not in names(registry)


@pytest.mark.thorough
def test_many_changes_at_once_are_read_with_the_whole_listing(
    many: tuple[Models, FaultProxy],
) -> None:
    models, proxy = many
    registry = following(proxy.url)
    names(registry)
    asked(proxy)
    execute(models.database, "UPDATE model_versions SET current_stage = 'Staging'")
    execute(models.database, "UPDATE registered_models SET last_updated_time = 1800000000000")
    assert len(names(registry)) == 600
    assert len(asked(proxy)) < 20


def stamped(uri: str, *stamps: int) -> Path:
    """Fill a registry with models 0, 1, … of these stamps."""
    database = Path(uri.removeprefix("sqlite:///"))
    seed(database, len(stamps))
    execute(database, STAMP, *[(stamp, f"model {n:05}") for n, stamp in enumerate(stamps)])
    return database


def archive(database: Path, number: int, stamp: int) -> None:
    """Change a model at a moment."""
    name = f"model {number:05}"
    execute(
        database, "UPDATE model_versions SET current_stage = 'Archived' WHERE name = ?", (name,)
    )
    execute(database, STAMP, (stamp, name))


NOW = 1_800_000_000_000


def test_a_second_change_in_the_same_millisecond_is_seen(sqlite_registry: str) -> None:
    database = stamped(sqlite_registry, NOW - 5, NOW - 9)
    registry = following(sqlite_registry)
    names(registry)
    archive(database, 0, NOW - 5)
    assert names(registry) == ["model 00001 v1"]


def test_a_change_that_is_committed_late_is_seen(sqlite_registry: str) -> None:
    now = int(time.time() * 1000)
    database = stamped(sqlite_registry, *range(now - 3000, now, 10))
    registry = following(sqlite_registry)
    for _ in range(2):
        assert "model 00001 v1" in names(registry)
    archive(database, 1, now - 2500)
    assert "model 00001 v1" not in names(registry)


def test_many_models_that_changed_at_once_cost_no_more_when_that_is_past() -> None:
    models = [Model(f"m{number}", 1, NOW, {}, {}) for number in range(1000)]
    clock, pages = Clock(), list[int]()
    clock.now = NOW / 1000 + 1

    def newest() -> Iterator[list[Model]]:
        for start in range(0, len(models), 50):
            pages.append(start)
            yield models[start : start + 50]

    reader = ModelReader(lambda: models, newest, list, lambda _: [], clock)
    snapshot = replace(Snapshot.read(reader), unsettled=frozenset())
    snapshot.refreshed(reader, listing=False)
    assert len(pages) == 20
    clock.now += SLACK / 1000 + 1
    snapshot.refreshed(reader, listing=False)
    assert len(pages) == 21


def test_a_stamp_of_a_wrong_clock_hides_nothing(sqlite_registry: str) -> None:
    far = NOW + 10**10
    stamps = [far + n for n in range(60)] + [NOW - SLACK * n for n in range(60)]
    database = stamped(sqlite_registry, *stamps)
    registry = following(sqlite_registry)
    for _ in range(2):
        assert "model 00100 v1" in names(registry)
    archive(database, 100, NOW + 5000)
    assert "model 00100 v1" not in names(registry)


def test_a_server_that_does_not_order_or_stamp_is_read_as_a_whole() -> None:
    old = [Model(name, 1, stamp, {}, {}) for name, stamp in (("a", 5), ("b", 9))]
    for page in (old, [Model("a", 0, 0, {}, {})]):
        reader = ModelReader(lambda: old, [page].__iter__, list, lambda _: [])
        with pytest.raises(OutOfDate):
            Snapshot.read(reader).refreshed(reader, listing=False)


def test_another_name_of_an_old_model_takes_the_old_one_away(sqlite_registry: str) -> None:
    stamped(sqlite_registry, NOW - 3 * SLACK, NOW - 2 * SLACK)
    registry = following(sqlite_registry)
    names(registry)
    Models(sqlite_registry).client.rename_registered_model("model 00000", "renamed")
    assert names(registry) == ["model 00001 v1", "renamed v1"]


@pytest.mark.thorough
def test_what_was_not_there_is_looked_for_again_a_few_in_each_pass(sqlite_registry: str) -> None:
    models = Models(sqlite_registry)
    for number in range(DOUBTS + 5):
        models.add(f"m{number:02}", None)
        run = models.client.get_model_version(f"m{number:02}", "1").run_id
        models.client.log_text(str(run), "x", "model/MLmodel")
    registry = following(sqlite_registry)

    def one_pass() -> list[str]:
        found = [(version, registry.describe(version)) for version in registry.select(STAGING)]
        return [
            version.model for version, each in found if isinstance(each, Description) and each.file
        ]

    execute(
        models.database,
        "UPDATE model_versions SET source = (SELECT artifact_uri || '/model' FROM runs"
        " WHERE run_uuid = model_versions.run_id)",
    )
    assert one_pass() == []
    for number in (0, DOUBTS + 4):
        version = models.client.get_model_version(f"m{number:02}", "1")
        models.client.log_text(str(version.run_id), "kind: x", "deploy.yaml")
    assert one_pass() == ["m00"]
    assert one_pass() == ["m00", f"m{DOUBTS + 4:02}"]
