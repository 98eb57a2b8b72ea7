"""Preflight on the real API server: what a plan warns about, blocks, or leaves unsaid."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kits.support import m2s, seldon
from tests.kits.worlds import World
from tests.servers import ApiServer, FaultProxy, kubernetes_status
from tests.servers.apiserver import SELDON_EDIT

VALUE = "hunter2-of-the-secret"
MLMODEL = "flavors:\n  python_function:\n    python_version: 3.11.7\nmlflow_version: 2.22.0\n"


@pytest.fixture
def world(on_cluster: World, tmp_path: Path) -> World:
    """A world whose models lie in ``tmp_path/models``, which the model servers know as s3://m."""
    folder = tmp_path / "models"
    folder.mkdir()
    mapped = ("--model-uri-map", f"{folder.as_uri()}=s3://m")
    return World(on_cluster.models, on_cluster.objects, (*on_cluster.flags, *mapped))


@pytest.fixture
def put(world: World, tmp_path: Path) -> Callable[..., None]:
    """Register a model in Staging, with an MLmodel file and a deploy.yaml."""

    def add(model: str = "iris", mlmodel: str | None = MLMODEL, **root: Any) -> None:
        folder = tmp_path / "models" / model
        folder.mkdir(exist_ok=True)
        (folder / "conda.yaml").write_text("dependencies: []\n")
        if mlmodel is not None:
            (folder / "MLmodel").write_text(mlmodel)
        body = seldon(model)
        predictor = body["spec"]["predictors"][0]
        predictor["graph"].update(root)
        del predictor["componentSpecs"]
        world.models.add(model, yaml.safe_dump(body), source=folder.as_uri())

    return add


def create(world: World, kind: str, name: str, **more: Any) -> None:
    objects = world.objects
    path = f"/api/v1/namespaces/{objects.name}/{kind.lower()}s"
    body = {"apiVersion": "v1", "kind": kind, "metadata": {"name": name}, **more}
    objects.server.call("POST", path, body)


def secret(world: World, name: str, *keys: str) -> None:
    data = {key: base64.b64encode(VALUE.encode()).decode() for key in keys}
    create(world, "Secret", name, data=data)


def warnings(world: World, *argv: str) -> list[str]:
    """What the plan warns about; it must leave the change itself alone."""
    (change,) = world.plan(*argv).values()
    assert change["action"] in ("create", "unchanged")
    found: list[str] = change["warnings"]
    return found


def test_a_secret_that_is_not_there_or_lacks_the_remote(
    world: World, put: Callable[..., None]
) -> None:
    put(envSecretRefName="s3-credentials")
    (warning,) = warnings(world)
    assert warning == (
        "Secret s3-credentials, the envSecretRefName of graph node classifier, does not exist in "
        f"namespace {world.objects.name}: create it, or correct envSecretRefName"
    )
    secret(world, "s3-credentials", "RCLONE_CONFIG_MINIO_TYPE", "RCLONE_CONFIG_S3_ENDPOINT")
    (warning,) = warnings(world)
    assert "has no RCLONE_CONFIG_S3_TYPE for s3://m/iris; it configures minio" in warning
    world.objects.server.call(
        "DELETE", f"/api/v1/namespaces/{world.objects.name}/secrets/s3-credentials"
    )
    secret(world, "s3-credentials", "RCLONE_CONFIG_S3_TYPE")
    assert warnings(world) == []


@pytest.mark.parametrize("name", ["Not A Name", "../configmaps/kube-root-ca.crt", "a/b"])
def test_a_name_that_nothing_can_have(name: str, world: World, put: Callable[..., None]) -> None:
    put(envSecretRefName=name, serviceAccountName=name)
    found = warnings(world)
    assert [warning.split(",")[0] for warning in found] == [
        f"Secret {name}",
        f"ServiceAccount {name}",
    ]


def test_a_service_account_that_is_not_there(world: World, put: Callable[..., None]) -> None:
    put(serviceAccountName="model-reader")
    (warning,) = warnings(world)
    assert warning.startswith("ServiceAccount model-reader, which graph node classifier runs as,")
    create(world, "ServiceAccount", "model-reader")
    assert warnings(world) == []


@pytest.mark.parametrize(
    ("mlmodel", "words"),
    [
        (None, "s3://m/iris has no MLmodel file, which MLFLOW_SERVER loads"),
        ("flavors: {sklearn: {}}\n", "has no python_function flavour"),
        ("flavors: {a: 1, a: 2}\n", "cannot be read: line 1: the key 'a' is given twice"),
        (MLMODEL.replace("2.22.0", "3.17.2"), "logged with MLflow 3.17.2 and Python 3.11.7"),
    ],
)
def test_a_model_that_the_server_cannot_load(
    mlmodel: str | None, words: str, world: World, put: Callable[..., None]
) -> None:
    put(mlmodel=mlmodel)
    (warning,) = warnings(world)
    assert words in warning


def test_only_mlflow_server_needs_an_mlmodel_file(world: World, put: Callable[..., None]) -> None:
    put(mlmodel=None, implementation="SKLEARN_SERVER")
    assert warnings(world) == []


def test_a_store_that_cannot_be_listed_is_a_note(world: World) -> None:
    world.models.add("iris", yaml.safe_dump(seldon("iris")), source="s3://nowhere/iris")
    result = world("plan", "-o", "json")
    assert result.changes["iris"]["warnings"] == []
    (note,) = result.document["warnings"]
    assert note.startswith("not checked: MLmodel of s3://nowhere/iris: cannot list s3://nowhere/")
    assert world("plan", "--strict").code == 0


def test_warnings_change_nothing_else(world: World, put: Callable[..., None]) -> None:
    put(envSecretRefName="s3-credentials", serviceAccountName="nobody")
    world.apply()
    again = world("plan", "--detailed-exitcode")
    assert again.code == 0, again
    assert "  warning: Secret s3-credentials," in again.out.replace("\n   ", "\n  ")
    assert "=  iris" in again.out
    assert len(warnings(world)) == 2
    assert "warning: ServiceAccount nobody" in world("plan", "-o", "markdown").out


@pytest.mark.thorough
def test_strict_blocks_and_holds(world: World, put: Callable[..., None], tmp_path: Path) -> None:
    put()
    world.apply()
    before = world.objects.snapshot()
    put(envSecretRefName="s3-credentials")
    (told,) = world.plan()["iris"]["warnings"]
    blocked = world.plan("--strict")["iris"]
    assert (blocked["action"], blocked["reason"]) == ("blocked", told)
    result = world("apply", "--strict", "--prune")
    assert result.code == 1
    assert "held: v1 keeps serving" in result.out
    assert world.objects.snapshot() == before
    saved = str(tmp_path / "plan.json")
    assert world("plan", "--strict", "--out", saved).code == 0
    assert m2s("apply", saved, *world.flags[2:]).code == 1  # still strict: it is bound to that
    assert world.objects.snapshot() == before
    secret(world, "s3-credentials", "RCLONE_CONFIG_S3_TYPE")
    world.apply("--strict")
    assert world.actions("--strict") == {"iris": "unchanged"}


def test_what_may_not_be_read_is_one_note_each(
    world: World, put: Callable[..., None], api_server: ApiServer
) -> None:
    for model in ("iris", "wine", "fraud"):
        put(model, envSecretRefName=f"s-{model}", serviceAccountName=f"a-{model}")
    token = api_server.user(world.objects.name, [SELDON_EDIT])
    restricted = str(api_server.kubeconfig(token))
    result = world("plan", "-o", "json", "--kubeconfig", restricted)
    assert result.code == 0, result
    assert [change["warnings"] for change in result.changes.values()] == [[], [], []]
    of_secrets, of_accounts = result.document["warnings"]
    assert of_secrets.startswith("not checked: Secret s-fraud (and 2 more): user ")
    assert "may not get secrets" in of_secrets
    assert of_accounts.startswith("not checked: ServiceAccount a-fraud (and 2 more): user ")
    table = world("plan", "--strict", "--kubeconfig", restricted)
    assert "Plan: 3 to create" in table.out
    assert table.out.count("not checked: ") == 2


@pytest.mark.thorough
def test_no_value_of_a_secret_is_anywhere(
    world: World, put: Callable[..., None], tmp_path: Path
) -> None:
    secret(world, "s3-credentials", "RCLONE_CONFIG_GS_TYPE", VALUE.upper())
    put(envSecretRefName="s3-credentials")
    saved = tmp_path / "plan.json"
    outputs = [world("plan", "-o", form) for form in ("table", "json", "yaml", "markdown")]
    outputs += [world("plan", "--out", str(saved)), world("plan", "--strict"), world("apply")]
    everything = "".join(one.out + one.err for one in outputs) + saved.read_text()
    everything += str(world.objects.all())
    assert "RCLONE_CONFIG_S3_TYPE" in everything  # the warning is there
    for form in (VALUE, base64.b64encode(VALUE.encode()).decode()):
        assert form not in everything


@pytest.mark.thorough
def test_azures_remote_is_called_what_the_secret_calls_it(
    world: World, put: Callable[..., None], tmp_path: Path
) -> None:
    put(envSecretRefName="azure")
    folder = f"{tmp_path.as_uri()}/models/iris"
    azure = ("--model-uri-map", f"{folder}=wasbs://c@acct.blob.core.windows.net/0/iris")
    assert world.plan(*azure)["iris"]["model_uri"] == "azureblob://c/0/iris"
    secret(world, "azure", "RCLONE_CONFIG_WASBS_TYPE", "RCLONE_CONFIG_WASBS_ACCOUNT")
    planned = world.plan(*azure)["iris"]
    assert (planned["model_uri"], planned["warnings"]) == ("wasbs://c/0/iris", [])
    world.apply(*azure)
    assert world.actions(*azure) == {"iris": "unchanged"}
    live = world.objects.all()["iris"]["spec"]["predictors"][0]["graph"]
    assert live["modelUri"] == "wasbs://c/0/iris"
    mine = ("--model-uri-map", f"{folder}=mine:c/0/iris")
    assert world.plan(*mine)["iris"]["model_uri"] == "mine:c/0/iris"


@pytest.fixture
def proxied(
    world: World, api_server: ApiServer, fault_proxy: Callable[..., FaultProxy]
) -> tuple[World, FaultProxy]:
    """The same world with a proxy in front of its API server."""
    proxy = fault_proxy(api_server)
    config = api_server.kubeconfig(namespace=world.objects.name, server=proxy.url)
    flags = (*world.flags, "--kubeconfig", str(config))
    return World(world.models, world.objects, flags), proxy


@pytest.mark.thorough
def test_each_thing_is_looked_at_once_and_only_when_wanted(
    proxied: tuple[World, FaultProxy], put: Callable[..., None], tmp_path: Path
) -> None:
    world, proxy = proxied
    for model in ("iris", "wine", "fraud"):
        put(model, envSecretRefName="s3-credentials", serviceAccountName="reader")
    world.plan()
    assert proxy.count(path="/secrets/s3-credentials") == 1
    assert proxy.count(path="/serviceaccounts/reader") == 1
    world.plan("--no-preflight")
    folder = world.plan("--target", f"dir:{tmp_path}/cluster")
    checked = world.plan("--target", f"dir:{tmp_path}/cluster", "--preflight")
    assert proxy.count(path="/secrets/s3-credentials") == 1
    assert all(change["warnings"] == [] for change in (*folder.values(), *checked.values()))


def test_a_look_that_fails_is_a_note_and_a_cluster_that_is_gone_an_error(
    proxied: tuple[World, FaultProxy], put: Callable[..., None]
) -> None:
    world, proxy = proxied
    put(envSecretRefName="s3-credentials")
    broken = kubernetes_status(500, "InternalError", "etcd is on fire")
    proxy.answer(500, broken, path="/secrets/")
    result = world("plan", "-o", "json")
    (note,) = result.document["warnings"]
    assert note.startswith("not checked: Secret s3-credentials: cannot get secrets s3-credentials")
    proxy.heal()
    proxy.cut(path="/secrets/")
    gone = world("plan")
    assert gone.code == 1
    assert "cannot be reached" in gone.error or "did not answer" in gone.error


def test_a_preflight_on_a_folder_reads_the_models(
    world: World, put: Callable[..., None], tmp_path: Path
) -> None:
    put(mlmodel=None, envSecretRefName="s3-credentials")
    target = ("--target", f"dir:{tmp_path}/cluster")
    assert warnings(world, *target) == []
    (warning,) = warnings(world, *target, "--preflight")
    assert "has no MLmodel file" in warning
    assert world("plan", *target, "--preflight", "-o", "json").document["warnings"] == []


@pytest.mark.parametrize("flag", ["--preflight", "--strict"])
@pytest.mark.parametrize("option", ["preflight", "strict"])
def test_a_setting_that_is_no_truth_value(
    option: str, flag: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"M2S_{option.upper()}", "maybe")
    result = m2s("plan", "--stage", "Staging", flag)
    assert result.code == 64
    assert result.error.startswith(f"M2S_{option.upper()}: wants true or false, not 'maybe'")
