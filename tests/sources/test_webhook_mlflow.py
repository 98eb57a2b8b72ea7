"""MLflow's own webhooks: registered by m2s, delivered by a real MLflow server."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable

import pytest
from mlflow import MlflowClient

from tests.kits.support import Models, description, m2s
from tests.kits.watch_kit import Start
from tests.servers import MlflowServer, free_port

pytestmark = pytest.mark.slow  # processes that are waited for; `make test-all` runs them

SECRET = "a secret of some length"
ALLOWED = {
    "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true",
    "MLFLOW_WEBHOOK_ALLOWED_SCHEMES": "http,https",
    "MLFLOW_WEBHOOK_CACHE_TTL": "1",
}
ALIAS = ("--alias", "champion")


@pytest.fixture
def server(mlflow_server_factory: Callable[..., MlflowServer]) -> MlflowServer:
    return mlflow_server_factory(env=ALLOWED)


def test_a_moved_alias_is_served_at_once(
    server: MlflowServer, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = Models(server.uri, server.database)
    models.add("iris", description("iris"), stage=None)
    where, port = ("--tracking-uri", server.uri), free_port()
    url = f"http://127.0.0.1:{port}/mlflow"
    flags = (*ALIAS, *where, "--target", "dir:cluster", "--interval", "1h")
    watch = start(*flags, "--listen", f"127.0.0.1:{port}", M2S_WEBHOOK_SECRET=SECRET)
    watch.await_line("watching alias=champion")
    monkeypatch.setenv("M2S_WEBHOOK_SECRET", SECRET)
    register = ("webhook", "register", *ALIAS, *where, "--url", url)
    told = [m2s(*register) for _ in range(2)]
    assert [done.out for done in told] == [
        f"webhook m2s-alias-champion created: {url}\n",
        f"webhook m2s-alias-champion updated: {url}\n",
    ]
    client = MlflowClient(server.uri)
    (webhook,) = client.list_webhooks()
    assert {str(event) for event in webhook.events} == {
        "model_version.created",
        "model_version_tag.set",
        "model_version_tag.deleted",
        "model_version_alias.created",
        "model_version_alias.deleted",
    }
    models.alias("iris", "champion", 1)
    assert watch.await_line("created iris")["trigger"] == "webhook"
    # Another secret: refused, and said so in one line.
    monkeypatch.setenv("M2S_WEBHOOK_SECRET", "another")
    assert m2s(*register).code == 0
    assert not client.test_webhook(webhook.webhook_id).success
    watch.await_line("webhook refused: its signature is wrong")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
        assert answer.read() == b"ok\n"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
        assert answer.read() == b"ok\n"
    assert m2s("webhook", "unregister", *ALIAS, *where).out.endswith("deleted\n")
    assert m2s("webhook", "unregister", *ALIAS, *where).out.endswith("is not there\n")
    assert client.list_webhooks() == []
    assert SECRET not in watch.text + "".join(done.out + done.err for done in told)
    assert watch.end() == 0


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://m2s.example.com/mlflow", "--url ftp://m2s.example.com/mlflow: wants https://"),
        ("m2s.example.com", "wants https://HOST/mlflow"),
        ("http://m2s.example.com/mlflow", "MLFLOW_WEBHOOK_ALLOWED_SCHEMES set to http,https"),
        ("https://127.0.0.1/mlflow", "MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS"),
    ],
)
def test_an_url_that_mlflow_does_not_take_is_one_line(
    mlflow_server: MlflowServer, url: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("M2S_WEBHOOK_SECRET", SECRET)
    done = m2s("webhook", "register", "--url", url, "--tracking-uri", mlflow_server.uri)
    assert done.code in (1, 64)
    assert told in done.error
    assert SECRET not in done.out + done.err


def test_registering_wants_a_secret(tmp_path: object) -> None:
    register = ("webhook", "register", "--url", "https://m2s.example.com/mlflow")
    done = m2s(*register, "--tracking-uri", "http://127.0.0.1:9")
    assert (done.code, "M2S_WEBHOOK_SECRET" in done.error) == (64, True)
    done = m2s(*register, "--webhook-secret-file", "missing", "--tracking-uri", "http://h:9")
    assert (done.code, "missing: No such file" in done.error) == (64, True)
