"""Law 7: secrets appear in no output, log, manifest or saved plan."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from m2s.cli import connect
from m2s.engine import reconcile
from m2s.engine.execute import execute
from m2s.output import document, markdown, plan_view
from m2s.plan.changes import Action
from m2s.settings import build
from m2s.targets.folder.namespace import FolderCluster
from tests.cli.test_end_to_end_prompt import on_a_terminal
from tests.kits.fakes import FakeRegistry
from tests.kits.support import Result, m2s, process, seldon
from tests.kits.worlds import Proxied, World
from tests.servers import free_port, kubernetes_status

SECRETS = {
    "tracking URI": "hunter2-uri", "tracking password": "hunter2-password",
    "tracking token": "hunter2-token", "container": "hunter2-container", "number": "8675309123",
    "parameter": "hunter2-parameter", "model URI": "hunter2-model", "signature": "hunter2-sig",
    "map": "hunter2-map", "storage key": "hunter2-storage", "literal": "plain-literal",
    "argument": "plain-argument", "webhook": "hunter2-webhook", "pin": "4711471147",
    "token": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.hunter2sig",
}  # fmt: skip
FORMATS = ("table", "json", "yaml", "markdown")


def with_secrets(number: int = 1) -> str:
    """Return a description with secrets where people put them, different for each number."""
    body = seldon()
    predictor = body["spec"]["predictors"][0]
    predictor["graph"]["parameters"] = [
        {"name": "api_token", "value": f"{SECRETS['parameter']}-{number}", "type": "STRING"}
    ]
    predictor["annotations"] = {
        "about": f"call https://hooks.slack.com/services/{SECRETS['webhook']}{number}",
        "why": f"PWD={SECRETS['container']}{number} {SECRETS['token']}",
    }
    container = predictor["componentSpecs"][0]["spec"]["containers"][0]
    container["env"] = [
        {"name": "DB_PASSWORD", "value": f"{SECRETS['container']}-{number}"},
        {"name": "DB_URL", "value": f"postgres://me:{SECRETS['container']}{number}@db/{number}"},
        {"name": "ENCRYPTION_KEY", "value": f"{SECRETS['pin']}{number}"},
        {"name": "PLAIN", "value": f"{SECRETS['literal']}-{number}"},
        {"name": "WORKERS", "value": f"{number}001"},
    ]
    container["args"] = [f"--label={SECRETS['argument']}{number}", f"{SECRETS['argument']}{number}"]
    predictor["svcOrchSpec"] = {
        "env": [{"name": "ENGINE_SETTING", "value": f"{SECRETS['literal']}-{number}"}]
    }
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


@pytest.mark.thorough
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
    results.append(world("plan", "--explain", f"{name}-{world.alias}"))
    world.add("iris", with_secrets(3))
    results.append(world("watch", "--once", "--log-format", "json"))
    told = world.objects.server.call("GET", f"/api/v1/namespaces/{world.objects.name}/events")
    results.append(Result(0, str(told), ""))
    cluster = (f"{name}-{world.alias}", *world.flags[:2], *world.flags[4:])
    results.append(m2s("rollback", *cluster, "-o", "json"))
    results.append(m2s("rollback", *cluster, "--unpin", "-o", "markdown"))
    world.models.alias(name, world.alias, None)
    results += [world("plan"), world("prune", "--all", "--yes", "-o", "json")]
    assert {result.code for result in results} == {0}
    said = assert_silent(world, results, saved)
    assert "'reason': 'Promoted'" in said, "the Events were looked at"
    assert "env[WORKERS].value 1001 → 2001" in said
    assert "env[PLAIN].value changed, value hidden" in said
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


@pytest.mark.thorough
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


@pytest.mark.thorough
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


def env(**values: str) -> str:
    """Return a description whose container has these variables."""
    body = seldon("iris")
    container = body["spec"]["predictors"][0]["componentSpecs"][0]["spec"]["containers"][0]
    container["env"] = [{"name": name, "value": value} for name, value in values.items()]
    return yaml.safe_dump(body)


@pytest.mark.parametrize("output", FORMATS)
def test_a_plan_is_the_same_whatever_a_secret_is(tmp_path: Path, output: str) -> None:
    """So nobody can tell one from another by it, nor try them out: there is no digest of them."""
    said = [plan_with(tmp_path / pin, output, PIN=pin, MODE=f"mode-{pin}") for pin in "12"]
    assert said[0] == said[1]
    assert "iris" in said[0]
    assert plan_with(tmp_path / "3", output, PIN="3", MODE="x", MORE="x") != said[0] or (
        output in ("table", "markdown")
    )


def plan_with(folder: Path, output: str, **values: str) -> str:
    """Return a plan that creates one deployment, updates one and leaves one, all with a secret."""
    registry = FakeRegistry()
    for name in ("a", "b", "iris"):
        deploy = env(**values).replace("name: iris", f"name: {name}")
        registry.add(name, deploy)
    chosen = build.build({"stage": ["Staging"]}, {})
    target = FolderCluster(folder, "default")
    made = reconcile.make_plan(registry, target, chosen)
    execute(replace(made, changes=made.changes[:2]), target)
    registry.add("b", env(**{**values, "NEW": values["MODE"]}).replace("name: iris", "name: b"))
    made = replace(reconcile.make_plan(registry, target, chosen), target="dir")
    assert [made.count(action) for action in Action] == [1, 1, 0, 1, 0]
    if output == "table":
        console = Console(file=io.StringIO(), width=80)
        with console.capture() as captured:
            console.print(plan_view.plan_table(made))
        return captured.get()
    if output == "markdown":
        return markdown.plan_markdown(made)
    return document.text(document.of_plan(made), output)


def test_a_saved_plan_notices_a_hidden_value_that_changed(world: Proxied, tmp_path: Path) -> None:
    saved = tmp_path / "plan.json"
    name = world.add("iris", env(MODE="abc"))
    assert world("plan", "--out", str(saved)).code == 0
    run = world.models.run_of(name, 1)
    world.models.client.log_text(run, env(MODE="xyz"), "deploy.yaml")
    result = m2s("apply", str(saved), *world.flags[2:], "--no-cache")
    assert result.code == 3
    assert "the value of an environment variable or an argument changed" in result.error
    world.models.client.log_text(run, env(MODE="abc"), "deploy.yaml")
    assert m2s("apply", str(saved), *world.flags[2:], "--no-cache").code == 0


def test_a_plan_that_an_earlier_release_saved_is_applied(world: Proxied, tmp_path: Path) -> None:
    """Its digests are of whole objects, secrets included."""
    saved = tmp_path / "plan.json"
    world.add("iris", env(MODE="abc"))
    assert world("plan", "--out", str(saved)).code == 0
    chosen = build.build(flags_of(world), {})
    made = reconcile.make_plan(connect.registry(chosen), connect.cluster(chosen), chosen)
    old = document.of_plan(made, (), document.whole_digest)
    saved.write_text(json.dumps({**old, "settings": json.loads(saved.read_text())["settings"]}))
    assert m2s("apply", str(saved), *world.flags[2:]).code == 0


def flags_of(world: Proxied) -> dict[str, Any]:
    names = [flag.removeprefix("--") for flag in world.flags[::2]]
    given: dict[str, Any] = dict(zip(names, world.flags[1::2], strict=True))
    return {**given, "alias": [given["alias"]]}


def test_the_platform_team_lists_what_is_shown(on_folder: World, tmp_path: Path) -> None:
    on_folder.models.add("iris", env(MODE="a-mode", DB_PASSWORD="hunter2", LEVEL="a-level"))
    shown = ("-o", "json", "--show-env", "MO*", "--show-env", "*PASSWORD")
    assert "a-mode" not in on_folder("plan", "-o", "json").out
    said = on_folder("plan", *shown, "--out", str(tmp_path / "plan.json")).out
    assert ("a-mode" in said, "hunter2" in said, "a-level" in said) == (True, False, False)
    assert on_folder("plan", "--show-env", "not a name").code == 64


@pytest.mark.parametrize("argv", [(), ("-o", "json"), ("-o", "markdown"), ("--out", "plan.json")])
def test_values_are_shown_to_nobody_but_a_terminal(on_folder: World, argv: tuple[str, ...]) -> None:
    result = on_folder("plan", "--show-values", *argv)
    assert (result.code, result.out) == (64, "")
    assert "--show-values is for a table on a terminal" in result.error


@pytest.mark.thorough
def test_a_terminal_shows_values_on_request_but_no_secret(on_folder: World) -> None:
    on_folder.models.add("iris", env(MODE="a-mode", DB_PASSWORD="hunter2"))
    on_folder.apply()
    on_folder.models.add("iris", env(MODE="b-mode", DB_PASSWORD="hunter3"))
    code, said = on_a_terminal(on_folder, "plan", "")
    assert (code, said.count("changed, value hidden")) == (0, 2)
    code, said = on_a_terminal(on_folder, "plan --show-values", "")
    assert code == 0
    assert "a-mode → b-mode" in said
    assert said.count("changed, value hidden") == 1
    assert "hunter" not in said
