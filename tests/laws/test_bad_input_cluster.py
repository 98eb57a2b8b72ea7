"""Law 8, the cluster's side: whatever is missing there is one line, and nothing is written."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.kits.support import Result
from tests.kits.worlds import World
from tests.servers import ApiServer, FaultProxy, free_port, kubernetes_status

COMMANDS = [("plan",), ("apply", "--prune"), ("prune", "--yes"), ("prune", "--all", "--yes")]


@pytest.fixture
def deployed(on_cluster: World) -> Iterator[World]:
    """A namespace with one deployment, which is there untouched afterwards."""
    on_cluster.models.add("iris")
    on_cluster.apply()
    before = on_cluster.objects.snapshot()
    yield on_cluster
    assert on_cluster.objects.snapshot() == before


def assert_refused(result: Result, *words: str, code: int = 1) -> None:
    assert result.error
    assert (result.code, result.out) == (code, "")
    lines = [line for line in result.err.splitlines() if not line.startswith("Waiting for ")]
    assert len(lines) == 1
    for word in words:
        assert word in result.error


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_namespace_that_does_not_exist(deployed: World, command: tuple[str, ...]) -> None:
    result = deployed.at("nowhere")(*command)
    assert_refused(result, "namespace nowhere does not exist", "--namespace")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_cluster(deployed: World, api_server: ApiServer, command: tuple[str, ...]) -> None:
    server = f"https://127.0.0.1:{free_port()}"
    config = api_server.kubeconfig(server=server)
    result = deployed(*command, "--kubeconfig", str(config))
    assert_refused(result, server, "onnection refused", "--context")


def test_credentials_that_are_not_accepted(deployed: World, api_server: ApiServer) -> None:
    config = api_server.kubeconfig("not-a-token")
    result = deployed("apply", "--prune", "--kubeconfig", str(config))
    assert_refused(result, "401", "log in again")


def test_an_account_that_may_nothing(deployed: World, api_server: ApiServer) -> None:
    config = api_server.kubeconfig(api_server.user(deployed.objects.name))
    result = deployed("apply", "--prune", "--kubeconfig", str(config))
    assert_refused(result, "may not list seldondeployments", "Role")


def test_a_cluster_without_seldon_core(
    deployed: World, api_server: ApiServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    """As kube-apiserver answers for a path that it does not serve."""
    proxy = fault_proxy(api_server)
    proxy.answer(404, "404 page not found\n", path="/apis/machinelearning.seldon.io/")
    config = api_server.kubeconfig(server=proxy.url)
    for command in COMMANDS:
        result = deployed(*command, "--kubeconfig", str(config))
        assert_refused(result, "SeldonDeployments", "install Seldon Core v1")


def test_something_that_is_no_api_server(
    deployed: World, api_server: ApiServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    proxy = fault_proxy(api_server)
    proxy.answer(200, "<html>welcome</html>")
    config = api_server.kubeconfig(server=proxy.url)
    result = deployed("apply", "--prune", "--kubeconfig", str(config))
    assert_refused(result, "not JSON", "kubeconfig")


def test_an_api_server_in_trouble(
    deployed: World, api_server: ApiServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    proxy = fault_proxy(api_server)
    proxy.answer(500, kubernetes_status(500, "InternalError", "etcd\nis on fire"))
    config = api_server.kubeconfig(server=proxy.url)
    result = deployed("apply", "--prune", "--kubeconfig", str(config))
    assert_refused(result, "etcd is on fire")


KUBECONFIGS = {
    "no such file": (None, "no such file"),
    "broken YAML": ("a: [\n", "line "),
    "no kubeconfig": ("- a\n", "holds no kubeconfig"),
    "empty": ("", "holds no kubeconfig"),
    "no context": ("apiVersion: v1\nkind: Config\n", "--context"),
    "contexts of the wrong type": ("contexts: 7\n", "contexts"),
    "a context that is not there": ("current-context: x\ncontexts: []\n", "'x'"),
    "a cluster that is not there": (
        "current-context: x\ncontexts: [{name: x, context: {cluster: y, user: z}}]\n", "context x",
    ),
    "binary": ("\x00\x01\x02", "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("kind", KUBECONFIGS)
def test_a_kubeconfig_that_is_none(deployed: World, tmp_path: Path, kind: str) -> None:
    content, says = KUBECONFIGS[kind]
    path = tmp_path / "config"
    if content is not None:
        path.write_text(content)
    result = deployed("apply", "--prune", "--kubeconfig", str(path))
    assert_refused(result, str(path), says, code=64 if content is None else 1)


def test_a_context_that_is_not_there(deployed: World) -> None:
    assert_refused(deployed("plan", "--context", "prod"), "no context 'prod'", "there is test")


def test_no_kubeconfig_at_all(on_cluster: World) -> None:
    where = on_cluster.flags.index("--kubeconfig")
    flags = (*on_cluster.flags[:where], *on_cluster.flags[where + 2 :])
    on_cluster.models.add("iris")
    result = World(on_cluster.models, on_cluster.objects, flags)("apply")
    assert_refused(result, "--kubeconfig", "KUBECONFIG", "--target dir:PATH")
