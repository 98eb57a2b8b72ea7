"""What m2s makes of what an MLflow server says of its version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import mlflow
import pytest

from m2s.base.errors import RegistryError, UsageError
from m2s.sources.mlflow.generations import ALIASES, UNKNOWN, WEBHOOKS, WORKSPACES, Learned, parse
from m2s.sources.mlflow.registry import MlflowRegistry
from m2s.sources.mlflow.server import Server
from tests.generations import table
from tests.kits.registry_kit import CHAMPION, STAGING, register, stage
from tests.servers import FaultProxy, MlflowServer, Upstream

Proxied = Callable[[Upstream], FaultProxy]


@pytest.mark.parametrize(
    ("text", "aliases", "webhooks", "workspaces"),
    [
        ("2.2.2", False, False, False),
        ("2.3.0", True, False, False),
        ("3.2.0", True, False, False),
        ('"3.3"\n', True, True, False),
        ("3.9.4", True, True, False),
        ("3.10.0rc1", True, True, True),
        ("3.18.0.dev0", True, True, True),
        ("10.0", True, True, True),
    ],
)
def test_a_version_says_what_a_server_has(
    text: str, aliases: bool, webhooks: bool, workspaces: bool
) -> None:
    found, expected = parse(text), [aliases, webhooks, workspaces]
    assert [found.has(each) for each in (ALIASES, WEBHOOKS, WORKSPACES)] == expected
    assert [not found.lack(each) for each in (ALIASES, WEBHOOKS, WORKSPACES)] == expected


def test_what_a_server_lacks_is_said_with_the_version_that_has_it() -> None:
    line = "webhooks are from MLflow 3.3 on, and this is MLflow 2.9.2"
    assert parse("2.9.2").lack(WEBHOOKS) == line
    line = "aliases are from MLflow 2.3 on, and this server does not tell its version"
    assert UNKNOWN.lack(ALIASES) == line


ODD = ["", "abc", "3", "3.", "v3.17", "{}", "<html>3.17.2</html>", "3.x", "\u0663.\u0661", "9"]


@pytest.mark.parametrize("text", ODD)
def test_an_odd_version_is_unknown(text: str) -> None:
    assert parse(text) == UNKNOWN
    assert not UNKNOWN.has(ALIASES)


def learned(proxy: FaultProxy) -> Learned:
    return Learned(Server.parse(proxy.url))


def test_a_server_is_asked_once(mlflow_server: MlflowServer, fault_proxy: Proxied) -> None:
    proxy = fault_proxy(mlflow_server)
    known = learned(proxy)
    assert [known.generation.version for _ in range(3)] == [mlflow.__version__] * 3
    assert [request.path for request in proxy.requests] == ["/version"]


def test_a_database_is_what_the_installed_mlflow_is(sqlite_registry: str) -> None:
    assert Learned(Server(sqlite_registry)).generation.version == mlflow.__version__


@pytest.mark.parametrize(
    "answer",
    [
        {"status": 404, "body": "not found"},
        {"status": 401, "body": ""},
        {"status": 200, "body": "<html>Log in</html>"},
        {"status": 200, "body": {}},
        {"status": 200, "body": b"\xff\xfe\x00"},
        {"status": 302, "body": "", "headers": {"Location": "/health"}},
    ],
)
def test_an_odd_answer_is_no_version_and_is_kept(
    answer: Mapping[str, Any], mlflow_server: MlflowServer, fault_proxy: Proxied
) -> None:
    proxy = fault_proxy(mlflow_server)
    proxy.answer(path="/version", **answer)
    known = learned(proxy)
    assert [known.generation, known.generation] == [UNKNOWN, UNKNOWN]
    assert [request.path for request in proxy.requests] == ["/version"]


def test_what_a_server_in_trouble_answers_is_not_kept(
    mlflow_server: MlflowServer, fault_proxy: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    proxy = fault_proxy(mlflow_server)
    proxy.answer(503, path="/version", times=1)
    known = learned(proxy)
    assert known.generation == UNKNOWN
    assert known.generation.version == mlflow.__version__


def test_a_server_that_is_not_there_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(RegistryError, match="cannot ask for its version: connection refused"):
        _ = Learned(Server.parse("http://127.0.0.1:1")).generation
    assert not Learned(Server.parse("http://127.0.0.1:1")).lack(ALIASES)


def test_a_store_of_a_kind_that_m2s_does_not_know_is_not_asked() -> None:
    assert Learned(Server("plugin://host")).generation == UNKNOWN


def test_the_table_in_the_docs_is_what_the_servers_are_tested_for() -> None:
    docs = Path(__file__).parents[2] / "docs" / "mlflow-servers.md"
    assert table() in docs.read_text()


REFUSED = {"error_code": "INVALID_PARAMETER_VALUE", "message": "Only 'run_id' takes a list"}


@pytest.fixture
def two(mlflow_server: MlflowServer, fault_proxy: Proxied) -> FaultProxy:
    """A proxy before a server with two models in Staging."""
    for name in ("generation a", "generation b"):
        stage(mlflow_server.uri, name, register(mlflow_server.uri, name, "s3://bucket/x"))
    return fault_proxy(mlflow_server)


def change_both(uri: str) -> None:
    for name in ("generation a", "generation b"):
        stage(uri, name, register(uri, name, "s3://bucket/x"))


@pytest.mark.thorough
def test_a_list_of_names_that_is_refused_is_not_asked_for_again(
    two: FaultProxy, mlflow_server: MlflowServer
) -> None:
    two.answer(400, REFUSED, path="name\\+IN")
    registry = MlflowRegistry(two.url).incremental(3600)
    registry.select(STAGING)
    for _ in range(2):
        change_both(mlflow_server.uri)
        known = max(each.version for each in registry.select(STAGING))
        newest = mlflow_server_versions(mlflow_server, "generation a")
        assert known >= newest
    assert two.count(path="name\\+IN") == 1


def mlflow_server_versions(server: MlflowServer, name: str) -> int:
    return max(
        int(each.version)
        for each in mlflow.MlflowClient(server.uri).search_model_versions(f"name = '{name}'")
    )


def test_a_list_of_names_that_finds_nothing_is_asked_one_by_one(
    two: FaultProxy, mlflow_server: MlflowServer
) -> None:
    registry = MlflowRegistry(two.url).incremental(3600)
    registry.select(STAGING)
    change_both(mlflow_server.uri)
    two.answer(200, {}, path="name\\+IN")
    found = {each.model: each.version for each in registry.select(STAGING)}
    assert found["generation b"] == mlflow_server_versions(mlflow_server, "generation b")


def test_no_models_beside_versions_are_not_believed(two: FaultProxy) -> None:
    two.answer(200, {}, path="registered-models/search")
    expected = "cannot believe the list of registered models: it is empty, and yet there are"
    registry = MlflowRegistry(two.url)
    for ask in (registry.model_tags, lambda: registry.select(CHAMPION)):
        with pytest.raises(RegistryError, match=expected):
            ask()
    with pytest.raises(RegistryError, match=expected):
        registry.incremental(3600).select(STAGING)


def test_a_server_without_aliases_says_so(
    mlflow_server: MlflowServer, fault_proxy: Proxied
) -> None:
    nobody = fault_proxy(mlflow_server)
    nobody.answer(200, {}, path="(registered-models|model-versions)/search")
    assert MlflowRegistry(nobody.url).select(CHAMPION) == ()
    nobody.answer(200, "2.2.2", path="/version")
    line = "has no aliases: aliases are from MLflow 2.3 on, and this is MLflow 2.2.2"
    with pytest.raises(UsageError, match=line):
        MlflowRegistry(nobody.url).select(CHAMPION)
    with pytest.raises(UsageError, match=line):
        MlflowRegistry(nobody.url).incremental(3600).select(CHAMPION)


def test_a_registry_at_the_older_place_is_found_once(two: FaultProxy) -> None:
    two.answer(404, "<html>no</html>", path="/2.0/mlflow/model-versions")
    two.answer(404, "<html>no</html>", path="/2.0/preview", times=1)
    registry = MlflowRegistry(two.url)
    with pytest.raises(RegistryError, match="not found .404.: is the path of the URI right"):
        registry.select(STAGING)
    two.answer(200, {}, path="/2.0/preview")
    assert registry.select(STAGING) == ()
    two.requests.clear()
    assert registry.select(STAGING) == ()
    assert [request.path.partition("?")[0] for request in two.requests] == [
        "/api/2.0/preview/mlflow/model-versions/search"
    ]
