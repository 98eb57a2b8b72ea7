"""Law 7: secrets appear in no output, log, manifest or saved plan."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from tests.kits.support import Result, m2s, process, seldon
from tests.kits.worlds import Proxied
from tests.servers import free_port, kubernetes_status

SECRETS = {
    "tracking URI": "hunter2-uri", "tracking password": "hunter2-password",
    "tracking token": "hunter2-token", "container": "hunter2-container", "number": "8675309123",
    "parameter": "hunter2-parameter", "model URI": "hunter2-model", "signature": "hunter2-sig",
    "map": "hunter2-map", "storage key": "hunter2-storage",
}  # fmt: skip
FORMATS = ("table", "json", "yaml", "markdown")


def with_secrets(number: int = 1) -> str:
    """Return a description with secrets where people put them, different for each number."""
    body = seldon()
    predictor = body["spec"]["predictors"][0]
    predictor["graph"]["parameters"] = [
        {"name": "api_token", "value": f"{SECRETS['parameter']}-{number}", "type": "STRING"}
    ]
    predictor["componentSpecs"][0]["spec"]["containers"][0]["env"] = [
        {"name": "DB_PASSWORD", "value": f"{SECRETS['container']}-{number}"},
        {"name": "DB_URL", "value": f"postgres://me:{SECRETS['container']}{number}@db/{number}"},
        {"name": "PLAIN", "value": f"shown-{number}"},
    ]
    return yaml.safe_dump(body)


@pytest.fixture
def world(proxied: Proxied, monkeypatch: pytest.MonkeyPatch) -> Proxied:
    """A world whose tracking URI and environment are full of secrets."""
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "me")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", SECRETS["tracking password"])
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", SECRETS["tracking token"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRETS["storage key"])
    plain, mlflow = list(proxied.flags), proxied.mlflow.url
    plain[plain.index(mlflow)] = mlflow.replace("//", f"//me:{SECRETS['tracking URI']}@")
    parts = (proxied.mlflow, proxied.kubernetes, proxied.alias)
    return Proxied(proxied.models, proxied.objects, tuple(plain), *parts)


def assert_silent(world: Proxied, results: Iterable[Result], *files: Path) -> str:
    """Return all that was said, in which there is no secret."""
    said = "\n".join([one.out + one.err for one in results] + [file.read_text() for file in files])
    # Tables and long lines wrap: what is broken over two lines can still be read.
    flat = "".join(said.split())
    hidden = {**SECRETS, "bearer token": world.objects.server.admin_token}
    assert [where for where, secret in hidden.items() if secret in flat] == []
    assert "Traceback" not in said
    return said


def test_plans_applies_and_saved_plans_are_silent(world: Proxied, tmp_path: Path) -> None:
    saved = tmp_path / "plan.json"
    name = world.add("iris", with_secrets())
    results = [world("apply")]
    env = world.objects.all()[f"{name}-{world.alias}"]["spec"]["predictors"][0]["componentSpecs"][0]
    assert SECRETS["container"] in str(env), "the container needs it"
    world.add("iris", with_secrets(2))
    results += [world("plan", "-o", output, "--out", str(saved)) for output in FORMATS]
    results.append(m2s("apply", str(saved), *world.flags[2:], "-o", "json"))
    results.append(process("plan", *world.flags))
    world.models.alias(name, world.alias, None)
    results += [world("plan"), world("prune", "--all", "--yes", "-o", "json")]
    assert {result.code for result in results} == {0}
    said = assert_silent(world, results, saved)
    assert "shown-2" in said
    assert "DB_PASSWORD" in said
    assert "***" in said


@pytest.mark.parametrize("source", [
    f"s3://me:{SECRETS['model URI']}@store/model", f"s3://store/m?sig={SECRETS['signature']}&x=1",
    f"wasbs://c@a.blob/m?SharedAccessSignature={SECRETS['signature']}",
])  # fmt: skip
def test_a_secret_in_a_models_uri_goes_nowhere(world: Proxied, tmp_path: Path, source: str) -> None:
    saved = tmp_path / "plan.json"
    world.models.add(f"iris-{world.alias}", stage=None, alias=world.alias, source=source)
    results = [world("plan", "-o", output, "--out", str(saved)) for output in FORMATS]
    results.append(world("apply"))
    said = assert_silent(world, results, saved)
    assert "envSecretRefName" in said
    assert world.objects.all() == {}


def test_the_clusters_words_are_no_leak(world: Proxied, tmp_path: Path) -> None:
    """The API server repeats a value that it does not like."""
    saved = tmp_path / "plan.json"
    body = yaml.safe_load(with_secrets())
    container = body["spec"]["predictors"][0]["componentSpecs"][0]["spec"]["containers"][0]
    container["env"][0]["value"] = int(SECRETS["number"])
    world.add("iris", yaml.safe_dump(body))
    results = [world("plan", "-o", output, "--out", str(saved)) for output in FORMATS]
    results.append(world("apply"))
    assert results[-1].code == 1
    assert_silent(world, results, saved)


def test_a_map_to_a_secret_place_is_not_saved(world: Proxied, tmp_path: Path) -> None:
    saved = tmp_path / "plan.json"
    world.add("iris")
    to = f"s3://models=https://me:{SECRETS['map']}@store"
    results = [world("plan", "--model-uri-map", to, "--out", str(saved))]
    results.append(m2s("apply", str(saved), *world.flags[2:], "--model-uri-map", to))
    assert_silent(world, results, saved)
    assert world.objects.all() == {}


def test_errors_are_silent(world: Proxied) -> None:
    token = world.objects.server.admin_token
    gone = f"http://me:{SECRETS['tracking URI']}@127.0.0.1:{free_port()}"
    words = f"Bearer {token} of postgres://me:{SECRETS['container']}@db is not good"
    results = [
        world("plan", "--tracking-uri", gone),
        world("plan", "--tracking-uri", f"ftp:/me:{SECRETS['tracking URI']}@x"),
        world("plan", "--tracking-uri", f"http://me:{SECRETS['tracking URI']}@[x"),
        world("plan", "--model-uri-map", f"https://me:{SECRETS['map']}@store"),
        process("plan", *world.flags, "--tracking-uri", gone),
    ]
    world.mlflow.answer(401, {"message": words}, path="search", times=1)
    results.append(world("plan"))
    world.kubernetes.answer(500, kubernetes_status(500, "InternalError", words), times=1)
    results.append(world("plan"))
    world.kubernetes.answer(401, kubernetes_status(401, "Unauthorized", words), times=1)
    results.append(world("plan"))
    assert all(result.error and result.code in (1, 64) for result in results)
    assert_silent(world, results)
