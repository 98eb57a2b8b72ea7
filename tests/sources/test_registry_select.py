"""Which versions a selector names: all of them, from a real MLflow."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from m2s.base.errors import RegistryError, UsageError
from m2s.domain.versions import Offers, Selector, Whereabouts
from m2s.sources.mlflow import sample
from m2s.sources.mlflow.registry import MlflowRegistry
from tests.kits.registry_kit import (
    CHAMPION,
    STAGING,
    alias,
    client,
    database_of,
    execute,
    only,
    register,
    seed,
    selected,
    stage,
)
from tests.servers import FaultProxy, MlflowServer, wait_for

ODD_NAMES = (
    "wine quality",
    "Prognose für München 模型",
    "o'brien",
    'say "cheese"',
    "back\\slash",
    "100% sure?&=#1",
    "`tick`",
)


@pytest.fixture(scope="module")
def crowd(
    mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MlflowServer]:
    """A server with 1,200 models, for tests that change nothing."""
    server = MlflowServer(mlflow_template, tmp_path_factory.mktemp("crowd"))
    seed(server.database, 1200)
    yield server
    server.stop()


@pytest.mark.thorough
def test_logged_versions_are_followed_from_promotion_to_archive(
    mlflow_server: MlflowServer,
) -> None:
    uri = mlflow_server.uri
    first, second = (sample.log_version(uri, "followed", None) for _ in range(2))

    def in_stage(name: str) -> list[str]:
        return [each for each in selected(uri, Selector("stage", name)) if "followed" in each]

    assert in_stage("Staging") == []
    sample.promote(uri, "followed", first)
    assert in_stage("Staging") == ["followed v1"]
    sample.promote(uri, "followed", second)
    assert (in_stage("Staging"), in_stage("Archived")) == (["followed v2"], ["followed v1"])
    sample.archive(uri, "followed", second)
    assert in_stage("Staging") == []


def test_every_version_of_a_stage_is_named_not_only_the_highest(sqlite_registry: str) -> None:
    for _ in range(11):
        stage(sqlite_registry, "iris", register(sqlite_registry, "iris", "s3://b/x"))
    assert selected(sqlite_registry, STAGING) == [f"iris v{number}" for number in range(1, 12)]


@pytest.mark.thorough
def test_odd_names_survive_selection_and_lookup(mlflow_server: MlflowServer) -> None:
    """Other tests may have models in the stage of this server, so the odd ones are looked for."""
    uri, api = mlflow_server.uri, client(mlflow_server.uri)
    for name in ODD_NAMES:
        api.create_registered_model(name)
        api.create_model_version(name, "s3://b/x")
        alias(uri, name, 1, "odd")
        stage(uri, name, 1, "Production")
    registry = MlflowRegistry(uri)
    for selector in (Selector("alias", "odd"), Selector("stage", "production")):
        chosen = [each.model for each in registry.select(selector)]
        assert [name for name in chosen if name in ODD_NAMES] == sorted(ODD_NAMES)
        for name in ODD_NAMES:
            assert registry.locate(selector, name, "1").selected


def test_a_slash_in_a_name_from_an_older_mlflow_is_no_obstacle(sqlite_registry: str) -> None:
    seed(database_of(sqlite_registry), 1)
    for table in ("registered_models", "model_versions", "registered_model_aliases"):
        execute(database_of(sqlite_registry), f"UPDATE {table} SET name = 'team/a:b'")  # noqa: S608
    assert selected(sqlite_registry, STAGING) == ["team/a:b v1"]
    assert selected(sqlite_registry, CHAMPION) == ["team/a:b v1"]
    registry = MlflowRegistry(sqlite_registry)
    assert registry.locate(STAGING, "team/a:b", "2") == Whereabouts(True, "v2 is in Production now")
    assert registry.locate(STAGING, "team/a", "1") == Whereabouts(
        False, "the registered model is gone"
    )


@pytest.mark.thorough
def test_twelve_hundred_models_come_over_all_pages(crowd: MlflowServer) -> None:
    registry = MlflowRegistry(crowd.uri)
    every = [(f"model {number:05}", 1) for number in range(1200)]
    for selector in (STAGING, CHAMPION):
        assert [(each.model, each.version) for each in registry.select(selector)] == every
    assert registry.offers() == Offers({"Production": 1200, "Staging": 1200}, {"champion": 1200})


@pytest.mark.slow
def test_a_registry_that_changes_between_pages_repeats_and_loses_nothing(
    mlflow_server_factory: Callable[..., MlflowServer],
    fault_proxy: Callable[..., FaultProxy],
) -> None:
    server = mlflow_server_factory()
    seed(server.database, 600)
    proxy = fault_proxy(server)
    gate = proxy.hold(path="page_token")

    def change() -> None:
        wait_for(lambda: proxy.count(path="page_token"), "the second page to be asked for")
        register(server.uri, "a new first one", "s3://b/x")
        client(server.uri).update_model_version("model 00599", "1", "touched: now the newest")
        gate.set()

    changing = threading.Thread(target=change)
    changing.start()
    found = MlflowRegistry(proxy.uri).select(STAGING)
    changing.join()
    assert [each.model for each in found] == [f"model {number:05}" for number in range(600)]


@pytest.mark.thorough
@pytest.mark.parametrize("selector", [STAGING, CHAMPION])
def test_a_listing_that_breaks_off_names_its_page_and_yields_nothing(
    selector: Selector, crowd: MlflowServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    proxy = fault_proxy(crowd)
    proxy.cut(path="page_token")
    with pytest.raises(RegistryError, match=r"cannot read page 2 of the .*: the connection broke"):
        MlflowRegistry(proxy.uri).select(selector)


def test_aliases_name_their_versions_whatever_the_stage(sqlite_registry: str) -> None:
    for _ in range(3):
        register(sqlite_registry, "iris", "s3://b/x")
    register(sqlite_registry, "wine", "s3://b/x")
    alias(sqlite_registry, "iris", 2)
    alias(sqlite_registry, "wine", 1, "challenger")
    assert selected(sqlite_registry, CHAMPION) == ["iris v2"]
    assert selected(sqlite_registry, Selector("alias", "nobody's")) == []
    assert MlflowRegistry(sqlite_registry).offers() == Offers(
        {"None": 4}, {"challenger": 1, "champion": 1}
    )


def test_an_alias_that_points_at_nothing_is_reported_not_lost(sqlite_registry: str) -> None:
    register(sqlite_registry, "iris", "s3://b/x")
    alias(sqlite_registry, "iris", 1)
    execute(database_of(sqlite_registry), "UPDATE registered_model_aliases SET version = 7")
    found = only(sqlite_registry, CHAMPION)
    assert (str(found), found.status) == ("iris v7", "MISSING")
    assert found.status_message == "alias champion points at v7, which does not exist"
    assert MlflowRegistry(sqlite_registry).locate(CHAMPION, "iris", "7").selected


def test_a_version_is_passed_on_as_the_registry_has_it(sqlite_registry: str) -> None:
    register(sqlite_registry, "iris", "s3://b/x", tags={"team": "flora"})
    stage(sqlite_registry, "iris", 1)
    execute(
        database_of(sqlite_registry),
        "UPDATE model_versions SET status = 'FAILED_REGISTRATION', status_message = 'disk full'",
    )
    found = only(sqlite_registry)
    assert (found.status, found.status_message) == ("FAILED_REGISTRATION", "disk full")
    assert (found.stage, found.run_id, found.source) == ("Staging", None, "s3://b/x")
    assert dict(found.tags) == {"team": "flora"}


def test_prompts_are_not_models(sqlite_registry: str) -> None:
    api = client(sqlite_registry)
    api.register_prompt(name="greeting", template="Hello {{name}}")
    api.set_prompt_alias("greeting", "champion", 1)
    assert selected(sqlite_registry, Selector("stage", "None")) == []
    assert selected(sqlite_registry, CHAMPION) == []


def test_an_unknown_stage_is_wrong_usage_with_the_nearest_one(sqlite_registry: str) -> None:
    with pytest.raises(UsageError, match=r"'stagign'.*None, Staging, Production.*mean Staging"):
        MlflowRegistry(sqlite_registry).select(Selector("stage", "stagign"))


@pytest.mark.parametrize(
    ("selector", "change", "expected"),
    [
        (STAGING, lambda _: None, Whereabouts(True, "v2 is in Staging")),
        (
            STAGING,
            lambda api: api.transition_model_version_stage("iris", "2", "Archived"),
            Whereabouts(False, "v2 is in Archived now"),
        ),
        (
            STAGING,
            lambda api: api.transition_model_version_stage("iris", "2", "None"),
            Whereabouts(False, "v2 is in no stage now"),
        ),
        (
            STAGING,
            lambda api: api.transition_model_version_stage("iris", "3", "Staging"),
            Whereabouts(True, "v3 is in Staging"),
        ),
        (
            STAGING,
            lambda api: api.delete_model_version("iris", "2"),
            Whereabouts(False, "v2 was deleted"),
        ),
        (
            STAGING,
            lambda api: api.delete_registered_model("iris"),
            Whereabouts(False, "the registered model is gone"),
        ),
        (
            STAGING,
            lambda api: api.rename_registered_model("iris", "lily"),
            Whereabouts(False, "the registered model is gone"),
        ),
        (CHAMPION, lambda _: None, Whereabouts(True, "alias champion now points at v2")),
        (
            CHAMPION,
            lambda api: api.set_registered_model_alias("iris", "champion", "3"),
            Whereabouts(True, "alias champion now points at v3"),
        ),
        (
            CHAMPION,
            lambda api: api.delete_registered_model_alias("iris", "champion"),
            Whereabouts(False, "alias champion points at nothing now"),
        ),
        (
            CHAMPION,
            lambda api: api.delete_model_version("iris", "2"),
            Whereabouts(False, "v2 was deleted"),
        ),
    ],
)
def test_a_second_look_tells_what_became_of_the_served_version(
    selector: Selector, change: Callable[..., object], expected: Whereabouts, sqlite_registry: str
) -> None:
    for _ in range(3):
        register(sqlite_registry, "iris", "s3://b/x")
    stage(sqlite_registry, "iris", 2)
    alias(sqlite_registry, "iris", 2)
    change(client(sqlite_registry))
    assert MlflowRegistry(sqlite_registry).locate(selector, "iris", "2") == expected


@pytest.mark.parametrize("version", [None, "", "two"])
def test_a_second_look_works_without_a_readable_version(
    version: str | None, sqlite_registry: str
) -> None:
    register(sqlite_registry, "iris", "s3://b/x")
    registry = MlflowRegistry(sqlite_registry)
    assert registry.locate(STAGING, "iris", version) == Whereabouts(False, "nothing is in Staging")
    stage(sqlite_registry, "iris", 1)
    assert registry.locate(STAGING, "iris", version) == Whereabouts(True, "v1 is in Staging")


@pytest.mark.parametrize("following", [False, True])
def test_a_server_without_stages_is_told_and_serves_aliases(
    mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy], following: bool
) -> None:
    """Unity Catalog's kind: its versions have no stage at all, not even MLflow's None."""
    register(mlflow_server.uri, f"stageless-{following}", "s3://b/x")
    alias(mlflow_server.uri, f"stageless-{following}", 1, "stageless")
    proxy = fault_proxy(mlflow_server)
    listed = {"model_versions": [{"name": f"stageless-{following}", "version": "1"}]}
    proxy.answer(200, listed, path="model-versions/search")
    whole = MlflowRegistry(proxy.url)
    registry = whole.incremental(60) if following else whole
    with pytest.raises(UsageError, match="has no stages: select by --alias$"):
        registry.select(STAGING)
    found = registry.select(Selector("alias", "stageless"))
    assert f"stageless-{following} v1" in map(str, found)
    assert registry.offers().stages == {}
