"""``m2s check``: both sides as they are, and every right by the API server's own word."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.kits.chart_kit import Helm, create, token
from tests.kits.support import Models, Result, m2s
from tests.servers import ApiServer, FaultProxy, MlflowServer, free_port
from tests.servers.apiserver import SELDON_EDIT, Rule
from tests.servers.faults import kubernetes_status

NEXT = "; run `m2s check` to see what works"
COMMANDS = {"plan", "apply", "prune", "rollback", "status", "watch"}
OPTIONAL = {"Events", "status: why", "--leader-elect", "--wait", "preflight"}
ALIAS = ("--alias", "checked")


@dataclass(frozen=True)
class Sides:
    """A registry, and a namespace of the API server with accounts of all kinds."""

    registry: str
    server: ApiServer
    namespace: str

    def __call__(self, *argv: str, rules: list[Rule] | None = None) -> Result:
        """Run the check as an account that may do ``rules``; as the administrator with None."""
        user = None if rules is None else self.server.user(self.namespace, rules)
        config = self.server.kubeconfig(user, namespace=self.namespace)
        return m2s("check", "--tracking-uri", self.registry, "--kubeconfig", str(config), *argv)

    def document(self, *argv: str, rules: list[Rule] | None = None) -> Any:
        result = self(*argv, "-o", "json", rules=rules)
        assert result.code == (0 if result.document["ok"] else 1), result
        assert result.err == ""
        return result.document


@pytest.fixture
def sides(sqlite_registry: str, api_server: ApiServer, namespace: str) -> Sides:
    return Sides(sqlite_registry, api_server, namespace)


def seldon_without(*verbs: str) -> Rule:
    return {**SELDON_EDIT, "verbs": [verb for verb in SELDON_EDIT["verbs"] if verb not in verbs]}


def broken(document: Any) -> set[str]:
    return {part["command"] for part in document["commands"] if not part["works"]}


def words(result: Result) -> str:
    """What a table says, however it is folded."""
    return " ".join(result.out.split())


def test_one_screen_tells_both_sides(sides: Sides, mlflow_server: MlflowServer) -> None:
    models = Models(mlflow_server.uri, mlflow_server.database)
    models.add("checked", stage="Production", alias="checked")
    result = sides("--tracking-uri", mlflow_server.uri)
    assert result.code == 0, result
    shown = words(result)
    assert f"Registry {mlflow_server.uri} Version MLflow 3." in shown
    assert "Production (" in shown
    assert "checked (1)" in shown
    assert "Works stages, aliases, webhooks, workspaces" in shown
    assert f"Target {sides.server.url} Version Kubernetes v" in shown
    assert f"Account admin Namespace {sides.namespace} plan works apply works" in shown
    assert result.out.endswith("\nCheck: all that is needed is there\n")
    assert len(result.out.splitlines()) <= 24
    assert max(map(len, result.out.splitlines())) <= 80


def test_the_document_has_this_shape(sides: Sides) -> None:
    document = sides.document()
    assert set(document) == {
        "format_version", "ok", "registry", "target", "commands", "problems",
    }  # fmt: skip
    assert document["format_version"] == "1.0"
    assert set(document["registry"]) == {
        "identity", "version", "workspace", "workspaces", "stages", "aliases", "works", "lacks",
        "problem",
    }  # fmt: skip
    assert set(document["target"]) == {"identity", "namespace", "version", "account", "problems"}
    assert {part["command"] for part in document["commands"]} == COMMANDS | OPTIONAL
    for part in document["commands"]:
        assert set(part) == {"command", "works", "needed", "missing"}
    assert broken(document) == set()


@pytest.mark.parametrize(
    ("verb", "lacking"),
    [
        ("list", COMMANDS),
        ("get", COMMANDS - {"status"}),
        ("create", COMMANDS - {"status"}),
        ("patch", COMMANDS - {"status"}),
        ("watch", {"watch"}),
        ("delete", {"prune"}),
    ],
)
def test_a_missing_verb_is_told_for_each_command(
    sides: Sides, verb: str, lacking: set[str]
) -> None:
    result = sides("-o", "json", rules=[seldon_without(verb)])
    assert result.code == 1
    assert broken(result.document) - OPTIONAL == lacking
    (problem,) = result.document["problems"]
    assert f"this account may not {verb} seldondeployments in namespace" in problem
    assert "allow it with a Role" in problem


def test_what_is_optional_is_told_and_no_problem(sides: Sides) -> None:
    result = sides(rules=[SELDON_EDIT])
    assert result.code == 0, result
    shown = words(result)
    assert "Events may not create, patch events (not needed: no Events are written)" in shown
    assert "preflight may not get secrets; get serviceaccounts" in shown


def test_what_the_settings_ask_for_is_needed(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    elects = sides("--leader-elect", "--stage", "Staging", rules=[SELDON_EDIT])
    assert elects.code == 1
    assert "may not create leases; get, update leases m2s-stage-staging" in words(elects)
    monkeypatch.setenv("M2S_WAIT", "true")
    waits = sides(rules=[SELDON_EDIT])
    assert waits.code == 1
    assert "Problem this account may not list deployments in namespace" in words(waits)


def test_watch_with_sync_deletes(sides: Sides) -> None:
    assert "watch" in broken(sides.document("--policy", "sync", rules=[seldon_without("delete")]))


def test_an_account_without_rights_is_told_them_all(sides: Sides) -> None:
    document = sides.document(rules=[])
    assert broken(document) == COMMANDS | OPTIONAL
    assert document["registry"]["problem"] is None
    assert document["target"]["account"].startswith("system:serviceaccount:")


@pytest.mark.parametrize("preflight", [False, True])
def test_the_charts_role_is_all_that_its_m2s_needs(
    helm: Helm, sides: Sides, tmp_path: Path, preflight: bool
) -> None:
    sets = (f"mlflow.namespace={sides.namespace}", f"preflight={str(preflight).lower()}")
    system = sides.server.namespace("m2s")
    release = helm.template(None, "mlflow.stage=Staging", *sets, namespace=system)
    for kind in ("ServiceAccount", "Role", "RoleBinding"):
        for body in release.all(kind):
            create(sides.server, body)
    (tmp_path / "m2s.yaml").write_text(release.config)
    account = token(sides.server, release.one("ServiceAccount"))
    config = ("--config", f"{tmp_path}/m2s.yaml", "--tracking-uri", sides.registry)
    kubeconfig = str(sides.server.kubeconfig(account))
    result = m2s("check", *config, "--kubeconfig", kubeconfig, "-o", "json")
    assert result.code == 0, result
    assert broken(result.document) == {"--wait", "status: why"} | (
        set() if preflight else {"preflight"}
    )


@pytest.mark.thorough
def test_each_side_is_tried_whatever_the_other_one_does(
    sides: Sides, namespace: str, impatient: None
) -> None:
    nobody = f"http://127.0.0.1:{free_port()}"
    registry = sides.document("--tracking-uri", nobody)
    assert not registry["ok"]
    (problem,) = registry["problems"]
    assert "connection refused: is it running? Check --tracking-uri" in problem
    assert broken(registry) == set()
    assert registry["commands"]
    config = str(sides.server.kubeconfig(namespace=namespace, server="https://127.0.0.1:1"))
    cluster = sides.document("--kubeconfig", config)
    (problem,) = cluster["problems"]
    assert "https://127.0.0.1:1 cannot be reached" in problem
    assert cluster["commands"] == []
    assert cluster["registry"]["stages"] == {}
    neither = sides.document("--kubeconfig", config, "--tracking-uri", nobody)
    assert len(neither["problems"]) == 2
    assert not any("\n" in line or NEXT in line for line in neither["problems"])


def test_credentials_that_are_not_accepted(sides: Sides, namespace: str) -> None:
    config = str(sides.server.kubeconfig("not-a-token", namespace=namespace))
    (problem,) = sides.document("--kubeconfig", config)["problems"]
    assert "does not accept these credentials (401 Unauthorized)" in problem


def test_nothing_is_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = m2s("check")
    assert result.code == 1
    assert "Problem no registry: give --tracking-uri" in words(result)
    assert "Problem no cluster to talk to: give a kubeconfig" in words(result)


def test_a_namespace_that_is_not_there(sides: Sides) -> None:
    (problem,) = sides.document("-n", "nowhere")["problems"]
    assert problem.startswith("namespace nowhere does not exist on https://")


@pytest.mark.parametrize(
    ("path", "status", "body", "said"),
    [
        (
            "/apis/machinelearning.seldon.io/v1$",
            404,
            "404 page not found",
            "install Seldon Core v1",
        ),
        ("/version", 200, {}, "does not answer as a Kubernetes API server"),
        ("selfsubjectaccessreviews", 201, {}, "is no SelfSubjectAccessReview"),
        (
            "selfsubjectaccessreviews",
            403,
            kubernetes_status(403, "Forbidden", "nobody may ask"),
            "nobody may ask",
        ),
    ],
)
def test_an_answer_that_says_nothing_is_a_problem(
    sides: Sides,
    fault_proxy: Callable[..., FaultProxy],
    path: str,
    status: int,
    body: Any,
    said: str,
) -> None:
    proxy = fault_proxy(sides.server)
    proxy.answer(status, body, path=path)
    config = sides.server.kubeconfig(namespace=sides.namespace, server=proxy.url)
    (problem,) = sides.document("--kubeconfig", str(config))["problems"]
    assert said in problem


def test_an_account_that_may_not_look_around_can_still_be_told(
    sides: Sides, fault_proxy: Callable[..., FaultProxy]
) -> None:
    proxy = fault_proxy(sides.server)
    forbidden = kubernetes_status(403, "Forbidden", "forbidden")
    for path in ("/version", "/api/v1/namespaces/", "/seldon.io/v1$", "selfsubjectreviews"):
        proxy.answer(403, forbidden, path=path)
    config = sides.server.kubeconfig(namespace=sides.namespace, server=proxy.url)
    document = sides.document("--kubeconfig", str(config))
    assert document["ok"]
    assert document["target"]["version"] is None


@pytest.mark.thorough
def test_nothing_is_written(
    sides: Sides, fault_proxy: Callable[..., FaultProxy], tmp_path: Path
) -> None:
    proxy = fault_proxy(sides.server)
    config = sides.server.kubeconfig(namespace=sides.namespace, server=proxy.url)
    assert sides.document("--kubeconfig", str(config))["ok"]
    writes = [each for each in proxy.requests if each.method != "GET"]
    assert writes
    assert all("/selfsubject" in each.path for each in writes)
    target = tmp_path / "cluster"
    assert sides("--target", f"dir:{target}").code == 0
    assert not target.exists()


def test_what_an_older_mlflow_lacks_is_told(
    sides: Sides, mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    proxy = fault_proxy(mlflow_server)
    proxy.answer(200, "1.30.1", path="/version$")
    document = sides.document("--tracking-uri", proxy.url)
    assert document["registry"]["version"] == "1.30.1"
    lacks = "aliases are from MLflow 2.3 on, and this is MLflow 1.30.1"
    assert lacks in document["registry"]["lacks"]
    assert document["registry"]["works"] == []
    assert f"Lacks {lacks}" in words(sides("--tracking-uri", proxy.url))


def test_a_folder_is_told_by_whether_it_can_be_written(
    sides: Sides, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "cluster"
    document = sides.document("--target", f"dir:{target}", "-n", "shop")
    assert document["ok"]
    assert document["target"]["identity"] == f"dir:{target}"
    assert document["target"]["namespace"] == "shop"
    assert {part["command"] for part in document["commands"]} == {
        "plan", "apply", "prune", "watch",
    }  # fmt: skip
    real = os.access  # the tests may be root's, who may write everywhere
    monkeypatch.setattr(os, "access", lambda at, mode: at != tmp_path and real(at, mode))
    document = sides.document("--target", f"dir:{target}")
    assert broken(document) == {"apply", "prune", "watch"}
    assert document["problems"] == [
        f"{tmp_path} cannot be written: allow it, or correct --target dir:PATH"
    ]


def test_a_folder_that_is_none_is_a_problem(sides: Sides, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    document = sides.document("--target", f"dir:{tmp_path}/file")
    assert "not a directory" in document["problems"][0]
    assert broken(document) == {"plan", "apply", "prune", "watch"}


def test_no_password_is_shown(sides: Sides, impatient: None) -> None:
    uri = f"http://anna:p4ss-w0rd@127.0.0.1:{free_port()}"
    for output in ("table", "json", "markdown"):
        assert "p4ss-w0rd" not in sides("--tracking-uri", uri, "-o", output).out


@pytest.mark.parametrize("command", ["plan", "apply", "prune", "watch"])
def test_a_connection_error_points_to_the_check(
    sides: Sides, impatient: None, command: str
) -> None:
    yes = ("--yes",) if command == "prune" else ()
    where = (command, *yes, *ALIAS, "--tracking-uri", f"http://127.0.0.1:{free_port()}")
    cluster = ("--kubeconfig", str(sides.server.kubeconfig(namespace=sides.namespace)))
    once = ("--once",) if command == "watch" else ()
    registry = m2s(*where, *cluster, *once)
    assert registry.code == 1
    assert registry.err.splitlines()[-1].endswith(NEXT), registry


@pytest.mark.parametrize("bad", ["token", "server", "namespace"])
def test_a_cluster_that_cannot_be_asked_points_to_the_check(sides: Sides, bad: str) -> None:
    good = {"namespace": sides.namespace}
    broken = {"token": "no-token", "server": "https://127.0.0.1:1", "namespace": "nowhere"}
    config = sides.server.kubeconfig(**{**good, bad: broken[bad]})
    where = ("--kubeconfig", str(config))
    assert m2s("status", *where).error.endswith(NEXT)


def test_an_error_of_usage_does_not(sides: Sides) -> None:
    assert "m2s check" not in m2s("plan", "--stage", "Nowhere").error
