"""Candidates for one Lease of the real API server, each on a clock of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from m2s.base.errors import ClusterError
from m2s.targets.kubernetes.lease import DURATION, RENEW_DEADLINE, Lease
from m2s.targets.kubernetes.namespace import connect
from tests.servers import ApiServer, FaultProxy
from tests.servers.faults import kubernetes_status

LEASES = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
Candidate = Callable[..., Lease]


class Clock:
    now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def candidate(api_server: ApiServer, namespace: str, clock: Clock) -> Candidate:
    def make(holder: str, *, server: str | None = None, token: str | None = None) -> Lease:
        config = api_server.kubeconfig(token, namespace=namespace, server=server)
        api = connect(None, str(config), None, request_timeout=3, workers=1).api
        return Lease(api, namespace, "m2s-test", holder, clock=clock)

    return make


@pytest.fixture
def spec(api_server: ApiServer, namespace: str) -> Callable[[], dict[str, Any]]:
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases/m2s-test"
    return lambda: dict(api_server.call("GET", path)["spec"])


def test_one_leads_and_the_other_waits_for_the_whole_duration(
    candidate: Candidate, clock: Clock, spec: Callable[[], dict[str, Any]]
) -> None:
    one, two = candidate("one"), candidate("two")
    assert one.attempt()
    for _ in range(10):  # renewed in time, for longer than the duration
        clock.now += 2
        assert one.attempt()
        assert not two.attempt()
    before = spec()
    assert (before["holderIdentity"], before["leaseTransitions"]) == ("one", 0)
    assert before["leaseDurationSeconds"] == 15
    clock.now += DURATION - 0.1
    assert not two.attempt()
    clock.now += 0.2
    assert two.attempt()
    assert (spec()["holderIdentity"], spec()["leaseTransitions"]) == ("two", 1)
    assert spec()["acquireTime"] > before["acquireTime"]


def test_the_fence_falls_before_anybody_else_may_lead(
    candidate: Candidate,
    clock: Clock,
    api_server: ApiServer,
    fault_proxy: Callable[..., FaultProxy],
) -> None:
    proxy = fault_proxy(api_server)
    one, two = candidate("one", server=proxy.url), candidate("two")
    assert one.attempt()
    two.attempt()
    proxy.cut()
    led_alone = []
    while not two.attempt():
        clock.now += 0.5
        with pytest.raises(ClusterError):
            one.attempt()
        led_alone.append(one.leading)
    assert not one.leading
    # From the deadline on, well before the other's turn, nobody leads.
    assert led_alone.count(True) == RENEW_DEADLINE / 0.5 - 1
    assert led_alone.count(False) >= (DURATION - RENEW_DEADLINE) / 0.5


def test_a_leader_that_was_replaced_knows_at_once(candidate: Candidate, clock: Clock) -> None:
    one, two = candidate("one"), candidate("two")
    assert one.attempt()
    two.attempt()
    clock.now += DURATION + 1  # one was suspended
    assert two.attempt()
    assert not one.leading
    assert not one.attempt()
    clock.now += 2
    assert two.attempt()


def test_of_many_only_one_wins_an_expired_lease(candidate: Candidate, clock: Clock) -> None:
    candidate("gone").attempt()
    rivals = [candidate(f"rival-{number}") for number in range(6)]
    for rival in rivals:
        assert not rival.attempt()
    for _ in range(5):
        clock.now += DURATION + 1
        with ThreadPoolExecutor(len(rivals)) as pool:
            list(pool.map(lambda rival: rival.attempt(), rivals))
        assert sum(rival.leading for rival in rivals) == 1


def test_a_released_lease_is_free_at_once(
    candidate: Candidate, clock: Clock, spec: Callable[[], dict[str, Any]]
) -> None:
    one, two = candidate("one"), candidate("two")
    one.start()
    assert (one.leading, two.attempt()) == (True, False)
    one.release()
    assert not one.leading
    assert not spec()["holderIdentity"]
    assert two.attempt()
    assert spec()["leaseTransitions"] == 1


def test_one_that_never_led_releases_nothing(
    candidate: Candidate, spec: Callable[[], dict[str, Any]]
) -> None:
    one, two = candidate("one"), candidate("two")
    one.attempt()
    two.start()
    two.release()
    assert spec()["holderIdentity"] == "one"


def test_an_answer_that_was_lost_does_not_lose_the_lease(
    candidate: Candidate,
    api_server: ApiServer,
    fault_proxy: Callable[..., FaultProxy],
    clock: Clock,
) -> None:
    proxy = fault_proxy(api_server)
    one = candidate("one", server=proxy.url)
    assert one.attempt()
    proxy.cut_answer(method="PUT", times=1)
    one.attempt()
    clock.now += 2
    assert one.attempt()


def test_an_overloaded_server_only_costs_time(
    candidate: Candidate, api_server: ApiServer, fault_proxy: Callable[..., FaultProxy]
) -> None:
    proxy = fault_proxy(api_server)
    busy = kubernetes_status(429, "TooManyRequests", "slow down")
    proxy.answer(429, busy, {"Retry-After": "0"}, times=2)
    assert candidate("one", server=proxy.url).attempt()


def test_another_tools_lease_is_left_alone(
    candidate: Candidate, api_server: ApiServer, namespace: str, spec: Callable[[], dict[str, Any]]
) -> None:
    theirs = {"holderIdentity": "flux-7d9", "leaseDurationSeconds": 15}
    body = {"metadata": {"name": "m2s-test"}, "spec": theirs}
    path = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    api_server.call("POST", path, body)
    with pytest.raises(ClusterError) as raised:
        candidate("one").start()
    assert str(raised.value) == (
        f"lease m2s-test in namespace {namespace} is not m2s's: flux-7d9 has it; "
        "choose another name with --lease-name"
    )
    assert spec() == theirs


@pytest.mark.parametrize("missing", ["get", "create", "update"])
def test_a_missing_permission_is_named(
    candidate: Candidate, api_server: ApiServer, namespace: str, missing: str
) -> None:
    verbs = [verb for verb in ("get", "create", "update") if verb != missing]
    token = api_server.user(namespace, [{**LEASES, "verbs": verbs}])
    if missing == "update":
        candidate("earlier").attempt()
        clock_free = candidate("earlier", token=token)
        with pytest.raises(ClusterError, match="may not update leases"):
            clock_free.attempt()
        return
    with pytest.raises(ClusterError, match=f"may not {missing} leases"):
        candidate("one", token=token).start()
