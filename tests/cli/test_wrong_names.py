"""What is named and is not there: a file, a proxy, a model, a namespace; one line tells which."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.kits.support import Result, m2s
from tests.kits.worlds import World
from tests.servers import ApiServer, free_port

USAGE = 64
GONE = "/no/such/file"


@pytest.mark.parametrize(
    "argv",
    [
        ("plan", "--config", GONE),
        ("plan", "--base-template", GONE),
        ("plan", "--templates", GONE),
        ("plan", "--out", f"{GONE}/plan.json"),
        ("plan", "--target", "kubernetes", "--kubeconfig", GONE),
        ("apply", GONE),
        ("watch", "--once", "--webhook-secret-file", GONE),
    ],
    ids=lambda argv: argv[-2],
)
def test_a_file_that_is_not_there_is_wrong_usage(on_folder: World, argv: tuple[str, ...]) -> None:
    said = on_folder(*argv)
    assert (said.code, said.out if argv[0] == "apply" else "") == (USAGE, "")
    assert GONE in said.error
    assert argv[0] == "apply" or argv[-2] in said.error


def test_so_is_the_file_of_a_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", GONE)
    said = m2s("status")
    remedy = f"KUBECONFIG={GONE}: no such file; correct it, or give --kubeconfig"
    assert (said.code, said.out, said.error) == (USAGE, "", remedy)


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_dead_is_named_for_mlflow(
    scheme: str, on_folder: World, impatient: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy = f"http://me:hunter2@127.0.0.1:{free_port()}"
    monkeypatch.setenv(f"{scheme.upper()}_PROXY", proxy)
    said = on_folder("plan", "--tracking-uri", f"{scheme}://mlflow.example")
    shown = f"the proxy {scheme.upper()}_PROXY={proxy.replace('me:hunter2', '***')} does not work"
    assert (said.code, f"{shown}, connection refused: correct it" in said.error) == (1, True)


@pytest.mark.thorough
def test_and_for_a_cluster(
    on_cluster: World, api_server: ApiServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = api_server.kubeconfig(server="https://kube.example")
    monkeypatch.setenv("HTTPS_PROXY", f"http://127.0.0.1:{free_port()}")
    command = ("status", "--request-timeout", "1s", "--kubeconfig")
    assert "the proxy HTTPS_PROXY=http://127.0.0.1:" in m2s(*command, str(config)).error
    own = f"http://127.0.0.1:{free_port()}"
    text = config.read_text().replace('"server":', f'"proxy-url": "{own}", "server":')
    config = tmp_path / "config"
    config.write_text(text.replace("    server:", f"    proxy-url: {own}\n    server:"))
    assert f"the proxy {own} does not work, connection refused" in m2s(*command, str(config)).error


def test_a_namespace_like_it_is_named(on_cluster: World, namespace: str) -> None:
    said = on_cluster.at(f"{namespace}x")("plan")
    assert (said.code, said.error.endswith(f"; did you mean {namespace}?")) == (1, True)


def words(done: Result) -> tuple[int, str]:
    return done.code, done.err.rpartition("Error: ")[2].rpartition("Warning: ")[2]


def test_an_empty_selection_says_so_alike_for_stages_and_aliases(on_folder: World) -> None:
    on_folder.models.add("iris", alias="champion")
    there = "the registry has the stages Staging (1) and the aliases champion (1)"
    where = on_folder.flags[2:]
    stage = m2s("plan", "--stage", "Production", *where)
    assert words(stage) == (0, f"no model version is in the stage 'Production'; {there}\n")
    alias = m2s("plan", "--alias", "xyz", *where)
    assert words(alias) == (USAGE, f"no model version has the alias 'xyz'; {there}\n")
    near = m2s("plan", "--alias", "champio", *where)
    hint = f"no model version has the alias 'champio'; {there}; did you mean champion?\n"
    assert words(near) == (USAGE, hint)


def test_a_model_that_nothing_matches_is_told(on_folder: World) -> None:
    on_folder.models.add("iris")
    said = words(on_folder("plan", "--model", "irs"))
    assert said == (0, "--model irs selects nothing; did you mean iris?\n")
    assert on_folder("plan", "--model", "ir*").err == ""


def test_blocked_rows_are_an_error_for_a_pipeline(on_folder: World) -> None:
    on_folder.models.add("iris")
    assert on_folder("plan", "--detailed-exitcode").code == 2
    on_folder.models.add("wine", "kind: Broken")
    assert on_folder("plan", "--detailed-exitcode").code == 1
    assert on_folder("plan").code == 0
