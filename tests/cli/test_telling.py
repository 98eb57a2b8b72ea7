"""``-v`` tells each step and ``--debug`` each request, on standard error, without any secret."""

from __future__ import annotations

import json
import re

import pytest

from tests.kits.support import Result, m2s
from tests.kits.worlds import Proxied, World
from tests.servers import free_port

REQUEST = re.compile(
    r"(GET|POST|PATCH|PUT|DELETE) (https?://\S+): (\d{3}|\w+) in \d+\.\d{3} s", re.ASCII
)


def requests(done: Result) -> list[tuple[str, str, str]]:
    """Return the requests that were told: method, URL, and status or what they failed with."""
    found = [REQUEST.fullmatch(line) for line in done.err.splitlines()]
    return [(each[1], each[2], each[3]) for each in found if each]


@pytest.mark.parametrize("where", ["before", "behind"])
def test_each_step_is_told(on_folder: World, where: str) -> None:
    on_folder.models.add("iris")
    quiet = on_folder("plan", "-o", "json")
    command = ("plan", *on_folder.flags, "-o", "json")
    told = m2s("-v", *command) if where == "before" else m2s(*command, "--verbose")
    assert (told.code, told.out, quiet.err) == (0, quiet.out, "")
    assert f"the registry is {on_folder.flags[3]}" in told.err
    assert "reading stage=Staging of" in told.err
    assert "Comparing: 1" in told.err.splitlines()
    assert "\ncreated iris-staging: " in on_folder("apply", "-v").err


def test_the_variable_tells_too_and_the_next_command_is_quiet_again(
    on_folder: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    on_folder.models.add("iris")
    monkeypatch.setenv("M2S_VERBOSE", "true")
    assert "the registry is" in on_folder("plan").err
    assert on_folder("plan", "--no-verbose").err == ""
    monkeypatch.delenv("M2S_VERBOSE")
    assert on_folder("plan").err == ""


def test_each_request_is_told_to_both_sides(proxied: Proxied) -> None:
    proxied.add("iris")
    done = proxied("apply", "--debug")
    assert done.code == 0
    told = requests(done)
    for side in (proxied.mlflow, proxied.kubernetes):
        here = [line for line in told if line[1].startswith(side.url)]
        assert len(here) == len(side.requests), side.url
    assert {method for method, _, _ in told} >= {"GET", "PATCH"}
    assert {status for _, _, status in told} <= {"200", "201", "404"}
    assert "dryRun=All" in done.err


def test_a_request_that_fails_is_told_with_its_cause(proxied: Proxied) -> None:
    proxied.kubernetes.answer(500, {}, times=1)
    assert "500" in {status for _, _, status in requests(proxied("plan", "--debug"))}
    lost = proxied("plan", "--debug", "--tracking-uri", f"http://127.0.0.1:{free_port()}")
    assert "ConnectionError" in {status for _, _, status in requests(lost)}


def test_no_secret_is_told(proxied: Proxied, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "hunter2-token")
    deploy = (
        "apiVersion: machinelearning.seldon.io/v1\nkind: SeldonDeployment\nspec:\n  predictors:\n"
        "  - name: default\n    graph: {name: m, implementation: MLFLOW_SERVER}\n"
        "    componentSpecs:\n    - spec:\n        containers:\n        - name: m\n"
        "          env: [{name: PASSWORD, value: hunter2-value}]\n"
    )
    proxied.add("iris", deploy)
    uri = proxied.mlflow.url.replace("://", "://me:hunter2-uri@")
    done = proxied("apply", "--debug", "--tracking-uri", uri)
    assert (done.code, len(requests(done)) > 3) == (0, True)
    assert "hunter2" not in done.err + done.out


def test_watch_tells_in_its_log(proxied: Proxied) -> None:
    done = proxied("watch", "--once", "--log-format", "json", "--debug")
    lines = [json.loads(line) for line in done.err.splitlines()]
    told = [line["message"] for line in lines if line["logger"] == "m2s.trace"]
    assert {line["level"] for line in lines if line["logger"] == "m2s.trace"} == {"debug"}
    assert any(REQUEST.fullmatch(line) for line in told)
