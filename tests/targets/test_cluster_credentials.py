"""Where credentials come from, and what is said when there are none that work."""

from __future__ import annotations

import os
import stat
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from kubernetes.config.incluster_config import InClusterConfigLoader

from m2s.base.errors import ClusterError, UsageError
from m2s.targets.kubernetes import credentials
from m2s.targets.kubernetes.namespace import connect
from tests.servers import ApiServer
from tests.servers.apiserver import SELDON_EDIT


def config(server: ApiServer, name: str, user: dict[str, Any], **context: str) -> dict[str, Any]:
    """Return a kubeconfig whose cluster, user and only, current context have one name."""
    cluster = {"server": server.url, "certificate-authority": str(server.ca_file)}
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": name,
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name, **context}}],
    }


def written(folder: Path, name: str, whole: Any) -> str:
    file = folder / name
    file.write_text(whole if isinstance(whole, str) else yaml.safe_dump(whole))
    return str(file)


def refusal(*arguments: Any) -> str:
    with pytest.raises(ClusterError) as refused:
        connect(*arguments)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_kubeconfig_is_the_first_choice_then_the_variable_then_home(
    api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = {"token": api_server.admin_token}
    files = {
        place: written(tmp_path, place, config(api_server, place, token, namespace=place))
        for place in ("flag", "variable", "home")
    }
    home = tmp_path / "user"
    (home / ".kube").mkdir(parents=True)
    (home / ".kube" / "config").symlink_to(files["home"])
    monkeypatch.setenv("HOME", str(home))
    assert connect(None, None, None).namespace == "home"
    monkeypatch.setenv("KUBECONFIG", files["variable"])
    assert connect(None, None, None).namespace == "variable"
    assert connect(None, files["flag"], None).namespace == "flag"
    assert connect("stated", files["flag"], None).namespace == "stated"


def test_a_list_of_kubeconfigs_is_one(
    api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = {"token": api_server.admin_token}
    one = config(api_server, "one", token, namespace="default")
    two = config(api_server, "two", token, namespace="kube-system")
    files = [written(tmp_path, "1", one), str(tmp_path / "absent"), written(tmp_path, "2", two)]
    monkeypatch.setenv("KUBECONFIG", os.pathsep.join(files))
    assert connect(None, None, None).namespace == "default"  # the first that says one, as kubectl
    second = connect(None, None, "two")
    assert second.namespace == "kube-system"
    assert second.list() == ()


def test_without_a_namespace_anywhere_it_is_default(api_server: ApiServer) -> None:
    assert connect(None, str(api_server.kubeconfig()), None).namespace == "default"


def test_a_context_that_does_not_exist_is_told_with_those_that_do(
    api_server: ApiServer, tmp_path: Path
) -> None:
    whole = config(api_server, "prod", {})
    file = written(tmp_path, "kubeconfig", whole)
    assert "no context 'stag'; there is prod" in refusal(None, file, "stag")
    del whole["current-context"]
    file = written(tmp_path, "kubeconfig", whole)
    assert "sets no current-context: give --context (prod)" in refusal(None, file, None)


def test_no_credentials_at_all_tells_the_three_ways() -> None:
    said = refusal(None, None, None)
    assert all(way in said for way in ("--kubeconfig", "KUBECONFIG", "in a pod"))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("clusters: [\n- x", "line 2"),
        ("just a text", "holds no kubeconfig"),
        ("contexts: 3\n", "contexts is not a list"),
        ("current-context: a\ncontexts: [{name: a, context: {cluster: b}}]\n", "clusters"),
        ("a: \x00", "cannot be read"),
    ],
)
def test_a_kubeconfig_that_is_none_is_named(tmp_path: Path, content: str, said: str) -> None:
    file = written(tmp_path, "broken-config", content)
    assert "broken-config" in refusal(None, file, None)
    assert said in refusal(None, file, None)


def test_a_kubeconfig_that_is_not_there_is_named() -> None:
    with pytest.raises(UsageError, match=r"--kubeconfig /no/such/file: no such file"):
        connect(None, "/no/such/file", None)


def test_so_is_the_variable_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/no/such/file:/nor/this")
    with pytest.raises(UsageError, match=r"KUBECONFIG=/no/such/file:/nor/this: no such file"):
        connect(None, None, None)


def test_a_context_like_it_is_named(api_server: ApiServer, tmp_path: Path) -> None:
    file = written(tmp_path, "kubeconfig", config(api_server, "staging-eu", {"token": "x"}))
    assert refusal(None, file, "stagingeu").endswith("'stagingeu'; did you mean staging-eu?")


def test_files_that_a_kubeconfig_refers_to_are_named(api_server: ApiServer, tmp_path: Path) -> None:
    lost = config(api_server, "prod", {"tokenFile": "/no/token"})
    assert "/no/token" in refusal(None, written(tmp_path, "kubeconfig", lost), None)


def test_a_token_in_a_file_may_end_its_line(api_server: ApiServer, tmp_path: Path) -> None:
    token = written(tmp_path, "token", f"{api_server.admin_token}\n")
    whole = config(api_server, "prod", {"tokenFile": token})
    assert connect(None, written(tmp_path, "kubeconfig", whole), None).list() == ()


def plugin(folder: Path, script: str) -> dict[str, Any]:
    """Return a user that logs in through a program of one's own."""
    program = folder / "login"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    call = {"command": str(program), "apiVersion": "client.authentication.k8s.io/v1"}
    return {"exec": {**call, "interactiveMode": "Never"}}


def credential(token: str, expires: str = "") -> str:
    status = f'{{"token": "{token}"{expires}}}'
    head = '"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential"'
    return f"echo '{{{head}, \"status\": {status}}}'"


def test_a_credential_plugin_logs_in(api_server: ApiServer, tmp_path: Path) -> None:
    user = plugin(tmp_path, credential(api_server.admin_token))
    whole = config(api_server, "cloud", user)
    assert connect(None, written(tmp_path, "kubeconfig", whole), None).list() == ()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo 'session expired,' >&2; echo 'log in' >&2; exit 3", "session expired, log in"),
        ("echo nonsense", "decode"),
        ("echo '{}'", "apiVersion"),
    ],
)
def test_a_credential_plugin_that_fails_is_told_in_one_line(
    api_server: ApiServer,
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    script: str,
    said: str,
) -> None:
    user = plugin(tmp_path, script)
    whole = config(api_server, "cloud", user)
    refused = refusal(None, written(tmp_path, "kubeconfig", whole), None)
    assert "credential plugin of kubeconfig context cloud failed" in refused
    assert said in refused
    assert capfd.readouterr().err == ""


def test_a_credential_plugin_that_is_not_installed(api_server: ApiServer, tmp_path: Path) -> None:
    user = plugin(tmp_path, "")
    (tmp_path / "login").unlink()
    whole = config(api_server, "cloud", user)
    assert str(tmp_path / "login") in refusal(None, written(tmp_path, "kubeconfig", whole), None)


def test_an_expired_credential_is_renewed_and_a_renewal_that_fails_is_told(
    api_server: ApiServer, tmp_path: Path
) -> None:
    expired = ', "expirationTimestamp": "2020-01-01T00:00:00Z"'
    counter = tmp_path / "calls"
    script = f"echo x >> {counter}; {credential(api_server.admin_token, expired)}"
    whole = config(api_server, "cloud", plugin(tmp_path, script))
    cluster = connect(None, written(tmp_path, "kubeconfig", whole), None)
    logins = counter.read_text().count("x")
    assert cluster.list() == ()
    assert counter.read_text().count("x") > logins
    plugin(tmp_path, "echo 'session expired' >&2; exit 1")
    for _ in range(2):
        with pytest.raises(ClusterError, match="plugin .* failed: .*session expired"):
            cluster.list()


@pytest.fixture
def pod(api_server: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a Pod's credentials, its variables set."""
    namespace = api_server.namespace()
    (tmp_path / "token").write_text(api_server.user(namespace, [SELDON_EDIT]))
    (tmp_path / "ca.crt").write_bytes(api_server.ca_file.read_bytes())
    (tmp_path / "namespace").write_text(namespace)
    monkeypatch.setattr(credentials, "SERVICE_ACCOUNT", tmp_path)
    host, port = api_server.url.removeprefix("https://").split(":")
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", host)
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", port)
    return tmp_path


def test_in_a_pod_its_service_account_is_used(pod: Path) -> None:
    cluster = connect(None, None, None)
    assert cluster.namespace == (pod / "namespace").read_text()
    assert cluster.list() == ()
    (pod / "token").unlink()
    assert str(pod) in refusal(None, None, None)


def test_a_pods_token_that_is_gone_when_it_is_read_again_is_told(
    pod: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = InClusterConfigLoader.__init__

    def impatient(loader: InClusterConfigLoader, *names: str) -> None:
        made(loader, *names)  # type: ignore[no-untyped-call]  # kubernetes.config has no types
        loader._token_refresh_period = timedelta(0)  # a minute

    monkeypatch.setattr(InClusterConfigLoader, "__init__", impatient)
    cluster = connect(None, None, None)
    token = (pod / "token").read_text()
    (pod / "token").unlink()
    for _ in range(2):
        with pytest.raises(ClusterError, match="service account in .* cannot be used"):
            cluster.list()
    (pod / "token").write_text(token)
    assert cluster.list() == ()
