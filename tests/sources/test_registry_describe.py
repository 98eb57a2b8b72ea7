"""How a version wants to be deployed: its real URI and its deploy.yaml, or why nobody can tell."""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

from m2s.base.errors import RegistryError
from m2s.domain.versions import DeployFile, ModelVersion
from m2s.sources.mlflow import sample
from m2s.sources.mlflow.artifacts import MAX_DEPLOY_FILE
from m2s.sources.mlflow.registry import MlflowRegistry
from tests.kits.registry_kit import (
    DEPLOY,
    client,
    database_of,
    described,
    execute,
    folder_with,
    register,
    unreadable,
)
from tests.kits.support import description
from tests.kits.worlds import World
from tests.servers import FaultProxy, MlflowServer, free_port


@pytest.fixture(autouse=True)
def impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    """No retries: what is refused here is refused for good."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A temporary folder of our own, to see what is left in it."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder


def logged(uri: str, model: str, deploy: str | None) -> ModelVersion:
    """Log a version as a data scientist does; returns what the registry says of it."""
    number = sample.log_version(uri, model, deploy)
    entity = client(uri).get_model_version(model, str(number))
    return ModelVersion(model, number, run_id=entity.run_id, source=entity.source or "")


def of(model: str, source: str, run_id: str | None = None) -> ModelVersion:
    return ModelVersion(model, 1, run_id=run_id, source=source)


def test_the_runs_own_deploy_yaml_and_the_models_real_location(
    mlflow_server: MlflowServer, scratch: Path
) -> None:
    version = logged(mlflow_server.uri, "in the run", DEPLOY)
    assert version.source.startswith("models:/m-")
    found = described(mlflow_server.uri, version)
    model_id = version.source.removeprefix("models:/")
    assert found.uri == f"mlflow-artifacts:/0/models/{model_id}/artifacts"
    assert found.file == DeployFile(f"deploy.yaml of run {version.run_id}", DEPLOY.encode())
    assert list(scratch.iterdir()) == []


@pytest.mark.parametrize("inside", ["", "artifacts", "code"])
def test_a_deploy_yaml_in_the_models_folder(
    inside: str, mlflow_server: MlflowServer, tmp_path: Path
) -> None:
    version = logged(mlflow_server.uri, f"in the model {inside}", None)
    (tmp_path / "deploy.yaml").write_text(DEPLOY)
    model_id = version.source.removeprefix("models:/")
    api = client(mlflow_server.uri)
    api.log_model_artifact(model_id, str(tmp_path / "deploy.yaml"), inside or None)
    found = described(mlflow_server.uri, version)
    where = f"{found.uri}/{inside}" if inside else found.uri
    assert found.file == DeployFile(f"deploy.yaml in {where}", DEPLOY.encode())


def test_the_run_goes_before_the_model(mlflow_server: MlflowServer, tmp_path: Path) -> None:
    version = logged(mlflow_server.uri, "in both", DEPLOY)
    (tmp_path / "deploy.yaml").write_text("kind: Other\n")
    model_id = version.source.removeprefix("models:/")
    client(mlflow_server.uri).log_model_artifact(model_id, str(tmp_path / "deploy.yaml"))
    found = described(mlflow_server.uri, version)
    assert found.file is not None
    assert found.file.content == DEPLOY.encode()


def test_none_anywhere_is_none(mlflow_server: MlflowServer) -> None:
    assert described(mlflow_server.uri, logged(mlflow_server.uri, "bare", None)).file is None


@pytest.mark.parametrize(
    ("path", "near"),
    [
        ("deploy.yml", "deploy.yml in the run"),
        ("Deploy.yaml", "Deploy.yaml in the run"),
        ("deployment.yaml", "deployment.yaml in the run"),
        ("config/deploy.yaml", "config/deploy.yaml in the run"),
        ("deploy.yaml/deploy.yaml", "deploy.yaml/ in the run"),
        ("config/k8s/deploy.yaml", ""),
        ("notes.yaml", ""),
    ],
)
def test_a_near_miss_in_the_run_is_named(path: str, near: str, mlflow_server: MlflowServer) -> None:
    version = logged(mlflow_server.uri, f"near {path.replace('/', ' ')}", None)
    client(mlflow_server.uri).log_text(version.run_id or "", DEPLOY, path)
    found = described(mlflow_server.uri, version)
    assert (found.file, found.near) == (None, near)


def test_a_near_miss_in_the_models_folder_is_named(sqlite_registry: str, tmp_path: Path) -> None:
    source = folder_with(tmp_path / "model", {"MLmodel": "", "deploy.yml": DEPLOY})
    register(sqlite_registry, "near", source)
    found = described(sqlite_registry, of("near", source))
    assert (found.file, found.near) == (None, "deploy.yml in the model's folder")


def test_the_plan_names_a_near_miss(on_folder: World) -> None:
    folder = folder_with(on_folder.objects.path.parent.parent / "model", {"MLmodel": ""})
    on_folder.models.add("iris", None, source=folder)
    run = on_folder.models.run_of("iris", 1)
    for path in ("config/deploy.yaml", "plots/a.png"):
        on_folder.models.client.log_text(run, DEPLOY, path)
    reason = (
        "no deploy.yaml in the run or in the model's folder; there is config/deploy.yaml in the "
        "run: log it as deploy.yaml, in no folder"
    )
    for _ in range(2):  # the second time from the cache
        assert reason in " ".join(on_folder("plan").out.split())
    on_folder.models.client.log_text(run, description(), "deploy.yaml")
    mapped = ("--model-uri-map", "file:/=s3://models/")
    assert set(on_folder.actions(*mapped).values()) == {"create"}


def test_a_run_that_is_gone_leaves_the_models_folder(sqlite_registry: str, tmp_path: Path) -> None:
    source = folder_with(tmp_path / "model", {"MLmodel": "", "deploy.yaml": DEPLOY})
    register(sqlite_registry, "orphan", source)
    found = described(sqlite_registry, of("orphan", source, run_id="0" * 32))
    assert found.uri == source
    assert found.file == DeployFile(f"deploy.yaml in {source}", DEPLOY.encode())


def test_sources_in_a_run_are_resolved_to_where_the_model_lies(
    mlflow_server: MlflowServer,
) -> None:
    api = client(mlflow_server.uri)
    version = logged(mlflow_server.uri, "by run", DEPLOY)
    run_id = version.run_id or ""
    api.log_text(run_id, "", "old/MLmodel")
    model_id = version.source.removeprefix("models:/")
    for source, uri in {
        f"runs:/{run_id}/model": f"mlflow-artifacts:/0/models/{model_id}/artifacts",
        f"runs:/{run_id}/old": f"mlflow-artifacts:/0/{run_id}/artifacts/old",
    }.items():
        assert described(mlflow_server.uri, of("by run", source)).uri == uri


def test_a_copied_version_lies_where_the_original_does(mlflow_server: MlflowServer) -> None:
    version = logged(mlflow_server.uri, "original", DEPLOY)
    copy = client(mlflow_server.uri).copy_model_version("models:/original/1", "copy")
    assert copy.source == "models:/original/1"
    found = described(mlflow_server.uri, of("copy", copy.source, run_id=copy.run_id))
    assert found == described(mlflow_server.uri, version)


def test_a_model_that_is_a_single_file_is_believed_to_have_none(
    sqlite_registry: str, tmp_path: Path
) -> None:
    source = folder_with(tmp_path / "models", {"model.pkl": ""}) + "/model.pkl"
    register(sqlite_registry, "file", source)
    assert described(sqlite_registry, of("file", source)).file is None


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("", "iris v1 has no source"),
        ("runs:/0123/model", "its source runs:/0123/model names a run that does not exist"),
        ("/mlruns/0/x/artifacts", "nothing is stored at /mlruns/0/x/artifacts: there is no such"),
        ("file:///mlruns/0/x", "nothing is stored at file:///mlruns/0/x: there is no such path"),
        ("s3://b/x", "cannot list s3://b/x: Unable to locate credentials"),
        ("mlflow-artifacts:/0/x", "cannot list mlflow-artifacts:/0/x: When an mlflow-artifacts"),
        ("gopher://b/x", "cannot list gopher://b/x: Could not find a registered artifact"),
    ],
)
def test_a_place_that_cannot_be_read_is_not_an_absent_file(
    source: str, reason: str, sqlite_registry: str
) -> None:
    register(sqlite_registry, "iris", "s3://b/x")
    assert unreadable(sqlite_registry, of("iris", source)).startswith(reason)


def test_a_wiped_folder_is_not_an_absent_file(mlflow_server: MlflowServer) -> None:
    version = logged(mlflow_server.uri, "wiped", None)
    folder = described(mlflow_server.uri, version).uri
    get_artifact_repository(folder, mlflow_server.uri).delete_artifacts()
    assert unreadable(mlflow_server.uri, version) == f"nothing is stored at {folder}"


def test_a_runs_folder_on_another_machine_is_not_an_absent_file(
    mlflow_server: MlflowServer,
) -> None:
    version = logged(mlflow_server.uri, "far away", None)
    moved = "UPDATE runs SET artifact_uri = '/data/of/another' WHERE run_uuid = ?"
    execute(mlflow_server.database, moved, (version.run_id,))
    reason = unreadable(mlflow_server.uri, version)
    assert reason.startswith("the run's artifacts at /data/of/another cannot be read")
    assert "--serve-artifacts" in reason


def test_a_folder_that_leads_nowhere_is_not_an_absent_file(
    sqlite_registry: str, tmp_path: Path
) -> None:
    source = folder_with(tmp_path / "loop", {})
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    register(sqlite_registry, "loop", source)
    assert unreadable(sqlite_registry, of("loop", source)).startswith(f"cannot list {source}: ")


@pytest.mark.parametrize(
    ("status", "words"),
    [(403, "(403)"), (404, "(404)"), (500, "500"), (503, "--serve-artifacts?")],
)
@pytest.mark.parametrize("place", ["artifacts$|artifacts[?]path", "deploy.yaml"])
def test_an_artifact_store_that_refuses_is_one_versions_trouble(
    place: str,
    status: int,
    words: str,
    mlflow_server: MlflowServer,
    fault_proxy: Callable[..., FaultProxy],
    scratch: Path,
) -> None:
    version = logged(mlflow_server.uri, "behind trouble", DEPLOY)
    proxy = fault_proxy(mlflow_server)
    proxy.answer(status, "<html>", path=f"mlflow-artifacts/.*({place})")
    reason = unreadable(proxy.uri, version)
    assert reason.startswith("cannot ")
    assert "mlflow-artifacts:/" in reason
    assert words in reason
    assert list(scratch.iterdir()) == []


def test_an_answer_cut_short_is_not_a_short_file(
    mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    version = logged(mlflow_server.uri, "cut short", DEPLOY)
    proxy = fault_proxy(mlflow_server)
    proxy.cut(at_byte=10, path="deploy.yaml")
    assert "cannot read mlflow-artifacts:" in unreadable(proxy.uri, version)


def test_an_answer_that_a_proxy_cut_short_is_not_a_short_file(
    mlflow_server: MlflowServer, fault_proxy: Callable[[MlflowServer], FaultProxy]
) -> None:
    version = logged(mlflow_server.uri, "halved", DEPLOY)
    proxy = fault_proxy(mlflow_server)
    proxy.answer(200, DEPLOY[:20], path="/deploy.yaml")
    assert f"broke off: 20 of {len(DEPLOY.encode())} bytes came" in unreadable(proxy.uri, version)


def test_a_run_that_may_not_be_read_is_not_an_absent_run(
    mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    version = logged(mlflow_server.uri, "hidden run", DEPLOY)
    proxy = fault_proxy(mlflow_server)
    refusal = {"error_code": "PERMISSION_DENIED", "message": "not your experiment"}
    proxy.answer(403, refusal, path="runs/get")
    assert "permission denied (403): not your experiment" in unreadable(proxy.uri, version)


@pytest.mark.thorough
def test_a_large_file_is_refused_before_it_is_fetched(
    mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    version = logged(mlflow_server.uri, "large", "#" * (MAX_DEPLOY_FILE + 1))
    fits = logged(mlflow_server.uri, "fits", "#" * MAX_DEPLOY_FILE)
    proxy = fault_proxy(mlflow_server)
    assert unreadable(proxy.uri, version) == (
        f"deploy.yaml of run {version.run_id} has 1048577 bytes: 1048576 are the limit"
    )
    assert proxy.count(path="deploy.yaml") == 0
    file = described(proxy.uri, fits).file
    assert file is not None
    assert len(file.content) == MAX_DEPLOY_FILE


def test_a_file_that_swells_is_not_fetched_to_its_end(
    mlflow_server: MlflowServer,
    fault_proxy: Callable[..., FaultProxy],
    scratch: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What its listing says of its size is no bound on what comes."""
    monkeypatch.setattr("m2s.sources.mlflow.transport._LARGEST", 1024 * 1024)
    version = logged(mlflow_server.uri, "swells", DEPLOY)
    proxy = fault_proxy(mlflow_server)
    swollen = gzip.compress(b"#" * 8 * 1024 * 1024)
    proxy.answer(200, swollen, {"Content-Encoding": "gzip"}, path="deploy.yaml")
    assert "sends more than 1048576 bytes" in unreadable(proxy.uri, version)
    assert list(scratch.iterdir()) == []


def test_a_large_file_of_untold_size_is_refused(
    mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    version = logged(mlflow_server.uri, "untold", "#" * (MAX_DEPLOY_FILE + 1))
    proxy = fault_proxy(mlflow_server)
    listing = {"files": [{"path": "deploy.yaml", "is_dir": False}]}
    proxy.answer(200, listing, path=f"artifacts[?]path=.*{version.run_id}.*artifacts$")
    assert "1048577 bytes" in unreadable(proxy.uri, version)


def test_a_folder_called_deploy_yaml_is_no_description(
    sqlite_registry: str, tmp_path: Path
) -> None:
    source = folder_with(tmp_path / "model", {"deploy.yaml/x": ""})
    register(sqlite_registry, "folder", source)
    assert described(sqlite_registry, of("folder", source)).file is None


def test_a_version_deleted_meanwhile_is_held(sqlite_registry: str) -> None:
    register(sqlite_registry, "iris", "s3://b/x")
    client(sqlite_registry).delete_model_version("iris", "1")
    reason = unreadable(sqlite_registry, of("iris", "models:/m-0123"))
    assert reason == "iris v1 was deleted while it was read"


def test_a_server_that_goes_is_not_one_versions_trouble(
    mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    version = logged(mlflow_server.uri, "left alone", DEPLOY)
    proxy = fault_proxy(mlflow_server)
    proxy.cut()
    with pytest.raises(RegistryError, match="look up left alone v1: the connection broke off"):
        MlflowRegistry(proxy.uri).describe(version)
    nobody = MlflowRegistry(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(RegistryError, match="connection refused"):
        nobody.describe(version)


def test_no_password_in_the_words_about_an_artifact(
    mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    version = logged(mlflow_server.uri, "secretive", DEPLOY)
    proxy = fault_proxy(mlflow_server)
    proxy.answer(404, path="mlflow-artifacts")
    uri = proxy.uri.replace("://", "://anna:p%40ssw0rd@")
    reason = unreadable(uri, version)
    assert "ssw0rd" not in reason
    assert "(404)" in reason


@pytest.mark.thorough
def test_versions_are_described_by_many_threads_at_once(mlflow_server: MlflowServer) -> None:
    uri = mlflow_server.uri
    versions = [logged(uri, f"thread {n}", f"{DEPLOY}# {n}\n") for n in range(4)]
    registry = MlflowRegistry(uri)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(registry.describe, versions * 3))
    assert found == [described(uri, version) for version in versions] * 3


def test_reading_a_database_changes_nothing(sqlite_registry: str, tmp_path: Path) -> None:
    source = folder_with(tmp_path / "model", {"MLmodel": ""})
    register(sqlite_registry, "iris", source)
    before = database_of(sqlite_registry).read_bytes()
    described(sqlite_registry, of("iris", source))
    assert database_of(sqlite_registry).read_bytes() == before
