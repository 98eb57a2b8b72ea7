"""The first plan after an upgrade is empty; saved plans and caches of an older m2s do no harm."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.kits.support import m2s
from tests.kits.upgrade_kit import ACTIONS, NAMESPACE, Left, restore_cluster, restore_folder
from tests.servers import ApiServer

ENVIRONMENTS = tuple(ACTIONS)
CLUSTER = pytest.param("cluster", marks=pytest.mark.cluster)


@pytest.fixture
def folder(mlflow_template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with all that was left."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    restore_folder(mlflow_template, tmp_path)
    return tmp_path


@pytest.fixture(params=["folder", CLUSTER])
def target(request: pytest.FixtureRequest, folder: Path) -> str:
    if request.param == "cluster":
        server: ApiServer = request.getfixturevalue("api_server")
        restore_cluster(server)
        (folder / "kubeconfig").symlink_to(server.kubeconfig())
    return str(request.param)


def left(environment: str, target: str) -> Left:
    in_folder = ("--target", f"dir:folder/{environment}")
    where = ("--kubeconfig", "kubeconfig") if target == "cluster" else in_folder
    return Left(environment, (*where, "-n", NAMESPACE))


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_the_first_plan_after_an_upgrade_is_empty(environment: str, target: str) -> None:
    found = left(environment, target)
    expected = ACTIONS[environment][target]
    assert not {"create", "update", "delete"} & set(expected.values())
    assert found.actions() == expected


@pytest.mark.parametrize("environment", ENVIRONMENTS)
def test_a_later_plan_without_the_cache_says_the_same(
    folder: Path, environment: str, target: str
) -> None:
    shutil.rmtree(folder / "cache")
    found = left(environment, target)
    assert found.actions() == ACTIONS[environment][target]
    assert found.actions() == ACTIONS[environment][target]


def test_apply_and_prune_write_nothing(folder: Path) -> None:
    before = {path: path.read_bytes() for path in Path("folder").rglob("*.yaml")}
    for environment in ENVIRONMENTS:
        applied = left(environment, "folder")("apply", "--prune", "--yes")
        blocked = "blocked" in ACTIONS[environment]["folder"].values()
        assert applied.code == int(blocked), applied
    assert {path: path.read_bytes() for path in Path("folder").rglob("*.yaml")} == before


def test_what_is_served_is_still_told_and_brought_back(target: str) -> None:
    staging = left("staging", target)
    told = staging("status", "iris", "-o", "json")
    assert told.code == 0, told
    assert staging("rollback", "iris", "--yes").code == 0
    assert staging("rollback", "pinned", "--unpin", "--yes").code == 0
    assert staging.actions()["iris"] == "unchanged"
    assert staging.actions()["pinned"] == "update"


@pytest.mark.parametrize(("name", "secret"), [("folder", "other"), ("fresh", "store")])
def test_a_saved_plan_is_carried_out_or_refused_in_words(
    folder: Path, name: str, secret: str
) -> None:
    applied = m2s("apply", f"plans/{name}.json", "--config", "staging.yaml")
    if "Done:" not in applied.out:
        assert applied.error
        return
    place = Path("fresh" if name == "fresh" else "folder/staging", NAMESPACE)
    bare = yaml.safe_load((place / "bare-staging.yaml").read_text())
    assert bare["spec"]["predictors"][0]["graph"]["envSecretRefName"] == secret


@pytest.mark.cluster
def test_a_saved_plan_for_another_cluster_is_refused_in_words(
    folder: Path, api_server: ApiServer
) -> None:
    restore_cluster(api_server)
    where = ("--kubeconfig", str(api_server.kubeconfig()))
    refused = m2s("apply", "plans/cluster.json", "--config", "staging.yaml", *where)
    assert refused.code in (1, 3)
    assert "plan" in refused.error
