"""Nobody writes who lost the right to: each attempt asks the gate, and a creation only creates."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from m2s.base.errors import ClusterError, ClusterUnavailable, Conflict, Rejected
from m2s.base.gate import Gate
from m2s.domain.deployments import LiveDeployment
from m2s.targets.kubernetes.lease import DURATION, RENEW_DEADLINE
from m2s.targets.kubernetes.namespace import KubernetesCluster, connect
from tests.kits.deployments import manifest, uri_of
from tests.servers import ApiServer, FaultProxy, kubernetes_status, wait_for
from tests.targets.test_lease import Candidate, Clock, candidate, clock

__all__ = ["candidate", "clock"]

WRITE = r"/seldondeployments/fraud(?!.*dryRun)"
NEW = "s3://models/fraud/2"


@pytest.fixture
def other(api_server: ApiServer, namespace: str) -> KubernetesCluster:
    """Another m2s, with the same field manager."""
    return connect(namespace, str(api_server.kubeconfig()), None)


class Leadership:
    """A gate that is open until ``lost``."""

    def __init__(self) -> None:
        self.lost = threading.Event()
        self.left = float("inf")
        self.gate = Gate(self.lost.is_set, lambda: self.left)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("write", ["create", "update", "delete"])
def test_a_write_that_is_to_be_repeated_asks_the_gate_first(
    cluster: KubernetesCluster, other: KubernetesCluster, proxy: FaultProxy, write: str, status: int
) -> None:
    live = None if write == "create" else other.apply(manifest(other.namespace), None)
    before = other.list()
    busy = kubernetes_status(status, "TooManyRequests", "later")
    proxy.answer(status, busy, {"Retry-After": "60"}, path=WRITE)
    leadership = Leadership()
    new = manifest(cluster.namespace, uri=NEW)

    def attempt() -> None:
        if write == "delete" and live:
            cluster.delete(live, leadership.gate)
        else:
            cluster.apply(new, live, leadership.gate)

    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(attempt)
        wait_for(lambda: proxy.count(path=WRITE) == 1, "the first attempt")
        proxy.heal()
        leadership.lost.set()
        with pytest.raises(ClusterError, match="told to stop, or another one leads now"):
            done.result()
    assert proxy.count(path=WRITE) == 1
    assert other.list() == before


def test_nothing_is_sent_through_a_gate_that_is_shut(
    cluster: KubernetesCluster, proxy: FaultProxy
) -> None:
    leadership = Leadership()
    leadership.lost.set()
    with pytest.raises(ClusterError):
        cluster.apply(manifest(cluster.namespace), None, leadership.gate)
    assert proxy.count("PATCH") == 0


def test_a_write_that_hangs_is_over_before_another_one_may_lead(
    cluster: KubernetesCluster, proxy: FaultProxy
) -> None:
    proxy.hold(path=WRITE)
    leadership = Leadership()
    with ThreadPoolExecutor(1) as pool:
        new = manifest(cluster.namespace)
        done = pool.submit(cluster.apply, new, None, leadership.gate)
        wait_for(lambda: proxy.count(path=WRITE) == 1, "the write")
        leadership.lost.set()
        leadership.left = 0
        with pytest.raises(ClusterError):
            done.result(timeout=20)  # its own timeout is 30 s
    assert proxy.count(path=WRITE) == 1


def test_a_leader_s_writes_have_until_the_lease_is_another_s(
    candidate: Candidate, clock: Clock
) -> None:
    one = candidate("one")
    assert one.left() < 0
    assert one.attempt()
    assert one.left() == DURATION
    clock.now += RENEW_DEADLINE
    assert not one.leading
    assert 0 < one.left() == DURATION - RENEW_DEADLINE


def test_a_creation_writes_over_nothing_that_was_made_meanwhile(
    cluster: KubernetesCluster, other: KubernetesCluster, proxy: FaultProxy
) -> None:
    held = proxy.hold(method="PATCH", path=WRITE)
    with ThreadPoolExecutor(1) as pool:
        done = pool.submit(cluster.apply, manifest(cluster.namespace), None)
        wait_for(lambda: proxy.count("PATCH", WRITE) == 1, "the creation")
        theirs = other.apply(manifest(other.namespace, uri=NEW), None)
        held.set()
        with pytest.raises(Conflict, match="created by somebody else"):
            done.result()
    assert other.list() == (theirs,)


def test_of_many_creators_only_one_creates(other: KubernetesCluster) -> None:
    def create(number: int) -> LiveDeployment | None:
        try:
            uri = f"s3://models/fraud/{number}"
            return other.apply(manifest(other.namespace, uri=uri), None)
        except Conflict:
            return None

    with ThreadPoolExecutor(6) as pool:
        made = [live for live in pool.map(create, range(12)) if live]
    assert other.list() == tuple(made)
    assert len(made) == 1


def test_what_was_created_is_owned_as_if_applied(other: KubernetesCluster) -> None:
    created = other.apply(manifest(other.namespace), None)
    (entry,) = created.managed_fields
    assert (entry["manager"], entry["operation"]) == ("m2s", "Apply")
    updated = other.apply(manifest(other.namespace, uri=NEW), created)
    assert uri_of(updated) == NEW
    assert len(updated.managed_fields) == 1


def test_a_conflict_about_something_else_is_told_as_it_is(
    cluster: KubernetesCluster, proxy: FaultProxy
) -> None:
    quota = kubernetes_status(409, "Conflict", "the resourcequota was modified")
    proxy.answer(409, quota, method="PATCH", path=WRITE)
    with pytest.raises(Rejected, match="the resourcequota was modified"):
        cluster.apply(manifest(cluster.namespace), None)


def test_a_server_that_wants_to_be_left_alone_for_an_hour_is_not_waited_for(
    cluster: KubernetesCluster, proxy: FaultProxy
) -> None:
    busy = kubernetes_status(429, "TooManyRequests", "later")
    proxy.answer(429, busy, {"Retry-After": "3600"})
    with pytest.raises(ClusterUnavailable, match="it asks to wait 3600 s"):
        cluster.list()
    assert proxy.count() == 1
