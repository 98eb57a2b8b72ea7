"""Law 12: one bad object holds one row: what may not be read is blocked, the rest goes on."""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from m2s.base.gate import Gate
from m2s.domain.versions import Unreadable
from m2s.plan.changes import Blocked
from m2s.settings.build import build
from m2s.sources.mlflow.registry import MlflowRegistry
from m2s.targets.folder.namespace import FolderCluster
from m2s.watch.absences import Absences
from m2s.watch.passes import Edges, Pass
from tests.kits.support import Models, description
from tests.kits.worlds import Folder, Proxied, World
from tests.servers import MlflowServer
from tests.servers.mlflowserver import ADMIN

READER = ("alice", "a-password-of-alice-s")
DENIED = {"error_code": "PERMISSION_DENIED", "message": "Permission denied"}


def administer(server: MlflowServer, endpoint: str, **body: str) -> None:
    """Have MLflow's administrator do something."""
    login = base64.b64encode(":".join(ADMIN).encode()).decode()
    headers = {"Authorization": f"Basic {login}", "Content-Type": "application/json"}
    url = f"{server.url}/api/{endpoint}"
    urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode(), headers)).close()


def revoke(server: MlflowServer, model: str) -> None:
    """Take away the right to read one registered model."""
    about = {"resource_type": "registered_model", "resource_id": model}
    grant = {"username": READER[0], **about, "permission": "DENY"}
    administer(server, "3.0/mlflow/users/permissions/grant", **grant)


@pytest.fixture(scope="module")
def guarded(
    mlflow_template: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MlflowServer]:
    """MLflow's own authentication, with a user who may read."""
    folder = tmp_path_factory.mktemp("guarded-mlflow-server")
    server = MlflowServer(mlflow_template, folder, basic_auth=True)
    administer(server, "2.0/mlflow/users/create", username=READER[0], password=READER[1])
    yield server
    server.stop()


@pytest.mark.slow  # MLflow takes a quarter of a second to check a password
@pytest.mark.parametrize("selector", ["stage", "alias"])
def test_read_revoked_for_one_model_holds_that_row(
    guarded: MlflowServer, selector: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    models = Models(f"sqlite:///{guarded.database}", guarded.database)
    name = {"stage": "Staging", "alias": "champion"}[selector]
    secret, iris, gone = (f"{each}-{selector}" for each in ("secret", "iris", "gone"))
    names = {model: f"{model}-{name.lower()}" for model in (secret, iris, gone)}

    def promote(*promoted: str) -> None:
        for model in promoted:
            models.add(model, None, stage="Staging", alias="champion")

    promote(*names)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", READER[0])
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", READER[1])
    target = tmp_path / "cluster"
    given = {selector: name, "model": f"*-{selector}", "deploy-file": "ignored"}
    given |= {"tracking-uri": guarded.uri, "target": f"dir:{target}"}
    flags = tuple(text for key, value in given.items() for text in (f"--{key}", value))
    world = World(models, Folder(target / "default"), flags)
    world.apply()
    before = world.objects.snapshot()
    revoke(guarded, secret)
    promote(iris)
    models.move(gone, 1, "Archived")
    models.alias(gone, "champion", None)

    plan = {change["model"]: change for change in world.plan().values()}
    assert {model: plan[model]["action"] for model in names} == {
        secret: "blocked", iris: "update", gone: "delete",
    }  # fmt: skip
    refusal = f"cannot look up the registered model '{secret}': permission denied (403)"
    assert refusal in plan[secret]["reason"]
    assert "the account 'alice' needs READ" in plan[secret]["reason"]
    assert world("apply", "--prune").code == 1
    after = world.objects.snapshot()
    assert after.keys() == {names[secret], names[iris]}
    assert after[names[secret]] == before[names[secret]]
    assert version(world, names[iris]) == "2"
    pruned = world("prune", "--yes")
    assert (pruned.code, pruned.err) == (1, "")

    promote(iris)
    settings = build({**given, "prune": True, "prune-after": 1}, {})
    registry = MlflowRegistry(guarded.uri).incremental(600)
    edges = Edges(registry, FolderCluster(target, "default"))
    report = Pass(edges, settings, Absences(), "interval", Gate()).make()
    assert report.plan
    (blocked,) = [each for each in report.plan.changes if isinstance(each, Blocked)]
    assert (report.result, blocked.key.name) == ("failed", names[secret])
    assert version(world, names[iris]) == "3"
    assert world.objects.snapshot()[names[secret]] == before[names[secret]]


def version(world: World, name: str) -> str:
    return str(world.objects.all()[name]["metadata"]["annotations"]["m2s.io/version"])


@pytest.mark.parametrize("status", [403, 500])
def test_a_version_that_may_not_be_read_is_held(proxied: Proxied, status: int) -> None:
    iris, wine = proxied.add("iris"), proxied.add("wine")
    proxied.apply()
    for model in (iris, wine):
        proxied.models.add(model, description(replicas=2), stage=None, alias=proxied.alias)
    before = proxied.objects.snapshot()
    proxied.mlflow.answer(status, DENIED, path=rf"model-versions/get\?.*{iris}")
    result = proxied("apply", "--prune", "-o", "json")
    changes = {change["model"]: change for change in result.changes.values()}
    assert result.code == 1
    assert [changes[model]["action"] for model in (iris, wine)] == ["blocked", "update"]
    assert str(status) in changes[iris]["reason"]
    name = changes[iris]["name"]
    assert proxied.objects.snapshot()[name] == before[name]


def test_a_second_look_that_is_refused_holds_its_row(proxied: Proxied) -> None:
    iris, wine = proxied.add("iris"), proxied.add("wine")
    proxied.apply()
    for model in (iris, wine):
        proxied.models.add(model, description(replicas=2), stage=None, alias=proxied.alias)
    proxied.mlflow.answer(403, DENIED, path=rf"registered-models/get\?.*{iris}")
    result = proxied("apply", "-o", "json")
    changes = {change["model"]: change for change in result.changes.values()}
    assert result.code == 1
    assert [changes[model]["action"] for model in (iris, wine)] == ["blocked", "update"]
    assert "needs READ" in changes[iris]["reason"]


@pytest.mark.parametrize(
    ("login", "account"),
    [
        ("alice:word-of-mouth@", "the account 'alice'"),
        ("dapi1@", "the account"),
        ("", "the account"),
    ],
)
def test_who_may_not_is_named_unless_that_may_be_a_token(
    proxied: Proxied, login: str, account: str
) -> None:
    where = proxied.mlflow.url.replace("://", f"://{login}", 1)
    proxied.mlflow.answer(403, DENIED, path="registered-models/get")
    found = MlflowRegistry(where).look("iris")
    assert isinstance(found, Unreadable)
    assert found.reason.endswith(f"Permission denied: {account} needs READ")
    for secret in ("w0rd", "dapi"):
        assert secret not in found.reason


def test_a_list_that_is_refused_ends_the_run(proxied: Proxied) -> None:
    proxied.add("iris")
    proxied.mlflow.answer(403, DENIED, path="registered-models/search")
    for command in (("plan",), ("apply", "--prune"), ("prune", "--yes")):
        result = proxied(*command)
        assert (result.code, result.out) == (1, "")
        assert "permission denied (403)" in result.error
