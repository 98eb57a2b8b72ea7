"""What a user reads when the registry cannot be read: one line, the remedy in it, no secret."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from m2s.base.errors import RegistryError
from m2s.sources.mlflow.registry import MlflowRegistry
from m2s.sources.mlflow.trouble import diagnose
from tests.kits.core import PROJECT
from tests.kits.registry_kit import (
    CHAMPION,
    STAGING,
    client,
    database_of,
    execute,
    folder_with,
    register,
    selected,
    stage,
)
from tests.kits.support import process
from tests.servers import FaultProxy, MlflowServer, free_port
from tests.servers.mlflowserver import ADMIN

SAGEMAKER = "arn:aws:sagemaker:eu-west-1:123456789012:mlflow-tracking-server/mine"
SECRET = "p%40ss-w0rd"


def refusal(uri: str, **options: Any) -> str:
    """The one line that a listing at ``uri`` ends in."""
    with pytest.raises(RegistryError) as caught:
        MlflowRegistry(uri, **options).select(STAGING)
    line = str(caught.value)
    assert "\n" not in line
    assert len(line) <= 310
    assert "w0rd" not in line
    return line


def with_password(uri: str) -> str:
    return uri.replace("://", f"://anna:{SECRET}@")


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        ("", "there is no tracking URI: set --tracking-uri or MLFLOW_TRACKING_URI"),
        ("  ", "there is no tracking URI"),
        ("localhost:5000", "it has no scheme: did you mean http://localhost:5000?"),
        ("mlflow.local:5000/api", "did you mean http://mlflow.local:5000/api?"),
        ("http://", "it names no host"),
        ("http://host:port", "its host or its port cannot be read"),
        ("http://[::1", "its host or its port cannot be read"),
        (f"http://anna:p/w0rd-{SECRET}@host", "'http://host': it is malformed"),
        (f"anna:{SECRET}@host:5000", "'host:5000'"),
        ("http://host:5000/#/models", "'http://host:5000/': it is a page's address"),
        ("./mlruns", "migrate-filestore"),
        ("file:///srv/mlruns", "migrate-filestore"),
        ("databricks", "m2s does not read Databricks' workspace registry: register what is to be"),
        ("databricks://prod", "m2s does not read Databricks' workspace registry"),
        (
            "databricks-uc",
            "m2s does not read Unity Catalog: register what is to be served on an ML",
        ),
        ("databricks-uc://prod", "m2s does not read Unity Catalog"),
        ("uc:http://localhost:8080", "m2s does not read Unity Catalog"),
        ("azureml://eastus.api.azureml.ms/mlflow/v1.0/x", "m2s does not read Azure Machine Learn"),
        (SAGEMAKER, "MLflow on SageMaker wants AWS's plugin: pip install sagemaker-mlflow"),
        ("arn:aws:s3:::bucket", "it is no ARN of an MLflow server on SageMaker"),
        ("gopher://host", "unsupported URI 'gopher://host'"),
        ("sqlite://", "names no file: sqlite:////absolute/path does"),
        (f"postgresql://anna:{SECRET}@host/db", "postgresql://host/db: cannot open the database"),
    ],
)
def test_a_uri_that_cannot_be_a_registrys(uri: str, words: str) -> None:
    assert words in refusal(uri)


def test_a_database_that_is_not_there_is_not_created(tmp_path: Path) -> None:
    path = tmp_path / "none.db"
    assert refusal(f"sqlite:///{path}") == f"sqlite:///{path}: there is no file {path}"
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_mlflow_database_is_left_alone(tmp_path: Path) -> None:
    empty, other = tmp_path / "empty.db", tmp_path / "notes.txt"
    empty.touch()
    other.write_text("to do: " + "everything " * 100)
    assert "is not an MLflow database" in refusal(f"sqlite:///{empty}")
    assert "file is not a database" in refusal(f"sqlite:///{other}")
    assert empty.read_bytes() == b""


def test_a_database_of_another_mlflow_is_not_migrated(sqlite_registry: str) -> None:
    database = database_of(sqlite_registry)
    execute(database, "UPDATE alembic_version SET version_num = '0123456789ab'")
    execute(database, "DROP TABLE registered_model_aliases")
    before = database.read_bytes()
    line = refusal(sqlite_registry)
    assert "has MLflow's schema 0123456789ab, the installed mlflow wants" in line
    assert "`mlflow db upgrade`" in line
    assert database.read_bytes() == before


def test_a_locked_out_database_file_is_named(sqlite_registry: str) -> None:
    execute(database_of(sqlite_registry), "ALTER TABLE model_versions RENAME COLUMN status TO x")
    assert f"MLflow at {sqlite_registry}: cannot read page 1 of" in refusal(sqlite_registry)


def test_nobody_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    uri = f"http://127.0.0.1:{free_port()}"
    expected = (
        f"MLflow at {uri}: cannot read page 1 of the model versions: connection refused: "
        "is it running? Check --tracking-uri or MLFLOW_TRACKING_URI"
    )
    assert refusal(uri) == expected
    assert refusal(with_password(uri)) == expected
    assert "its host name is unknown" in refusal("http://no.such.host.invalid:5000")


@pytest.mark.thorough
def test_tls_that_is_not_trusted(api_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    line = refusal(with_password(api_server.url))
    assert "its TLS certificate is not accepted (certificate verify failed" in line
    assert "MLFLOW_TRACKING_SERVER_CERT_PATH" in line


def test_a_server_without_tls(mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    line = refusal(with_password(mlflow_server.uri.replace("http://", "https://")))
    assert "it speaks no TLS: write http:// for https:// in --tracking-uri" in line


def test_a_server_with_tls_alone(api_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    line = refusal(api_server.url.replace("https://", "http://"))
    assert "it wants TLS: write https:// for http:// in --tracking-uri" in line


def test_a_token_is_trimmed_as_the_uri_is(
    mlflow_server: MlflowServer,
    fault_proxy: Callable[..., FaultProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    proxy = fault_proxy(mlflow_server)
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "abc\r\n")
    MlflowRegistry(f" {proxy.uri}\n").select(STAGING)
    assert proxy.requests
    for request in proxy.requests:
        headers = {name.lower(): value for name, value in request.headers.items()}
        assert headers["authorization"] == "Bearer abc"


@pytest.mark.parametrize("token", ["a\nb", "w0\u2028rd"])
def test_a_token_that_cannot_be_sent(
    token: str, mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", token)
    line = refusal(mlflow_server.uri)
    assert "a credential has a character that cannot be sent: check MLFLOW_TRACKING_TOKEN" in line


@pytest.mark.slow
def test_credentials_are_asked_for_and_then_do(
    mlflow_server_factory: Callable[..., MlflowServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = mlflow_server_factory(basic_auth=True).uri
    expected = (
        f"MLflow at {uri}: cannot read page 1 of the model versions: it refuses the credentials "
        "(401): set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN"
    )
    assert refusal(uri) == expected
    assert refusal(with_password(uri)) == expected
    user, password = ADMIN
    named = uri.replace("://", f"://{user}:{password}@")
    assert selected(named, STAGING) == []
    assert MlflowRegistry(named).identity == uri
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", user)
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "w0rdless")
    assert refusal(uri) == expected
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", password)
    assert selected(uri, STAGING) == []


@pytest.mark.parametrize(
    ("status", "body", "words"),
    [
        (401, "no", "it refuses the credentials (401): set MLFLOW_TRACKING_USERNAME"),
        (401, {"message": "Unauthorized"}, "it refuses the credentials (401): set MLFLOW_TRACKING"),
        (401, {"error": "invalid_token"}, "it refuses the credentials (401): set MLFLOW_TRACKING"),
        (401, {"error_code": "X", "message": "x"}, "it refuses the credentials (401): set MLFLOW"),
        (403, {"message": "no plan"}, "permission denied (403): no plan: the account needs READ"),
        (404, {"message": "no Route matched"}, "not found (404): no Route matched: is the path"),
        (429, {"message": "API rate limit exceeded"}, "it is overloaded (429"),
        (502, {"message": "upstream"}, "it answers 502 each time: see the MLflow server's log"),
        (400, "Client sent an HTTP request to an HTTPS server.\n", "it wants TLS: write https://"),
        (403, {"error_code": "PERMISSION_DENIED", "message": "no"}, "permission denied (403): no"),
        (404, "<html>", "not found (404): is the path of the URI right?"),
        (404, {"detail": "Not Found"}, "the answer is not MLflow's ({'detail': 'Not Found', "),
        (200, "<html>\nSign in\n</html>", "the answer is not MLflow's: is it an MLflow server?"),
        (200, "[]", "the answer is not MLflow's: is it an MLflow server?"),
        (418, "short and stout", "it answers 418"),
        (429, "", "it is overloaded (429 Too Many Requests): try again later"),
        (500, {"error_code": "INTERNAL_ERROR", "message": "x"}, "it answers 500 each time"),
        (502, "<html>bad gateway", "it answers 502 each time: see the MLflow server's log"),
        (503, "", "it answers 503 each time"),
    ],
)
def test_an_answer_that_is_no_listing(
    status: int,
    body: Any,
    words: str,
    mlflow_server: MlflowServer,
    fault_proxy: Callable[..., FaultProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "w0rd-of-mouth")
    proxy = fault_proxy(mlflow_server)
    said = body if isinstance(body, str) else {**body, "seen": "token w0rd-of-mouth"}
    proxy.answer(status, said)
    assert words in refusal(proxy.uri)


def test_a_slow_server_ends_in_a_timeout(
    mlflow_server: MlflowServer,
    fault_proxy: Callable[..., FaultProxy],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    proxy = fault_proxy(mlflow_server)
    proxy.hold()
    line = refusal(proxy.uri, request_timeout=0.5)
    assert "no answer in time: try again, or raise MLFLOW_HTTP_REQUEST_TIMEOUT" in line


@pytest.mark.thorough
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_says_when_to_come_back_is_asked_again(
    status: int, mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    register(mlflow_server.uri, "patient", "s3://b/x")
    proxy = fault_proxy(mlflow_server)
    proxy.answer(status, "later", {"Retry-After": "1"}, times=2)
    assert MlflowRegistry(proxy.uri).select(CHAMPION) == ()
    assert proxy.count(path="registered-models/search") == 3


def test_only_mlflows_own_word_makes_a_model_gone(
    mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    proxy = fault_proxy(mlflow_server)
    registry = MlflowRegistry(proxy.uri)
    assert registry.locate(STAGING, "never was", "1").reason == "the registered model is gone"
    for status, body in (
        (404, "<html>"),
        (404, {"detail": "Not Found"}),
        (404, {"error_code": "ENDPOINT_NOT_FOUND", "message": "no such path"}),
        (200, {}),
        (403, {"error_code": "PERMISSION_DENIED", "message": "not yours"}),
    ):
        proxy.heal()
        proxy.answer(status, body)
        with pytest.raises(RegistryError, match="cannot look up the registered model 'never was'"):
            registry.locate(STAGING, "never was", "1")


def test_a_version_whose_lookup_fails_is_not_deleted(
    mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    register(mlflow_server.uri, "looked up", "s3://b/x")
    proxy = fault_proxy(mlflow_server)
    proxy.answer(404, "<html>", path="model-versions/get")
    with pytest.raises(RegistryError, match="cannot look up looked up v1: not found"):
        MlflowRegistry(proxy.uri).locate(STAGING, "looked up", "1")


def test_models_may_be_registered_elsewhere(
    sqlite_registry: str, mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(sqlite_registry, "iris", "s3://b/x")
    client(sqlite_registry).set_registered_model_alias("iris", "champion", "1")
    monkeypatch.setenv("MLFLOW_REGISTRY_URI", sqlite_registry)
    assert selected(mlflow_server.uri, CHAMPION) == ["iris v1"]
    apart = MlflowRegistry(mlflow_server.uri).identity
    assert apart == f"{mlflow_server.uri} with models at {sqlite_registry}"
    there = MlflowRegistry(mlflow_server.uri, registry_uri=mlflow_server.uri)
    assert there.identity == mlflow_server.uri
    assert "iris" not in {version.model for version in there.select(CHAMPION)}


@pytest.mark.parametrize("module", ["boto3", "botocore", "google", "azure"])
def test_a_missing_storage_client_is_an_extra_of_this_project(module: str) -> None:
    cause = diagnose(ImportError(name=f"{module}.client")).cause
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    named = dict(re.findall(r"pip install '([\w.-]+)\[(\w+)\]'", cause))
    assert list(named) == [project["name"], "."]
    assert set(named.values()) <= set(project["optional-dependencies"])
    assert f"EXTRAS='[{named['.']}]'" in cause
    assert "ARG EXTRAS" in (PROJECT / "Dockerfile").read_text()


@pytest.mark.thorough
@pytest.mark.server
def test_the_users_own_mlflow_variables_win() -> None:
    code = (
        "import json, os; from m2s.sources.mlflow.registry import MlflowRegistry;"
        "MlflowRegistry('http://h', request_timeout=1.2); print(json.dumps(dict(os.environ)))"
    )
    theirs = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "77", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "5"}
    for given, timeout, retries in (({}, "2", "2"), (theirs, "77", "5")):
        run = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **given},
            capture_output=True,
            text=True,
            check=True,
        )
        now = json.loads(run.stdout)
        assert run.stderr == ""
        assert now["MLFLOW_HTTP_REQUEST_TIMEOUT"] == timeout
        assert now["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == retries


PLUGIN = """\
import os

from mlflow.store.model_registry import rest_store as registry
from mlflow.store.tracking import rest_store as tracking
from mlflow.utils.rest_utils import MlflowHostCreds


def credentials():
    from mlflow import get_tracking_uri

    assert get_tracking_uri().startswith("arn:"), "AWS's plugin takes the ARN from the variable"
    return MlflowHostCreds(os.environ["ENDPOINT"])


def registry_store(store_uri):
    return registry.RestStore(credentials)


def tracking_store(store_uri, artifact_uri):
    return tracking.RestStore(credentials)
"""


@pytest.mark.thorough
def test_sagemaker_is_read_through_its_plugin(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    """AWS's own plugin cannot be here: it would put its headers onto every request of the tests."""
    register(mlflow_server.uri, "on-sagemaker", "s3://bucket/model")
    stage(mlflow_server.uri, "on-sagemaker", 1)
    (tmp_path / "plugin.py").write_text(PLUGIN)
    folder_with(
        tmp_path / "plugin-1.dist-info",
        {
            "METADATA": "Metadata-Version: 2.1\nName: plugin\nVersion: 1\n",
            "entry_points.txt": "[mlflow.model_registry_store]\narn = plugin:registry_store\n"
            "[mlflow.tracking_store]\narn = plugin:tracking_store\n",
        },
    )
    env = {"PYTHONPATH": str(tmp_path), "ENDPOINT": mlflow_server.uri}
    where = ("--tracking-uri", SAGEMAKER, "--target", f"dir:{tmp_path}/cluster")
    only = ("--stage", "Staging", "--model", "on-sagemaker", "--deploy-file", "ignored")
    planned = process("plan", *only, *where, "-o", "json", env=env)
    assert planned.code == 0, planned
    assert planned.document["registry"] == SAGEMAKER
    assert planned.changes["on-sagemaker-staging"]["action"] == "create"
