"""What m2s makes of what an MLflow server says of its version."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mlflow
import pytest

from m2s.errors import RegistryError
from m2s.registry import generations
from m2s.registry.generations import ALIASES, NAME_LISTS, UNKNOWN, WEBHOOKS, Learned, parse
from m2s.registry.server import Server
from tests.servers import FaultProxy, MlflowServer, Upstream

Proxied = Callable[[Upstream], FaultProxy]


@pytest.mark.parametrize(
    ("text", "aliases", "webhooks", "lists"),
    [
        ("2.2.2", False, False, False),
        ("2.3.0", True, False, False),
        ("2.22.0", True, False, False),
        ("3.2.0", True, False, False),
        ('"3.3"\n', True, True, False),
        ("3.16.4", True, True, False),
        ("3.17.0rc1", True, True, True),
        ("3.18.0.dev0", True, True, True),
        ("10.0", True, True, True),
    ],
)
def test_a_version_says_what_a_server_has(
    text: str, aliases: bool, webhooks: bool, lists: bool
) -> None:
    found = parse(text)
    assert [found.has(each) for each in (ALIASES, WEBHOOKS, NAME_LISTS)] == [
        aliases,
        webhooks,
        lists,
    ]
    assert [not found.lack(each) for each in (ALIASES, WEBHOOKS, NAME_LISTS)] == [
        aliases,
        webhooks,
        lists,
    ]


def test_what_a_server_lacks_is_said_with_the_version_that_has_it() -> None:
    line = "webhooks are from MLflow 3.3 on, and this is MLflow 2.9.2"
    assert parse("2.9.2").lack(WEBHOOKS) == line


ODD = ["", "abc", "3", "3.", "v3.17", "{}", "<html>3.17.2</html>", "3.x", "\u0663.\u0661", "9"]


@pytest.mark.parametrize("text", ODD)
def test_an_odd_version_is_unknown(text: str) -> None:
    assert parse(text) == UNKNOWN
    assert not UNKNOWN.has(ALIASES)
    assert not UNKNOWN.lack(ALIASES)


def learned(proxy: FaultProxy) -> Learned:
    return Learned(Server.parse(proxy.url))


def test_a_server_is_asked_once(mlflow_server: MlflowServer, fault_proxy: Proxied) -> None:
    proxy = fault_proxy(mlflow_server)
    known = learned(proxy)
    assert [known.generation.version for _ in range(3)] == [mlflow.__version__] * 3
    assert [request.path for request in proxy.requests] == ["/version"]
    known.forget()
    assert known.generation.has(ALIASES)
    assert proxy.count(path="/version") == 2


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


def test_a_store_of_a_kind_that_m2s_does_not_know_is_not_asked() -> None:
    assert Learned(Server("plugin://host")).generation == generations.UNKNOWN
