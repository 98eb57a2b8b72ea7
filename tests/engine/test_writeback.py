"""``--write-back`` of ``apply`` and ``prune``: MLflow's tags say what is live."""

from __future__ import annotations

import base64
import contextlib
import json
import re
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from m2s.base.labels import LIVE, MODELS, OWNER
from m2s.sources.mlflow import listing
from m2s.sources.mlflow.registry import MlflowRegistry
from m2s.watch.webhook import is_own
from tests.kits.registry_kit import STAGING
from tests.kits.support import Models, Result, description, m2s
from tests.kits.worlds import Proxied, World
from tests.servers import MlflowServer
from tests.servers.mlflowserver import ADMIN

BACK = "--write-back"
TAGGED = r"model-versions/(set|delete)-tag"
READER = ("reader", "a-password-of-a-reader")
STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def tags(models: Models, model: str, version: int) -> dict[str, str]:
    """What MLflow's own client says that is live of a version."""
    found = models.client.get_model_version(model, str(version)).tags
    return {key.removeprefix(LIVE): value for key, value in found.items() if key.startswith(LIVE)}


def status(world: World, name: str, state: str, url: str = "") -> None:
    """Say what the Seldon operator would."""
    said: dict[str, Any] = {"state": state, **({"address": {"url": url}} if url else {})}
    world.objects.patch(name, {"status": said}, part="status")


def production(world: World) -> World:
    """The same for Production."""
    return World(world.models, world.objects, ("--stage", "Production", *world.flags[2:]))


def warning(result: Result) -> str:
    """The one line that a command warned in."""
    (line,) = [line for line in result.err.splitlines() if line.startswith("Warning: ")]
    assert "Traceback" not in result.err
    return line


def test_a_version_tells_that_it_is_live_and_how(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("iris"))
    on_cluster.apply()
    assert tags(on_cluster.models, "iris", 1) == {}
    on_cluster.apply(BACK)
    name = f"{on_cluster.objects.name}/iris"
    told = tags(on_cluster.models, "iris", 1)
    since = told.pop("stage-staging/since")
    assert told == {"stage-staging/deployment": name}
    assert STAMP.fullmatch(since)
    url = "http://iris-default.example:8000/api/v1.0/predictions"
    status(on_cluster, "iris", "Available", url)
    on_cluster.apply(BACK)
    assert tags(on_cluster.models, "iris", 1) == {
        "stage-staging/deployment": name,
        "stage-staging/state": "Available",
        "stage-staging/endpoint": url,
        "stage-staging/since": since,
    }
    status(on_cluster, "iris", "Failed")
    on_cluster.apply(BACK)
    assert tags(on_cluster.models, "iris", 1)["stage-staging/state"] == "Failed"


def test_a_promotion_moves_the_tags(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("iris"))
    on_cluster.apply(BACK)
    on_cluster.models.add("iris", description("iris", replicas=2))
    on_cluster.apply(BACK)
    assert tags(on_cluster.models, "iris", 1) == {}
    assert "stage-staging/deployment" in tags(on_cluster.models, "iris", 2)


@pytest.mark.thorough
def test_nobody_touches_what_another_owner_says(on_cluster: World) -> None:
    on_cluster.models.add("iris", description())
    on_cluster.apply(BACK)
    staging = tags(on_cluster.models, "iris", 1)
    live = production(on_cluster)
    on_cluster.models.move("iris", 1, "Production")
    live.apply(BACK)
    both = tags(on_cluster.models, "iris", 1)
    assert staging.items() < both.items()
    assert both["stage-production/deployment"].endswith("/iris-production")
    on_cluster.models.add("wine", description())
    pruned = on_cluster("prune", "--yes", BACK)
    assert pruned.code == 0, pruned
    assert set(on_cluster.objects.all()) == {"iris-production"}
    assert tags(on_cluster.models, "iris", 1) == {
        key: value for key, value in both.items() if key not in staging
    }


@pytest.mark.thorough
def test_what_left_while_nobody_told_is_told_later(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("iris"))
    on_cluster.models.add("wine", description("wine"))
    on_cluster.apply(BACK)
    on_cluster.models.move("iris", 1, "Archived")
    on_cluster.apply("--prune")
    assert tags(on_cluster.models, "iris", 1)
    on_cluster.apply(BACK)
    assert tags(on_cluster.models, "iris", 1) == {}
    assert tags(on_cluster.models, "wine", 1)


def test_a_teardown_takes_all_tags_away(on_cluster: World) -> None:
    for name in ("iris", "wine"):
        on_cluster.models.add(name, description(name))
    on_cluster.apply(BACK)
    assert on_cluster("prune", "--all", "--yes", BACK).code == 0
    assert [tags(on_cluster.models, name, 1) for name in ("iris", "wine")] == [{}, {}]


@pytest.mark.thorough
def test_a_narrowed_run_looks_at_its_models_only(on_cluster: World) -> None:
    for name in ("iris", "wine"):
        on_cluster.models.add(name, description(name))
    on_cluster.apply(BACK, "--model", "iris")
    on_cluster.apply()
    on_cluster.models.client.set_model_version_tag("wine", "1", f"{LIVE}stage-staging/state", "x")
    on_cluster.apply(BACK, "--model", "iris")
    assert tags(on_cluster.models, "wine", 1) == {"stage-staging/state": "x"}
    on_cluster.apply(BACK)
    assert set(tags(on_cluster.models, "wine", 1)) == {
        "stage-staging/deployment", "stage-staging/since",
    }  # fmt: skip


def test_several_deployments_of_one_version_stand_side_by_side(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("iris"))
    on_cluster.apply()
    body = on_cluster.objects.all()["iris"]
    kept = {key: body["metadata"][key] for key in ("labels", "annotations")}
    for name, served in (("iris-b", None), ("other", "[]"), ("theirs", None)):
        copy = {**body, "metadata": {"name": name, **json.loads(json.dumps(kept))}}
        if name == "theirs":
            copy["metadata"]["labels"][OWNER] = "stage-production"
        if served:
            annotations = copy["metadata"]["annotations"]
            annotations[MODELS] = '[{"model": "iris", "version": "newest"}]'
        on_cluster.objects.create(copy)
    status(on_cluster, "iris-b", "Available")
    assert on_cluster("apply", BACK).code == 0
    told = tags(on_cluster.models, "iris", 1)
    where = on_cluster.objects.name
    assert told["stage-staging/deployment"] == f"{where}/iris, {where}/iris-b"
    assert told["stage-staging/state"] == "-, Available"
    since = told["stage-staging/since"].split(", ")
    assert len(since) == 2
    assert all(map(STAMP.fullmatch, since))
    assert not any(key.startswith("stage-production") for key in told)


def test_a_folder_has_deployments_and_no_state(on_folder: World) -> None:
    on_folder.models.add("iris", description("iris"))
    on_folder.apply(BACK)
    told = tags(on_folder.models, "iris", 1)
    assert told["stage-staging/deployment"] == "default/iris"
    assert "stage-staging/state" not in told


@pytest.mark.thorough
def test_m2s_itself_never_goes_by_its_tags(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("iris"), tags={"m2s.io/replicas": "2"})
    registry = MlflowRegistry(on_cluster.models.uri).incremental(600)
    seen = registry.select(STAGING)
    on_cluster.apply(BACK)
    status(on_cluster, "iris", "Available")
    on_cluster.apply(BACK)
    assert tags(on_cluster.models, "iris", 1)
    plan = on_cluster("plan", "--detailed-exitcode", "-o", "json")
    assert (plan.code, plan.changes["iris"]["action"]) == (0, "unchanged")
    assert not plan.err
    # Neither a stamp nor a tag makes anything look changed.
    assert registry.unmoved([STAGING])
    assert registry.select(STAGING) == seen
    assert seen[0].tags == {"m2s.io/replicas": "2"}


@pytest.mark.thorough
def test_a_saved_plan_holds_after_a_write_back(on_cluster: World, tmp_path: Path) -> None:
    on_cluster.models.add("iris", description("iris"))
    on_cluster.apply(BACK)
    on_cluster.models.add("wine", description("wine"))
    saved = str(tmp_path / "plan.json")
    on_cluster.plan("--out", saved)
    status(on_cluster, "iris", "Available")
    assert m2s("apply", saved, BACK, *on_cluster.flags[2:]).code == 0
    assert tags(on_cluster.models, "iris", 1)["stage-staging/state"] == "Available"
    assert tags(on_cluster.models, "wine", 1)


def test_without_the_option_and_in_plan_nothing_is_written(
    on_cluster: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_cluster.models.add("iris", description("iris"))
    on_cluster.apply()
    assert tags(on_cluster.models, "iris", 1) == {}
    monkeypatch.setenv("M2S_WRITE_BACK", "true")
    on_cluster.plan()
    assert on_cluster("plan", BACK).code == 64
    assert tags(on_cluster.models, "iris", 1) == {}
    on_cluster.apply()
    assert tags(on_cluster.models, "iris", 1)


@pytest.mark.slow
def test_only_what_differs_is_written_of_every_page(
    proxied: Proxied, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "PAGE", 1)
    names = [proxied.add(name, description(name)) for name in ("iris", "wine", "tea")]
    proxied.apply(BACK)
    assert all(tags(proxied.models, name, 1) for name in names)
    assert proxied.mlflow.count("POST", TAGGED) == 6
    proxied.apply(BACK)
    assert proxied.mlflow.count(path=TAGGED) == 6
    status(proxied, "wine", "Available")
    proxied.apply(BACK)
    assert proxied.mlflow.count(path=TAGGED) == 7
    # A version that another page has loses its tags as well.
    proxied.models.alias(names[2], proxied.alias, None)
    proxied.apply(BACK, "--prune")
    assert tags(proxied.models, names[2], 1) == {}


def test_what_is_secret_in_an_endpoint_is_not_told(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("iris"))
    on_cluster.apply()
    status(on_cluster, "iris", "Available", "http://me:hunter2@iris/api?token=hunter3")
    on_cluster.apply(BACK)
    told = tags(on_cluster.models, "iris", 1)["stage-staging/endpoint"]
    assert told == "http://***@iris/api?token=***"


def test_what_is_too_long_for_a_tag_is_cut(on_cluster: World) -> None:
    on_cluster.models.add("iris", description("iris"))
    on_cluster.apply()
    status(on_cluster, "iris", "Available", f"http://iris/{'x' * 9000}")
    on_cluster.apply(BACK)
    told = tags(on_cluster.models, "iris", 1)["stage-staging/endpoint"]
    assert (len(told), told[-2:]) == (5000, "x…")


@pytest.mark.parametrize(
    ("body", "own"),
    [
        ('{"data": {"key": "m2s.io/live/stage-staging/state"}}', True),
        ('{"data": {"key": "m2s.io/replicas"}}', False),
        ('{"data": {"key": ["m2s.io/live/"]}}', False),
        ('{"data": {"alias": "m2s.io/live/"}}', False),
        ('{"data": "key"}', False),
        ('["data"]', False),
        ("{}", False),
        ("", False),
        ("\ud800", False),
        ("[" * 100_000, False),
    ],
)
def test_which_deliveries_are_about_our_own_tags(body: str, own: bool) -> None:
    assert is_own(body.encode(errors="surrogatepass")) is own


@pytest.mark.thorough
def test_a_version_that_is_gone_is_no_trouble(on_cluster: World) -> None:
    for name in ("iris", "wine", "tea"):
        on_cluster.models.add(name, description(name))
    on_cluster.apply(BACK)
    on_cluster.models.delete("iris", 1)
    on_cluster.models.delete("wine")
    status(on_cluster, "iris", "Available")
    result = on_cluster("apply", BACK)
    assert (result.code, "MLflow" in result.err) == (0, False), result
    assert set(on_cluster.objects.all()) == {"iris", "wine", "tea"}


@pytest.mark.thorough
def test_a_registry_that_fails_is_one_warning_and_no_failure(proxied: Proxied) -> None:
    name = proxied.add("iris", description("iris"))
    proxied.mlflow.answer(503, "down", path=TAGGED)
    result = proxied("apply", BACK, "-o", "json")
    assert result.code == 0
    assert result.document["outcomes"]
    assert "MLflow is not told what is live: MLflow at http://127.0.0.1" in warning(result)
    assert "503" in warning(result)
    proxied.mlflow.heal()
    proxied.apply(BACK)
    assert tags(proxied.models, name, 1)


def test_a_teardown_needs_no_registry(on_cluster: World, impatient: None) -> None:
    on_cluster.models.add("iris", description("iris"))
    on_cluster.apply()
    flags = ("--tracking-uri", "http://127.0.0.1:9", *on_cluster.flags[4:], *on_cluster.flags[:2])
    result = m2s("prune", "--all", "--yes", BACK, *flags)
    assert (result.code, on_cluster.objects.all()) == (0, {})
    assert "connection refused" in warning(result)


def administer(server: MlflowServer, path: str, **body: str) -> None:
    """Ask MLflow's API as its administrator."""
    request = urllib.request.Request(f"{server.uri}/api/{path}", json.dumps(body).encode())
    account = base64.b64encode(":".join(ADMIN).encode()).decode()
    request.add_header("Content-Type", "application/json")
    request.add_header("Authorization", f"Basic {account}")
    urllib.request.urlopen(request, timeout=30).close()


def grant(server: MlflowServer, right: str) -> None:
    """Give the reader another right on iris."""
    about = {"username": READER[0], "resource_type": "registered_model", "resource_id": "iris"}
    with contextlib.suppress(urllib.error.HTTPError):  # there was none
        administer(server, "3.0/mlflow/users/permissions/revoke", **about)
    administer(server, "3.0/mlflow/users/permissions/grant", **about, permission=right)


@pytest.mark.slow  # MLflow takes a quarter of a second to check a password
def test_an_account_that_may_not_is_told_what_it_needs(
    mlflow_server_factory: Callable[..., MlflowServer],
    on_cluster: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = mlflow_server_factory(basic_auth=True)
    models = Models(f"sqlite:///{server.database}", server.database)
    models.add("iris", None)
    for name, value in zip(("username", "password"), READER, strict=True):
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name.upper()}", value)
    administer(server, "2.0/mlflow/users/create", username=READER[0], password=READER[1])
    flags = ["--tracking-uri", server.uri, "--deploy-file", "ignored", *on_cluster.flags[4:]]
    world = World(models, on_cluster.objects, ("--stage", "Staging", *flags))
    result = world("apply", BACK)
    assert result.code == 0, result
    told = warning(result)
    assert (
        "permission denied (403): --write-back wants MANAGE on the registered model 'iris'" in told
    )
    assert told.endswith("(and 1 more)")
    assert READER[1] not in result.out + result.err
    assert tags(models, "iris", 1) == {}
    # Who may edit sets tags, and cannot delete them.
    grant(server, "EDIT")
    assert "Warning" not in world("apply", BACK).err
    assert tags(models, "iris", 1)
    assert "MANAGE on the registered model 'iris'" in warning(
        world("prune", "--all", "--yes", BACK)
    )
    assert tags(models, "iris", 1)
    grant(server, "MANAGE")
    assert "Warning" not in world("prune", "--all", "--yes", BACK).err
    assert tags(models, "iris", 1) == {}
