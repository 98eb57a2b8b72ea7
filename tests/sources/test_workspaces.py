"""Workspaces, the tenants of one MLflow server, on a real server that has them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow.entities.workspace import WorkspaceDeletionMode
from mlflow.tracking._workspace.client import WorkspaceProviderClient

from m2s.base.errors import RegistryError, UsageError
from m2s.cli.reload import SettingsSource
from m2s.domain.versions import Selector
from m2s.sources.mlflow.registry import MlflowRegistry
from tests.kits.registry_kit import execute
from tests.kits.support import Models, Result, description, m2s
from tests.servers import FaultProxy, MlflowServer

STAGING = ("--stage", "Staging")
VARIABLE = "MLFLOW_WORKSPACE"


@contextmanager
def within(workspace: str) -> Iterator[None]:
    """Have MLflow's own client work in a workspace."""
    before = os.environ.get(VARIABLE, "")
    os.environ[VARIABLE] = workspace
    yield
    os.environ[VARIABLE] = before


@dataclass(frozen=True)
class Tenants:
    """A server with workspaces, and m2s run on it in a folder of the test's own."""

    server: MlflowServer

    def make(self, workspace: str) -> None:
        WorkspaceProviderClient(self.server.uri).create_workspace(workspace)

    def add(self, workspace: str, model: str, image: str) -> None:
        """Register a version in Staging whose deploy.yaml is told by ``image``."""
        with within(workspace):
            models = Models(self.server.uri)
            experiment = models.client.create_experiment(f"{model}-{image}")
            models = Models(self.server.uri, experiment=experiment)
            models.add(model, description("iris", image=image))

    def tags(self, workspace: str, model: str) -> dict[str, str]:
        with within(workspace):
            client = Models(self.server.uri).client
            return dict(client.get_model_version(model, "1").tags)

    def identity(self, workspace: str) -> str:
        return f"{self.server.uri}, workspace {workspace}"

    def __call__(self, command: str, *argv: str, target: str = "dir:cluster") -> Result:
        where = ("--tracking-uri", self.server.uri, "--target", target)
        return m2s(command, *STAGING, *where, *argv)

    def image(self, *argv: str) -> str:
        """Return what tells the only deployment's deploy.yaml, and check the JSON's identity."""
        planned = self("plan", "-o", "json", *argv)
        assert planned.code == 0, planned
        (change,) = planned.changes.values()
        images = [each["new"] for each in change["fields"] if each["path"].endswith("image")]
        return str(images[0]).removeprefix("server:")


@pytest.fixture(scope="module")
def shared(mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    """Two tenants with a model of the same name, and the default workspace without any."""
    folder = tmp_path_factory.mktemp("workspaces")
    env = {"MLFLOW_WEBHOOK_ALLOW_PRIVATE_IPS": "true"}
    server = MlflowServer(mlflow_template, folder, args=["--enable-workspaces"], env=env)
    tenants = Tenants(server)
    for workspace, image in (("team-a", "1.1"), ("team-b", "2.2")):
        tenants.make(workspace)
        tenants.add(workspace, "iris", image)
    yield tenants
    server.stop()


@pytest.fixture
def tenants(shared: Tenants, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tenants:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return shared


def test_each_workspace_has_its_own_models(tenants: Tenants) -> None:
    assert tenants.image("--workspace", "team-a") == "1.1"
    assert tenants.image("--workspace", "team-b") == "2.2"
    assert tenants("plan", "-o", "json").document["summary"]["create"] == 0


def test_the_plan_names_its_workspace(tenants: Tenants) -> None:
    there = ("--workspace", "team-a")
    assert tenants("plan", *there, "-o", "json").document["registry"] == tenants.identity("team-a")
    heading = f"stage=Staging of {tenants.identity('team-a')} → "
    assert heading in " ".join(tenants("plan", *there).out.split())
    uri = tenants.server.uri
    assert heading.replace(uri, f"`{uri}`") in tenants("plan", *there, "-o", "markdown").out
    assert tenants("plan", "-o", "json").document["registry"] == tenants.server.uri


def test_a_workspace_is_named_by_flag_variable_file_or_mlflows_variable(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "team-b")
    assert tenants.image() == "2.2"
    Path("m2s.yaml").write_text("workspace: team-a\n")
    assert tenants.image() == "1.1"
    monkeypatch.setenv("M2S_WORKSPACE", "team-b")
    assert tenants.image() == "2.2"
    assert tenants.image("--workspace", "team-a") == "1.1"
    monkeypatch.delenv("M2S_WORKSPACE")
    Path("m2s.yaml").unlink()
    assert tenants.image() == "2.2", "the user's own variable is as it was"


def test_a_saved_plan_is_applied_in_its_workspace(tenants: Tenants) -> None:
    assert tenants("plan", "--workspace", "team-a", "--out", "plan.json").code == 0
    assert json.loads(Path("plan.json").read_text())["settings"]["workspace"] == "team-a"
    refused = tenants("apply", "plan.json", "--workspace", "team-b")
    assert refused.code == 64
    assert refused.error == "--workspace: the saved plan was made with 'team-a'; leave it out"
    assert tenants("apply", "plan.json").code == 0
    assert "server:1.1" in Path("cluster/default/iris.yaml").read_text()


def test_a_plan_saved_under_mlflows_variable_is_of_that_workspace(
    tenants: Tenants, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "team-a")
    assert tenants("plan", "--out", "plan.json").code == 0
    monkeypatch.setenv(VARIABLE, "team-b")
    assert tenants("apply", "plan.json").code == 0
    assert "server:1.1" in Path("cluster/default/iris.yaml").read_text()


def test_a_plan_of_an_older_m2s_is_not_applied_in_another_workspace(tenants: Tenants) -> None:
    assert tenants("plan", "--out", "plan.json").code == 0
    document = json.loads(Path("plan.json").read_text())
    del document["settings"]["workspace"]
    Path("plan.json").write_text(json.dumps(document))
    assert tenants("apply", "plan.json", "--workspace", "team-a").code == 64
    Path("m2s.yaml").write_text("workspace: team-a\n")
    refused = tenants("apply", "plan.json")
    assert refused.code == 3
    was_and_is = f"was {tenants.server.uri} and is {tenants.identity('team-a')}"
    assert f"the registry {was_and_is}" in refused.error
    Path("m2s.yaml").unlink()
    assert tenants("apply", "plan.json").code == 0


def test_what_is_kept_of_a_version_is_its_workspaces(tenants: Tenants) -> None:
    """Also where not even the stamp tells one tenant's version from the other's."""
    for workspace in ("team-a", "team-b"):
        with within(workspace):
            client = Models(tenants.server.uri).client
            client.create_registered_model("twin")
            client.create_model_version("twin", "s3://bucket/twin", await_creation_for=0)
            client.transition_model_version_stage("twin", "1", "Production")
    stamp = "UPDATE model_versions SET last_updated_time = 7 WHERE name = 'twin'"
    execute(tenants.server.database, stamp)
    argv = ("--stage", "Production", "--model", "twin", "--deploy-file", "ignored", "-o", "json")
    counts = []
    for workspace in ("team-a", "team-b", "team-a"):
        assert tenants("plan", *argv, "--workspace", workspace).changes
        counts.append(len(list(Path("cache").rglob("*.json"))))
    first, second, third = counts
    assert (first, second, third) == (1, 2, 2)


def test_the_tags_of_a_write_back_are_in_the_workspace(tenants: Tenants) -> None:
    written = tenants("apply", "--workspace", "team-b", "--write-back")
    assert written.code == 0, written
    assert any(key.startswith("m2s.io/live/") for key in tenants.tags("team-b", "iris"))
    assert not any(key.startswith("m2s.io/live/") for key in tenants.tags("team-a", "iris"))


def test_a_workspace_that_is_not_there_is_one_line(tenants: Tenants) -> None:
    result = tenants("plan", "--workspace", "team-x")
    assert result.code == 1
    assert "it has no workspace 'team-x': check --workspace and MLFLOW_WORKSPACE" in result.error


def test_the_check_tells_which_workspaces_there_are(tenants: Tenants) -> None:
    there = tenants("check", "--workspace", "team-x", "-o", "json")
    assert there.code == 1
    registry = there.document["registry"]
    assert registry["workspace"] == "team-x"
    assert {"default", "team-a", "team-b"} <= set(registry["workspaces"])
    assert registry["version"].startswith("3.")
    assert "it has no workspace 'team-x'" in registry["problem"]
    told = " ".join(tenants("check", "--workspace", "team-a").out.split())
    assert "Workspace team-a; the server has default, team-a" in told


def test_a_workspace_that_goes_takes_no_deployment_along(tenants: Tenants) -> None:
    tenants.make("team-gone")
    tenants.add("team-gone", "iris", "3.3")
    registry = MlflowRegistry(tenants.server.uri, workspace="team-gone")
    selector = Selector("stage", "Staging")
    assert registry.locate(selector, "iris", "1").selected
    provider = WorkspaceProviderClient(tenants.server.uri)
    provider.delete_workspace("team-gone", mode=WorkspaceDeletionMode.CASCADE)
    with pytest.raises(RegistryError, match="it has no workspace 'team-gone'"):
        registry.locate(selector, "iris", "1")


def test_a_server_without_workspaces_is_one_line(
    mlflow_server: MlflowServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("--tracking-uri", mlflow_server.uri, "--target", "dir:nowhere")
    flag = m2s("plan", *STAGING, *where, "--workspace", "team-a")
    assert flag.code == 1
    assert "it has no workspaces: start it with --enable-workspaces" in flag.error
    monkeypatch.setenv(VARIABLE, "team-a")
    assert m2s("plan", *STAGING, *where).error == flag.error


@pytest.mark.parametrize(
    ("status", "path", "words"),
    [
        (401, "", "it refuses the credentials (401): set MLFLOW_TRACKING_USERNAME"),
        # An MLflow of before 3.10, and a proxy that hides what the client asks first.
        (404, "/server-", "it has no workspaces: start it with --enable-workspaces (MLflow 3.10"),
        (503, "/server-", "it answers 503 each time"),
    ],
)
def test_a_server_that_does_not_say_whether_it_has_workspaces(
    tenants: Tenants,
    fault_proxy: Callable[..., FaultProxy],
    impatient: None,
    status: int,
    path: str,
    words: str,
) -> None:
    proxy = fault_proxy(tenants.server)
    proxy.answer(status, "x", path=path)
    where = ("--tracking-uri", proxy.url, "--target", "dir:x", "--workspace", "team-a")
    assert words in m2s("plan", *STAGING, *where).error


def test_a_database_has_no_workspaces(
    sqlite_registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = ("--tracking-uri", sqlite_registry, "--target", f"dir:{tmp_path}/cluster")
    result = m2s("plan", *STAGING, *where, "--workspace", "team-a")
    assert result.code == 1
    assert "is a database, and workspaces are an MLflow server's" in result.error
    monkeypatch.setenv(VARIABLE, "team-a")
    planned = m2s("plan", *STAGING, *where, "-o", "json")
    assert planned.document["registry"] == sqlite_registry, "MLflow heeds it of servers only"


@pytest.mark.usefixtures("tenants")
def test_mlflows_variable_must_be_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "Team A")
    result = m2s("plan", *STAGING, "--tracking-uri", "http://127.0.0.1:1", "--target", "dir:x")
    assert result.code == 64
    assert result.error.startswith("MLFLOW_WORKSPACE: 'Team A' is no name of a workspace")


def test_a_webhook_is_its_workspaces(tenants: Tenants, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("M2S_WEBHOOK_SECRET", "a secret of some length")
    where = ("--tracking-uri", tenants.server.uri, *STAGING)
    url = ("--url", "https://127.0.0.1/mlflow")
    done = m2s("webhook", "register", *where, *url, "--workspace", "team-a")
    assert done.code == 0, done
    elsewhere = m2s("webhook", "unregister", *where, "--workspace", "team-b")
    assert elsewhere.out == "webhook m2s-stage-staging is not there\n"
    gone = m2s("webhook", "unregister", *where, "--workspace", "team-a")
    assert gone.out == "webhook m2s-stage-staging deleted\n"


def test_a_running_watch_does_not_change_its_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("m2s.yaml").write_text("stage: Staging\nworkspace: team-a\n")
    source = SettingsSource({}, None)
    chosen = source.read()
    Path("m2s.yaml").write_text("stage: Staging\n")
    with pytest.raises(UsageError, match="workspace changed: restart m2s to change it"):
        source.read_again(chosen)
