"""What ``m2s watch --log-format json`` says, and how often."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.kits.support import Models, Result, m2s, process, seldon
from tests.kits.watch_kit import Start
from tests.kits.worlds import Namespace, World
from tests.servers import ApiServer
from tests.servers.apiserver import SELDON_EDIT
from tests.watch.test_watch import edited

pytestmark = pytest.mark.slow  # processes that are waited for; `make test-all` runs them

JSON = ("watch", "--log-format", "json")


def fatal(done: Result) -> tuple[int, str]:
    """Return the code and the message of a watch that could not start: one line, nothing else."""
    (line,) = [json.loads(each) for each in done.err.splitlines()]
    assert (line["level"], done.out) == ("critical", "")
    return done.code, line["message"]


def test_what_keeps_it_from_starting_is_a_line_of_the_log(
    on_folder: World, api_server: ApiServer
) -> None:
    nothing, taken = on_folder.flags[2:], api_server.url.removeprefix("https://")
    code, said = fatal(m2s(*JSON, *nothing))
    assert (code, said.partition(";")[0]) == (64, "no selector: give --stage or --alias")
    code, said = fatal(m2s(*JSON, *on_folder.flags, "--webhook-secret-file", "gone"))
    assert (code, said) == (64, "--webhook-secret-file: gone: No such file or directory")
    code, said = fatal(m2s(*JSON, *on_folder.flags, "--listen", taken))
    assert (code, said) == (1, f"--listen {taken}: Address already in use: choose another port")


def test_so_is_a_lease_that_may_not_be_had(
    api_server: ApiServer, namespace: str, sqlite_registry: str
) -> None:
    config = api_server.kubeconfig(api_server.user(namespace, [SELDON_EDIT]), namespace=namespace)
    where = ("--kubeconfig", str(config), "--tracking-uri", sqlite_registry)
    code, said = fatal(process(*JSON, *where, "--stage", "Staging", "--leader-elect"))
    assert (code, f"may not get leases in namespace {namespace}" in said) == (1, True)


def test_settings_that_cannot_be_read_do_not_say_how_to_log(on_folder: World) -> None:
    done = m2s(*JSON, *on_folder.flags, "--interval", "soon")
    assert (done.code, done.error.startswith("--interval: ")) == (64, True)


def with_secret(name: str) -> str:
    body = seldon("iris")
    body["spec"]["predictors"][0]["graph"]["envSecretRefName"] = name
    return yaml.safe_dump(body)


def test_what_preflight_cannot_look_at_is_said_once_until_it_changes(
    api_server: ApiServer, namespace: str, sqlite_registry: str, start: Start
) -> None:
    models, objects = Models(sqlite_registry), Namespace(api_server, namespace)
    config = api_server.kubeconfig(api_server.user(namespace, [SELDON_EDIT]), namespace=namespace)
    models.add("iris", with_secret("first"))
    where = ("--kubeconfig", str(config), "--tracking-uri", sqlite_registry)
    watch = start("--stage", "Staging", *where, "--interval", "1s")
    first = "not checked: Secret first: user system:serviceaccount:"
    assert watch.await_line(first)["level"] == "warning"
    for count in (1, 2):
        objects.patch("iris", edited(7))
        watch.await_line("updated iris: drifted", count=count)
    models.add("iris", with_secret("second"), stage=None)
    models.move("iris", 2, "Staging")
    watch.await_line("not checked: Secret second")
    assert len(watch.said(first)) == 1
    models.move("iris", 1, "Staging")
    watch.await_line(first, count=2)
    assert len(watch.said("not checked: Secret second")) == 1
