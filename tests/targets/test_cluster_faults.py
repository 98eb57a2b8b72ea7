"""An API server that fails: bounded retries, one clear line, nothing concluded from silence."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from m2s.base.errors import ClusterError, ClusterUnavailable, M2sError, Rejected
from m2s.domain.deployments import LiveDeployment
from m2s.targets.kubernetes.namespace import KubernetesCluster, connect
from tests.kits import deployments
from tests.kits.deployments import manifest, uri_of
from tests.servers import ApiServer, FaultProxy, free_port, kubernetes_status

OBJECT = r"/seldondeployments/fraud"


def reached(api_server: ApiServer, server: str, timeout: float = 30) -> KubernetesCluster:
    kubeconfig = api_server.kubeconfig(server=server)
    return connect("default", str(kubeconfig), None, request_timeout=timeout)


@pytest.mark.thorough
@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_server_that_is_busy_for_a_moment_is_asked_again(
    cluster: KubernetesCluster, proxy: FaultProxy, live: LiveDeployment, status: int
) -> None:
    busy = kubernetes_status(status, "ServiceUnavailable", "in a moment")
    for method in ("GET", "PATCH", "DELETE"):
        proxy.answer(status, busy, method=method, times=2)
    updated = cluster.apply(manifest(cluster.namespace, uri="s3://models/fraud/2"), live)
    assert uri_of(updated) == "s3://models/fraud/2"
    assert cluster.list() == (updated,)
    cluster.delete(updated)
    assert cluster.list() == ()


@pytest.mark.thorough
def test_the_server_s_own_retry_after_is_honoured(
    cluster: KubernetesCluster, proxy: FaultProxy
) -> None:
    slow_down = kubernetes_status(429, "TooManyRequests", "slow down")
    proxy.answer(429, slow_down, {"Retry-After": "1"}, method="GET", times=1)
    assert cluster.list() == ()
    assert proxy.count("GET", "seldondeployments") == 2


def test_a_server_that_hangs_up_is_unavailable(
    cluster: KubernetesCluster, proxy: FaultProxy
) -> None:
    proxy.cut(method="GET")
    told = "cannot be reached, remote end closed connection without response: check that"
    with pytest.raises(ClusterUnavailable, match=told):
        cluster.list()


@pytest.mark.thorough
@pytest.mark.parametrize("status", [429, 503])
def test_a_server_that_stays_busy_is_unavailable(
    cluster: KubernetesCluster, proxy: FaultProxy, status: int
) -> None:
    proxy.answer(status, kubernetes_status(status, "TooManyRequests", "slow down"))
    with pytest.raises(ClusterUnavailable, match="slow down"):
        cluster.list()
    assert proxy.count() < 10


def test_a_server_error_is_not_repeated(
    cluster: KubernetesCluster, proxy: FaultProxy, live: LiveDeployment
) -> None:
    proxy.answer(500, kubernetes_status(500, "InternalError", "etcd is on fire"))
    before = proxy.count()
    with pytest.raises(ClusterError, match="etcd is on fire") as refused:
        cluster.list()
    assert type(refused.value) is ClusterError
    with pytest.raises(Rejected, match="etcd is on fire"):
        cluster.preview(manifest(cluster.namespace), live)
    assert proxy.count() == before + 2


def test_a_slow_server_is_unavailable_and_the_timeout_is_named(
    api_server: ApiServer, proxy: FaultProxy
) -> None:
    proxy.hold()
    cluster = reached(api_server, proxy.url, timeout=0.3)
    with pytest.raises(ClusterUnavailable, match=r"within 0\.3 s: .*--request-timeout"):
        cluster.list()


@pytest.mark.thorough
def test_a_server_that_is_gone(api_server: ApiServer) -> None:
    cluster = reached(api_server, f"https://127.0.0.1:{free_port()}")
    with pytest.raises(ClusterUnavailable, match="cannot be reached, connection refused"):
        cluster.list()


@pytest.mark.thorough
def test_a_server_that_comes_back_is_used_again(own_api_server: ApiServer) -> None:
    cluster = connect("default", str(own_api_server.kubeconfig()), None)
    live = cluster.apply(manifest("default"), None)
    own_api_server.stop()
    for attempt in (cluster.list, lambda: cluster.delete(live)):
        with pytest.raises(ClusterUnavailable):
            attempt()
    own_api_server.start()
    assert cluster.list() == (live,)


def test_a_connection_cut_before_the_answer_is_tried_again(
    cluster: KubernetesCluster, proxy: FaultProxy, live: LiveDeployment
) -> None:
    proxy.cut(method="GET", times=1)
    assert cluster.list() == (live,)


def test_an_answer_that_breaks_off_is_not_taken_for_the_whole(
    cluster: KubernetesCluster, proxy: FaultProxy, live: LiveDeployment
) -> None:
    proxy.cut(at_byte=100)
    with pytest.raises(ClusterUnavailable):
        cluster.list()
    with pytest.raises(ClusterUnavailable):
        cluster.get(live.key)


def test_a_write_whose_answer_got_lost_succeeds(
    cluster: KubernetesCluster, proxy: FaultProxy
) -> None:
    proxy.cut_answer(method="PATCH", path=OBJECT, times=1)
    created = cluster.apply(manifest(cluster.namespace), None)
    proxy.heal()
    proxy.cut_answer(method="PATCH", path=OBJECT, times=1)
    updated = cluster.apply(manifest(cluster.namespace, uri="s3://models/fraud/2"), created)
    assert uri_of(updated) == "s3://models/fraud/2"
    proxy.cut_answer(method="DELETE", path=OBJECT, times=1)
    cluster.delete(updated)
    assert cluster.list() == ()


def test_pages_that_expired_are_read_afresh(
    api_server: ApiServer,
    cluster: KubernetesCluster,
    proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("m2s.targets.kubernetes.pages.PAGE", 2)
    for number in range(5):
        deployments.create(api_server, deployments.body(cluster.namespace, f"m{number}"))
    expired = kubernetes_status(410, "Expired", "The provided continue parameter is too old")
    proxy.answer(410, expired, path="continue=", after=1, times=1)
    assert [live.key.name for live in cluster.list()] == ["m0", "m1", "m2", "m3", "m4"]
    proxy.answer(410, expired, path="continue=")
    with pytest.raises(ClusterError, match="completely"):
        cluster.list()


def test_something_that_is_no_api_server(cluster: KubernetesCluster, proxy: FaultProxy) -> None:
    proxy.answer(200, "<html>Please log in</html>")
    with pytest.raises(ClusterError, match="not JSON"):
        cluster.list()


def test_a_plain_404_is_not_taken_for_an_absent_object(
    cluster: KubernetesCluster, proxy: FaultProxy, live: LiveDeployment
) -> None:
    proxy.answer(404, "404 page not found", path=OBJECT)
    with pytest.raises(ClusterError):
        cluster.get(live.key)
    with pytest.raises(ClusterError):
        cluster.delete(live)


def test_a_certificate_nobody_vouches_for(api_server: ApiServer, tmp_path: Path) -> None:
    config = yaml.safe_load(api_server.kubeconfig().read_text())
    del config["clusters"][0]["cluster"]["certificate-authority"]
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    with pytest.raises(ClusterError, match="TLS failed, certificate verify failed") as refused:
        connect("default", str(file), None).list()
    assert "certificate-authority" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_no_error_shows_the_token_or_a_password(
    api_server: ApiServer, cluster: KubernetesCluster, proxy: FaultProxy
) -> None:
    echo = f"bad header Authorization: Bearer {api_server.admin_token} for https://me:pw1234@x/"
    proxy.answer(400, kubernetes_status(400, "BadRequest", echo))
    with pytest.raises(M2sError) as refused:
        cluster.preview(manifest(cluster.namespace), None)
    assert api_server.admin_token not in str(refused.value)
    assert "pw1234" not in str(refused.value)
    secret = proxy.url.replace("https://", "https://me:pw1234@")
    assert "pw1234" not in reached(api_server, secret).identity
