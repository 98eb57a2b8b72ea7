"""Requests to the cluster are paced as client-go paces them, and the servers' 429 is heeded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from m2s.base.errors import UsageError
from m2s.domain.versions import Key
from m2s.settings.build import build
from m2s.sources.mlflow.registry import MlflowRegistry
from m2s.targets.kubernetes.api import Api
from m2s.targets.kubernetes.credentials import log_in
from m2s.targets.kubernetes.failures import Asked
from m2s.targets.kubernetes.throttle import Throttle
from tests.kits.registry_kit import STAGING
from tests.servers import ApiServer, FaultProxy, MlflowServer, kubernetes_status

DEFAULT = ("/api/v1/namespaces/default", Asked("", "get", Key("", "default"), "namespaces"))


class Time:
    """Seconds that pass only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@given(
    qps=st.integers(1, 100),
    burst=st.integers(1, 50),
    pauses=st.lists(st.sampled_from([0.0, 0.0, 0.0, 0.01, 0.5, 60.0]), max_size=200),
)
def test_no_more_than_burst_and_then_qps_in_any_stretch_of_time(
    qps: int, burst: int, pauses: list[float]
) -> None:
    time = Time()
    throttle = Throttle(qps, burst, clock=time.clock, sleep=time.sleep)
    made = []
    for pause in pauses:
        time.now += pause
        throttle.wait()
        made.append(time.now)
    for first, begun in enumerate(made):
        for last in range(first, len(made)):
            assert last - first + 1 <= burst + (made[last] - begun) * qps + 1e-6


def test_an_idle_client_waits_for_nothing() -> None:
    time = Time()
    throttle = Throttle(10, 5, clock=time.clock, sleep=time.sleep)
    for _ in range(5):
        throttle.wait()
    assert time.now == 0
    throttle.wait()
    assert time.now == pytest.approx(0.1)


def test_no_limit() -> None:
    time = Time()
    throttle = Throttle(0, 1, clock=time.clock, sleep=time.sleep)
    for _ in range(10_000):
        throttle.wait()
    assert time.now == 0


def test_every_request_to_the_cluster_goes_through_it(api_server: ApiServer) -> None:
    time = Time()
    throttle = Throttle(1, 1, clock=time.clock, sleep=time.sleep)
    configuration = log_in(str(api_server.kubeconfig()), None).configuration
    api = Api(configuration, timeout=30, workers=1, throttle=throttle)
    for _ in range(4):
        assert api.ask("GET", *DEFAULT).ok
    assert time.now == pytest.approx(3, abs=0.01)


@pytest.mark.parametrize(
    ("flag", "value"), [("qps", "-1"), ("qps", "fast"), ("burst", "0"), ("burst", "1.5")]
)
def test_what_is_no_rate_is_refused(flag: str, value: str) -> None:
    with pytest.raises(UsageError, match=f"--{flag}: wants a number of requests"):
        build({flag: value}, {})


def test_the_rates_are_settings() -> None:
    chosen = build({"qps": "0.5"}, {"M2S_BURST": "7"})
    assert (chosen.qps, chosen.burst) == (0.5, 7)


@pytest.mark.thorough
def test_a_busy_api_server_is_asked_again(
    api_server: ApiServer, fault_proxy: Callable[..., FaultProxy], tmp_path: Path
) -> None:
    proxy = fault_proxy(api_server)
    slow = kubernetes_status(429, "TooManyRequests", "slow down")
    proxy.answer(429, slow, {"Retry-After": "1"}, times=2)
    configuration = log_in(str(api_server.kubeconfig(server=proxy.url)), None).configuration
    assert Api(configuration, timeout=30, workers=1).ask("GET", *DEFAULT).ok
    assert proxy.count() == 3


@pytest.mark.thorough
def test_a_busy_mlflow_server_is_asked_again(
    mlflow_server: MlflowServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    proxy = fault_proxy(mlflow_server)
    proxy.answer(429, "slow down", {"Retry-After": "1"}, times=1)
    MlflowRegistry(proxy.url).select(STAGING)
    assert proxy.count(path="model-versions/search") >= 2
