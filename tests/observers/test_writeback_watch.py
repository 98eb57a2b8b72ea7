"""``m2s watch --write-back``: the tags follow what is live, and nothing waits for them."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from m2s.watch.webhook import Receiver
from tests.engine.test_writeback import BACK, STAMP, TAGGED, status, tags
from tests.kits.support import Models, description, m2s
from tests.kits.watch_kit import Start
from tests.kits.worlds import Proxied, World
from tests.servers import FaultProxy, MlflowServer, wait_for
from tests.servers.faults import Recorded
from tests.sources.test_webhook_mlflow import ALLOWED, SECRET
from tests.watch.test_watch import version_of

pytestmark = pytest.mark.slow  # processes that are waited for; `make test-all` runs them

SYNC = ("--policy", "sync", "--prune-after", "1", "--max-delete", "100%")
SELDOM = ("--interval", "1h")
DEPLOYMENT, STATE, SINCE = (f"stage-staging/{part}" for part in ("deployment", "state", "since"))
NOT_TOLD, TOLD_AGAIN = "MLflow is not told what is live", "MLflow is told what is live again"


def await_tag(world: World, model: str, version: int, key: str, value: str | None) -> None:
    """Wait until a version tells this, None for nothing at all under the key."""
    wait_for(
        lambda: tags(world.models, model, version).get(key) == value,
        f"{key} {value!r} of {model} v{version}",
        timeout=30,
    )


def test_the_tags_follow_what_is_live(on_cluster: World, start: Start) -> None:
    models = on_cluster.models
    for name in ("iris", "wine"):
        models.add(name, description(name))
    where = f"{on_cluster.objects.name}/iris"
    watch = start(*on_cluster.flags, BACK, *SYNC, "--interval", "1s")
    await_tag(on_cluster, "iris", 1, DEPLOYMENT, where)
    assert STATE not in tags(models, "iris", 1)
    for state in ("Creating", "Available", "Failed"):
        status(on_cluster, "iris", state)
        await_tag(on_cluster, "iris", 1, STATE, state)
    models.move("iris", models.add("iris", description("iris"), stage=None), "Staging")
    wait_for(lambda: STAMP.fullmatch(tags(models, "iris", 2).get(SINCE, "")), "since when")
    assert tags(models, "iris", 2)[DEPLOYMENT] == where
    assert tags(models, "iris", 1) == {}
    models.move("iris", 2, "Archived")
    wait_for(lambda: tags(models, "iris", 2) == {}, "no tags")
    assert tags(models, "wine", 1)
    assert not watch.said(NOT_TOLD)
    assert watch.end() == 0


def test_a_status_is_followed_between_two_passes_and_a_restart(
    on_cluster: World, start: Start
) -> None:
    models = on_cluster.models
    for name in ("iris", "wine"):
        models.add(name, description(name))
    flags = (*on_cluster.flags, BACK, *SYNC, *SELDOM)
    first = start(*flags)
    await_tag(on_cluster, "iris", 1, DEPLOYMENT, f"{on_cluster.objects.name}/iris")
    status(on_cluster, "iris", "Available")
    await_tag(on_cluster, "iris", 1, STATE, "Available")
    first.kill()
    # Meanwhile one leaves, somebody meddles with a tag, and another one's state changes.
    models.move("iris", 1, "Archived")
    on_cluster.apply("--prune")
    models.client.set_model_version_tag("wine", "1", "m2s.io/live/stage-production/state", "Failed")
    models.client.set_model_version_tag("wine", "1", f"m2s.io/live/{DEPLOYMENT}", "elsewhere/wine")
    status(on_cluster, "wine", "Creating")
    second = start(*flags)
    await_tag(on_cluster, "wine", 1, STATE, "Creating")
    assert tags(models, "iris", 1) == {}
    told = tags(models, "wine", 1)
    assert told[DEPLOYMENT] == f"{on_cluster.objects.name}/wine"
    assert told["stage-production/state"] == "Failed"
    assert second.end() == 0


def test_one_pass_tells_it_too(on_cluster: World, start: Start) -> None:
    on_cluster.models.add("iris", description("iris"))
    once = start(*on_cluster.flags, "--once", M2S_WRITE_BACK="true")
    assert once.wait() == 0
    assert tags(on_cluster.models, "iris", 1)


def test_serving_goes_on_while_mlflow_takes_no_tags(proxied: Proxied, start: Start) -> None:
    name = proxied.add("iris", description("iris"))
    proxied.mlflow.answer(503, "down", path=TAGGED)
    gate = proxied.mlflow.hold(path=TAGGED, after=1, times=1)
    watch = start(*proxied.flags, BACK, "--interval", "1s")
    watch.await_line(NOT_TOLD)
    assert watch.said(NOT_TOLD)[0]["level"] == "warning"
    # One request hangs; what is new is served all the same.
    second = proxied.add("wine", description("wine"))
    wait_for(lambda: version_of(proxied.objects, "wine") == "1", "wine to be served")
    gate.set()
    tried = proxied.mlflow.count(path=TAGGED)
    wait_for(lambda: proxied.mlflow.count(path=TAGGED) > tried, "another try")
    proxied.mlflow.heal()
    for model, deployment in ((name, "iris"), (second, "wine")):
        key, where = f"{proxied.alias}/deployment", f"{proxied.objects.name}/{deployment}"
        await_tag(proxied, model, 1, f"alias-{key}", where)
    watch.await_line(TOLD_AGAIN)
    assert len(watch.said(NOT_TOLD)) == 1
    assert watch.end() == 0


def test_a_hanging_registry_does_not_keep_the_process(proxied: Proxied, start: Start) -> None:
    proxied.add("iris", description("iris"))
    gate = proxied.mlflow.hold(path=TAGGED)
    watch = start(*proxied.flags, BACK, *SELDOM)
    wait_for(lambda: proxied.mlflow.count(path=TAGGED), "the first tag")
    assert watch.end(timeout=5) == 0
    gate.set()


def test_the_option_can_be_reloaded(on_cluster: World, start: Start, tmp_path: Path) -> None:
    on_cluster.models.add("iris", description("iris"))
    watch = start(*on_cluster.flags, *SELDOM)
    watch.await_line("created iris")
    assert tags(on_cluster.models, "iris", 1) == {}
    config = tmp_path / "m2s.yaml"
    config.write_text("write-back: true\n")
    watch.await_line("settings reloaded")
    await_tag(on_cluster, "iris", 1, DEPLOYMENT, f"{on_cluster.objects.name}/iris")
    config.write_text("write-back: false\n")
    watch.await_line("settings reloaded", count=2)
    status(on_cluster, "iris", "Available")
    assert watch.end() == 0
    assert STATE not in tags(on_cluster.models, "iris", 1)


def test_only_the_leader_tells(on_cluster: World, start: Start) -> None:
    models = on_cluster.models
    models.add("iris", description("iris"))
    elected = (*on_cluster.flags, "--interval", "1s", "--leader-elect")
    first = start(*elected)
    first.await_line("created iris")
    second = start(*elected, BACK)
    second.await_line("watching stage=Staging")
    status(on_cluster, "iris", "Available")
    models.move("iris", models.add("iris", description("iris"), stage=None), "Staging")
    first.await_line("updated iris")
    assert tags(models, "iris", 1) == tags(models, "iris", 2) == {}
    models.client.set_model_version_tag("iris", "1", f"m2s.io/live/{DEPLOYMENT}", "else/where")
    first.end()
    await_tag(on_cluster, "iris", 2, STATE, "Available")
    await_tag(on_cluster, "iris", 1, DEPLOYMENT, None)  # the successor has read what was there
    assert second.end() == 0


def test_mlflows_webhooks_of_the_tags_ask_for_no_pass(
    mlflow_server_factory: Callable[..., MlflowServer],
    fault_proxy: Callable[..., FaultProxy],
    on_cluster: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server = mlflow_server_factory(env=ALLOWED)
    models = Models(server.uri, server.database)
    models.add("iris", description("iris"))
    listener = fault_proxy(SimpleNamespace(url="http://127.0.0.1:9", tls=None))
    listener.answer(204)
    monkeypatch.setenv("M2S_WEBHOOK_SECRET", SECRET)
    where = ("--tracking-uri", server.uri)
    registered = m2s("webhook", "register", "--stage", "Staging", *where, "--url", listener.url)
    assert registered.code == 0, registered
    world = World(models, on_cluster.objects, ("--stage", "Staging", *where, *on_cluster.flags[4:]))
    world.apply(BACK)
    assert world("prune", "--all", "--yes", BACK).code == 0
    wait_for(lambda: listener.count("POST") == 4, "a delivery for each tag, set and deleted")
    pokes: list[None] = []
    receiver = Receiver(lambda: SECRET, lambda: pokes.append(None))
    told = [deliver(receiver, request) for request in listener.requests]
    assert (told, pokes) == (["204 No Content"] * 4, [])
    models.client.set_model_version_tag("iris", "1", "m2s.io/replicas", "2")
    wait_for(lambda: listener.count("POST") == 5, "the delivery for a person's tag")
    assert deliver(receiver, listener.requests[-1]) == "204 No Content"
    assert len(pokes) == 1


def deliver(receiver: Receiver, request: Recorded) -> str:
    """Hand on what MLflow sent and return the status of the answer."""
    answered: list[str] = []
    environ: dict[str, Any] = {
        "REQUEST_METHOD": request.method,
        "CONTENT_LENGTH": str(len(request.body)),
        "wsgi.input": io.BytesIO(request.body),
        **{f"HTTP_{k.upper().replace('-', '_')}": v for k, v in request.headers.items()},
    }
    receiver(environ, lambda status, *_: answered.append(status))  # type: ignore[arg-type]  # nobody writes
    return answered[0]
