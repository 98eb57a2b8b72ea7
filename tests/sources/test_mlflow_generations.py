"""The same on a real MLflow server of each generation: what docs/mlflow-servers.md promises."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
import pytest

from m2s.base.labels import PAUSED
from m2s.domain.versions import Selector
from m2s.sources.mlflow.generations import Client
from m2s.sources.mlflow.incremental import IncrementalRegistry
from m2s.sources.mlflow.registry import MlflowRegistry
from tests.generations import GENERATIONS, NEWEST, NO_MLFLOW, Generation, environments
from tests.generations.server import AnyMlflow
from tests.kits.support import Models, Result, m2s
from tests.kits.watch_kit import Start
from tests.kits.worlds import Folder, World
from tests.servers import FaultProxy, wait_for

pytestmark = pytest.mark.slow
STAGING = Selector("stage", "Staging")
PROMPT = "mlflow.prompt.is_prompt"


@dataclass(frozen=True)
class Server:
    """A running server, filled over its own API."""

    generation: Generation
    server: AnyMlflow
    models: Models

    def world(self, folder: Path, model: str, *selector: str) -> World:
        """Return it with a folder as the cluster, and one model in sight."""
        flags = ("--tracking-uri", self.server.uri, "--target", f"dir:{folder}", "--model", model)
        return World(self.models, Folder(folder / "default"), (*selector, *flags))


@pytest.fixture(scope="module", params=GENERATIONS, ids=lambda one: one.version)
def mlflow_of(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of each generation; skips, or where all are wanted fails, without one."""
    generation: Generation = request.param
    python = environments.provide(generation)
    if python is None:
        missing = NO_MLFLOW + environments.hint(generation)
        whole = os.environ.get("CI") == "true" or os.environ.get("M2S_REQUIRE_CLUSTER") == "1"
        (pytest.fail if whole and generation.is_needed else pytest.skip)(missing)
    server = AnyMlflow(python, tmp_path_factory.mktemp("mlflow"))
    with contextlib.closing(contextlib.ExitStack()) as stack:
        stack.callback(server.stop)
        models = Models(server.uri, server.database)
        models.client = Client(server.uri, server.uri)
        yield Server(generation, server, models)


def version_of(body: dict[str, Any]) -> str:
    return str(body["metadata"]["labels"]["m2s.io/version"])


def served(world: World) -> dict[str, str]:
    """Which version each deployment serves."""
    return {name: version_of(body) for name, body in world.objects.all().items()}


def ran(world: World, command: str, *argv: str) -> Result:
    result = world(command, *argv)
    assert result.code == 0, result
    return result


def test_its_version_is_known(mlflow_of: Server) -> None:
    found = MlflowRegistry(mlflow_of.server.uri).generation.version
    version = mlflow_of.generation.version
    told = mlflow.__version__ if version == NEWEST else version
    assert found == (told if mlflow_of.generation.tells else "")


def test_the_check_tells_what_it_lacks(mlflow_of: Server, tmp_path: Path) -> None:
    world = mlflow_of.world(tmp_path, "checked", "--stage", "Staging")
    world.models.add("checked")
    registry = ran(world, "check", "-o", "json").document["registry"]
    assert registry["problem"] is None
    assert registry["stages"]["Staging"]
    lacks = [line.split()[0] for line in registry["lacks"]]
    of, newest = mlflow_of.generation, mlflow_of.generation.version == NEWEST
    has = {"aliases": of.aliases, "webhooks": of.webhooks, "workspaces": newest}
    assert lacks == [name for name, there in has.items() if not there]


def test_a_workspace_of_a_server_without_any(mlflow_of: Server, tmp_path: Path) -> None:
    """Not even a database of old models is served for another tenant's."""
    world = mlflow_of.world(tmp_path, "checked", "--stage", "Staging")
    result = world("plan", "--workspace", "team-a")
    assert result.code == 1
    assert "it has no workspaces: start it with --enable-workspaces (MLflow 3.10" in result.error


def test_a_stage_from_the_first_plan_to_the_prune(mlflow_of: Server, tmp_path: Path) -> None:
    world = mlflow_of.world(tmp_path, "staged", "--stage", "Staging")
    models = world.models
    models.add("a-model-that-stays")
    models.add("staged")
    models.add("staged", stage=None)
    assert world.actions() == {"staged-staging": "create"}
    world.apply()
    assert served(world) == {"staged-staging": "1"}
    models.move("staged", 2, "Staging")
    assert world.actions() == {"staged-staging": "update"}
    world.apply()
    assert served(world) == {"staged-staging": "2"}
    assert world.actions() == {"staged-staging": "unchanged"}
    rollback(world)
    models.move("staged", 2, "Archived")
    assert world.actions() == {"staged-staging": "delete"}
    ran(world, "prune", "--yes")
    assert served(world) == {}


def rollback(world: World) -> None:
    """Roll it back, see that a pin holds, and lift it."""
    where = world.flags[world.flags.index("--target") :][:2]
    result = m2s("rollback", "staged-staging", *where, "--owner", "stage-staging")
    assert result.code == 0, result
    assert served(world) == {"staged-staging": "1"}
    world.apply()
    assert served(world) == {"staged-staging": "1"}
    assert m2s("rollback", "staged-staging", *where, "--unpin").code == 0
    world.apply()
    assert served(world) == {"staged-staging": "2"}


def test_an_alias(mlflow_of: Server, tmp_path: Path) -> None:
    world = mlflow_of.world(tmp_path, "aliased", "--alias", "champion")
    models = world.models
    models.add("aliased", stage=None)
    models.add("aliased", stage=None)
    if not mlflow_of.generation.aliases:
        result = world("apply")
        assert (result.code, served(world)) == (64, {})
        assert "has no aliases: aliases are from MLflow 2.3 on" in result.error
        return
    models.alias("aliased", "champion", 1)
    world.apply()
    models.alias("aliased", "champion", 2)
    world.apply()
    assert served(world) == {"aliased-champion": "2"}
    models.alias("aliased", "champion", None)
    models.alias("aliased", "other", 1)
    models.add("beside", stage=None, alias="champion")
    ran(world, "prune", "--yes")
    assert served(world) == {}


def test_a_model_that_is_paused(mlflow_of: Server, tmp_path: Path) -> None:
    world = mlflow_of.world(tmp_path, "paused", "--stage", "Staging")
    world.models.add("paused")
    world.apply()
    world.models.add("paused", model_tags={PAUSED: "true"})
    assert world.actions() == {"paused-staging": "unchanged"}
    world.models.client.delete_registered_model_tag("paused", PAUSED)
    assert world.actions() == {"paused-staging": "update"}


def test_the_image_of_a_model(mlflow_of: Server, tmp_path: Path) -> None:
    world = mlflow_of.world(tmp_path, "imaged", "--stage", "Staging")
    world.models.add("imaged", None, model_tags={"deployment-image": "registry/other:1"})
    ran(world, "apply", "--default-image", "registry/stock:1", "--deploy-file", "ignored")
    assert "registry/other:1" in str(world.objects.all()["imaged-staging"])


def test_a_tag_on_a_version(mlflow_of: Server, tmp_path: Path) -> None:
    world = mlflow_of.world(tmp_path, "tagged", "--stage", "Staging")
    world.models.add("tagged", tags={"m2s.io/replicas": "3"})
    world.apply()
    assert world.objects.all()["tagged-staging"]["spec"]["predictors"][0]["replicas"] == 3


def test_write_back(mlflow_of: Server, tmp_path: Path) -> None:
    world = mlflow_of.world(tmp_path, "written", "--stage", "Staging")
    client = world.models.client
    key = "m2s.io/live/stage-staging/deployment"
    world.models.add("written")
    ran(world, "apply", "--write-back")
    assert client.get_model_version("written", "1").tags[key] == "default/written-staging"
    world.models.add("written", stage=None)
    world.models.move("written", 2, "Staging")
    ran(world, "apply", "--write-back")
    assert key not in client.get_model_version("written", "1").tags
    assert client.get_model_version("written", "2").tags[key] == "default/written-staging"


def test_a_prompt_is_never_deployed(mlflow_of: Server, tmp_path: Path) -> None:
    world = mlflow_of.world(tmp_path, "*prompt*", "--stage", "Staging")
    for name in ("a-prompt", "no-prompt"):
        has_alias = mlflow_of.generation.aliases
        world.models.add(name, alias="latest-prompt" if has_alias else None)
    world.models.client.set_model_version_tag("a-prompt", "1", PROMPT, "true")
    world.models.client.set_registered_model_tag("a-prompt", PROMPT, "true")
    assert set(world.actions()) == {"no-prompt-staging"}
    if mlflow_of.generation.aliases:
        by_alias = mlflow_of.world(tmp_path, "*prompt*", "--alias", "latest-prompt")
        assert set(by_alias.actions()) == {"no-prompt-latest-prompt"}


def test_watch_follows_within_an_interval(mlflow_of: Server, tmp_path: Path, start: Start) -> None:
    world = mlflow_of.world(tmp_path, "watched*", "--stage", "Staging")
    world.models.add("watched")
    world.models.add("watched", stage=None)
    watch = start("--interval", "1s", "--prune", "--prune-after", "1", *world.flags)
    world.models.add("watched-2")
    both = {"watched-staging": "1", "watched-2-staging": "1"}
    wait_for(lambda: served(world) == both, "the first versions")
    world.models.move("watched", 2, "Staging")
    wait_for(lambda: served(world) == {**both, "watched-staging": "2"}, "the promotion")
    world.models.client.set_registered_model_tag("watched", PAUSED, "true")
    world.models.move("watched-2", 1, "Archived")
    wait_for(lambda: served(world) == {"watched-staging": "2"}, "the archived one to go")
    assert not [line for line in watch.lines if line["level"].lower() in ("error", "warning")]
    assert watch.end() == 0


@pytest.fixture
def proxy(mlflow_of: Server) -> Iterator[FaultProxy]:
    with contextlib.closing(FaultProxy(mlflow_of.server)) as found:
        yield found


def asked(proxy: FaultProxy) -> int:
    """How many requests there were since the last time."""
    count = len(proxy.requests)
    proxy.requests.clear()
    return count


def test_what_a_pass_of_watch_asks(mlflow_of: Server, proxy: FaultProxy) -> None:
    models = mlflow_of.models
    names = [f"counted-{number}" for number in range(3)]
    for name in names:
        models.add(name)
        models.add(name, stage=None)
    registry: IncrementalRegistry = MlflowRegistry(proxy.uri).incremental(3600)

    def staged() -> list[str]:
        return [str(each) for each in registry.select(STAGING) if each.model in names]

    assert staged() == [f"{name} v1" for name in names]
    settle(registry)
    asked(proxy)
    assert registry.unmoved([STAGING])
    assert asked(proxy) == 1
    for changed in (names[:1], names):
        for name in changed:
            models.add(name)
        staged()
        settle(registry)
        for name in changed:
            models.add(name)
        asked(proxy)
        assert len(staged()) > len(names)
        assert asked(proxy) == 1 + at_once(mlflow_of, len(changed))


def settle(registry: IncrementalRegistry) -> None:
    """Make passes until nothing is in doubt any more."""
    wait_for(lambda: registry.unmoved([STAGING]), "a quiet pass")


def at_once(mlflow_of: Server, models: int) -> int:
    """How many requests it takes to read the versions of some models."""
    return 1 if mlflow_of.generation.at_once else models


def test_webhooks_are_there_or_the_line_says_since_when(mlflow_of: Server) -> None:
    where = ("--tracking-uri", mlflow_of.server.uri, "--stage", "Staging")
    result = m2s("webhook", "unregister", *where)
    if mlflow_of.generation.webhooks:
        assert result.code == 0, result
    else:
        assert "webhooks are from MLflow 3.3 on" in result.error
