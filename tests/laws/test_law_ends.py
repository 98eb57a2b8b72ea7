"""Law 15: every request, listing, wait and repeat ends, and meanwhile it is said who is awaited."""

from __future__ import annotations

import gzip
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from kubernetes.client import Configuration
from urllib3.exceptions import ReadTimeoutError

from m2s.base import waiting
from m2s.base.bounds import after
from m2s.base.errors import ClusterError, M2sError, RegistryError
from m2s.base.workers import Workers
from m2s.domain.versions import Key
from m2s.sources.mlflow.registry import MlflowRegistry
from m2s.targets.kubernetes.api import Api
from m2s.targets.kubernetes.failures import Asked
from m2s.targets.kubernetes.namespace import KubernetesCluster, connect
from m2s.targets.kubernetes.patience import WHOLE, Patience, asked_wait
from tests.kits.registry_kit import STAGING
from tests.kits.support import m2s
from tests.kits.watch_kit import Start
from tests.servers import ApiServer, FaultProxy, MlflowServer, free_port

ENDS = 60
"""Seconds within which a request with a timeout of one has to be over, on a machine under load."""


def ended(attempt: Callable[[], object]) -> str:
    """Return the line that an attempt ends with, in time."""
    with ThreadPoolExecutor(1) as pool, pytest.raises(M2sError) as raised:
        pool.submit(attempt).result(timeout=ENDS)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.fixture
def behind(api_server: ApiServer, fault_proxy: Callable[..., FaultProxy]) -> FaultProxy:
    return fault_proxy(api_server)


@pytest.fixture
def cluster(api_server: ApiServer, namespace: str, behind: FaultProxy) -> KubernetesCluster:
    config = str(api_server.kubeconfig(server=behind.url))
    return connect(namespace, config, None, request_timeout=1)


@pytest.fixture
def beside(mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy]) -> FaultProxy:
    return fault_proxy(mlflow_server)


@pytest.fixture
def registry(beside: FaultProxy) -> MlflowRegistry:
    return MlflowRegistry(beside.url, request_timeout=1)


SPOIL: dict[str, Callable[[FaultProxy], object]] = {
    "a byte now and then": lambda proxy: proxy.drip(0.4),
    "silence": lambda proxy: proxy.hold(),
    "later": lambda proxy: proxy.answer(429, "", {"Retry-After": "3600"}),
    "a later date": lambda proxy: proxy.answer(
        503, "", {"Retry-After": "Fri, 31 Dec 2199 23:59:59 GMT"}
    ),
    "an odd later": lambda proxy: proxy.answer(503, "", {"Retry-After": "9" * 5000}),
    "always busy": lambda proxy: proxy.answer(503, ""),
    "hanging up": lambda proxy: proxy.cut(),
}


@pytest.mark.parametrize("spoil", SPOIL)
def test_a_request_to_the_cluster_ends(
    cluster: KubernetesCluster, behind: FaultProxy, spoil: str
) -> None:
    SPOIL[spoil](behind)
    assert ended(cluster.list)
    assert behind.count() <= 5


@pytest.mark.parametrize("spoil", SPOIL)
def test_a_request_to_mlflow_ends(registry: MlflowRegistry, beside: FaultProxy, spoil: str) -> None:
    SPOIL[spoil](beside)
    assert ended(lambda: registry.select(STAGING))
    assert beside.count() <= 3


def test_a_slow_answer_within_the_time_counts(
    api_server: ApiServer, namespace: str, behind: FaultProxy
) -> None:
    behind.drip(0.001)
    config = str(api_server.kubeconfig(server=behind.url))
    assert connect(namespace, config, None).list() == ()


def test_the_body_of_a_request_is_sent_in_time(namespace: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        configuration = Configuration()
        configuration.host = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        api = Api(configuration, timeout=1, workers=1)
        body = {"a": "x" * 50_000_000}  # more than the sockets' buffers take
        asked = Asked(api.server, "create", Key(namespace, "x"), "events")
        assert "did not answer" in ended(lambda: api.ask("POST", "/", asked, body=body))


def test_a_watch_that_never_ends_is_ended(api_server: ApiServer, behind: FaultProxy) -> None:
    config = str(api_server.kubeconfig(server=behind.url))
    api = connect("default", config, None, workers=1).api
    path = "/apis/machinelearning.seldon.io/v1/namespaces/default/seldondeployments"
    stream = api.open(path, {"watch": "true"}, silence=600, longest=1)

    def read() -> None:
        while stream.read1(1000):
            pass

    with ThreadPoolExecutor(1) as pool, pytest.raises(ReadTimeoutError):
        pool.submit(read).result(timeout=ENDS)


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_all_attempts_share_one_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    time = Time()
    monkeypatch.setattr(
        "m2s.targets.kubernetes.patience.after", lambda seconds: after(seconds, time)
    )
    patience = Patience(10)
    assert patience.attempt()() == 10
    assert patience.pause("status", 10) == 10
    time.now = WHOLE * 10 - 4
    assert patience.attempt()() == 4
    assert patience.pause("status", 5) is None
    assert patience.pause("status", 3) == 3
    assert Patience(10).pause("status", 3600) is None


def test_failures_are_counted_by_kind() -> None:
    assert [Patience(99).pause("read") for _ in range(1)] == [0]
    patience = Patience(99)
    assert [patience.pause("read"), patience.pause("read")] == [0, None]
    patience = Patience(99)
    assert [patience.pause("connect") is None for _ in range(4)] == [False, False, False, True]


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7), (" 7 ", 7), ("", None), ("-1", None), ("1e9", None), ("٣", None), ("9" * 99, None)],
)
def test_what_a_server_asks_to_wait(header: str, seconds: float | None) -> None:
    assert asked_wait(header) == seconds


@pytest.mark.parametrize("tokens", ["AA", "ABAB", "ABCABC"])
def test_pages_of_mlflow_that_lead_back_are_no_listing(
    registry: MlflowRegistry, beside: FaultProxy, tokens: str
) -> None:
    for number, token in enumerate(tokens):
        beside.answer(200, {"model_versions": [], "next_page_token": token}, after=number, times=1)
    beside.answer(500, "")
    assert "it repeats itself" in ended(lambda: registry.select(STAGING))


def test_pages_of_mlflow_without_an_end_are_no_listing(
    registry: MlflowRegistry, beside: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m2s.sources.mlflow.listing._PAGES", 4)
    for number in range(9):
        page = {"model_versions": [], "next_page_token": str(number)}
        beside.answer(200, page, after=number, times=1)
    assert "more than 4 pages" in ended(lambda: registry.select(STAGING))
    assert beside.count() == 4


def test_no_answer_fills_the_memory(
    registry: MlflowRegistry, beside: FaultProxy, cluster: KubernetesCluster, behind: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for module in ("m2s.sources.mlflow.transport", "m2s.targets.kubernetes.api"):
        monkeypatch.setattr(f"{module}._LARGEST", 1024 * 1024)
    swollen = gzip.compress(b'{"a": "' + b"x" * 8 * 1024 * 1024 + b'"}')
    for proxy in (beside, behind):
        proxy.answer(200, swollen, {"Content-Encoding": "gzip"})
    for attempt in (lambda: registry.select(STAGING), cluster.list):
        assert "sends more than 1048576 bytes" in ended(attempt)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_mlflow_s_credentials_go_to_one_server_only(
    mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy], status: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "a-token-of-ours")
    proxy, other = fault_proxy(mlflow_server), fault_proxy(mlflow_server)
    proxy.answer(status, "", {"Location": f"{other.url}/api/2.0/mlflow/model-versions/search"})
    told = ended(lambda: MlflowRegistry(proxy.url).select(STAGING))
    assert f"redirects to {other.url}, which m2s does not follow" in told
    assert "a-token-of-ours" not in told
    assert other.requests == []


def test_a_redirect_within_the_server_is_followed(
    mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    proxy = fault_proxy(mlflow_server)
    path = "/api/2.0/mlflow/model-versions/search"
    proxy.answer(307, "", {"Location": f"{path}?max_results=1000"}, times=1)
    MlflowRegistry(proxy.url).select(STAGING)
    assert proxy.count() >= 2


def test_the_users_own_retries_have_their_time(
    registry: MlflowRegistry, beside: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "4")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0")
    beside.answer(503, "", times=4)
    registry.select(STAGING)
    assert beside.count() >= 5


def test_work_that_takes_too_long_is_ended() -> None:
    left = iter([3.0, 2.0, 1.0, 0.0])
    with ThreadPoolExecutor(1) as pool:
        workers = Workers(pool, 1, left=lambda: next(left))
        with pytest.raises(M2sError, match="reading takes too long: 3 of 9 are done"):
            workers.each("Reading", lambda item: item, range(9))


def waits(err: str) -> list[str]:
    return [line for line in err.splitlines() if line.startswith("Waiting for ")]


@pytest.fixture
def silent() -> Iterator[str]:
    """A server that accepts connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.thorough
def test_it_is_said_which_server_is_waited_for(
    silent: str, tmp_path: Path, sqlite_registry: str, api_server: ApiServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("m2s.base.waiting._say", waiting._to_stderr)
    monkeypatch.setattr("m2s.base.waiting.AFTER", 1.0)
    closed = f"http://127.0.0.1:{free_port()}"
    folder = f"dir:{tmp_path}"
    for where, why in ((closed, "connection refused; trying again"), (silent, "no answer ")):
        argv = ("--tracking-uri", where, "--target", folder, "--request-timeout", "1s")
        done = m2s("plan", "--stage", "Staging", *argv)
        (line,) = waits(done.err)
        assert line.startswith(f"Waiting for MLflow at {where}: {why}")
        assert done.error
        assert done.err.index("Waiting") < done.err.index("Error")
    cluster = silent.replace("http://", "https://")
    config = str(api_server.kubeconfig(server=cluster))
    done = m2s(
        "plan",
        "--stage",
        "Staging",
        "--tracking-uri",
        sqlite_registry,
        "--kubeconfig",
        config,
        "--request-timeout",
        "1s",
    )
    (line,) = waits(done.err)
    assert line.startswith(f"Waiting for {cluster}: ")
    assert "did not answer within" in done.error


@pytest.mark.slow  # a process that is waited for
def test_a_watch_says_it_in_its_log(tmp_path: Path, start: Start) -> None:
    closed = f"http://127.0.0.1:{free_port()}"
    where = ("--tracking-uri", closed, "--target", f"dir:{tmp_path / 'c'}")
    watch = start("--stage", "Staging", *where, "--interval", "1s", MLFLOW_HTTP_REQUEST_TIMEOUT="1")
    line = watch.await_line("waiting for MLflow at")
    assert line["level"] == "info"
    watch.await_line("connection refused", count=2)
    assert watch.end() == 0


def test_whoever_answers_is_not_waited_for(on_folder: Any) -> None:
    on_folder.models.add("iris")
    assert "Waiting" not in on_folder("plan").err


@pytest.mark.thorough
def test_threads_are_not_left_behind(
    registry: MlflowRegistry, beside: FaultProxy, cluster: KubernetesCluster, behind: FaultProxy
) -> None:
    """What is given up is ended, not abandoned: a controller that goes on for weeks."""
    beside.drip(0.4)
    behind.drip(0.4)
    before = set(threading.enumerate())
    with suppress(RegistryError):
        registry.select(STAGING)
    with suppress(ClusterError):
        cluster.list()
    mine = [t for t in threading.enumerate() if t not in before and t.name.startswith("m2s")]
    assert len(mine) <= 1  # the one that tells of waiting
