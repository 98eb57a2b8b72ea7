"""How ``m2s watch`` ends: the write in hand is finished, nothing else is waited for or begun."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from m2s.engine.gate import Gate
from tests.kits.support import description
from tests.kits.watch_kit import Start, Watch
from tests.kits.worlds import Proxied, World
from tests.servers import ApiServer, FaultProxy, wait_for
from tests.watch.test_watch import version_of

pytestmark = pytest.mark.slow  # processes that are waited for; `make test-all` runs them

WRITING = r"seldondeployments/[^?]*\?(?!.*dryRun)"
PATIENT = ("--request-timeout", "10m", "--interval", "1h")
"""Whatever hangs is not given up within a test."""


def test_a_gate_counts_who_is_inside_and_admits_nobody_once_it_is_shut() -> None:
    shut: list[bool] = []
    gate = Gate(lambda: bool(shut))
    assert gate.enter()
    assert gate.enter()
    gate.leave()
    assert gate.busy
    shut.append(True)
    assert not gate.enter()
    assert gate.busy
    gate.leave()
    assert not gate.busy


def test_a_hung_second_look_keeps_nobody(proxied: Proxied, start: Start) -> None:
    iris, wine = proxied.add("iris", description("iris")), proxied.add("wine", description("wine"))
    proxied.apply()
    proxied.models.add(iris, description("iris"), stage=None, alias=proxied.alias)
    proxied.models.alias(wine, proxied.alias, None)
    look = rf"registered-models/get\?name={wine}"
    held = proxied.mlflow.hold(path=look, after=1)  # the first one is the plan's
    sync = ("--policy", "sync", "--prune-after", "1", "--max-delete", "100%")
    watch = start(*proxied.flags, *PATIENT, *sync)
    wait_for(lambda: proxied.mlflow.count("GET", look) == 2, "the look before the deletion")
    # The pass has written already; what is under way now only reads.
    assert version_of(proxied.objects, "iris") == "2"
    assert watch.end() == 0
    assert not held.is_set()
    assert proxied.kubernetes.count("DELETE") == 0
    assert set(proxied.objects.all()) == {"iris", "wine"}
    assert "Traceback" not in watch.text


@contextmanager
def writing(
    world: World, start: Start, proxy: FaultProxy
) -> Iterator[tuple[Watch, Callable[[], None]]]:
    """Yield a leader with its first write held, and what lets go of that."""
    world.models.add("iris", description("iris"))
    gate = proxy.hold(method="PATCH", path=WRITING)
    server, name = world.objects.server, world.objects.name
    config = server.kubeconfig(namespace=name, server=proxy.url)
    where = ("--kubeconfig", str(config), "--tracking-uri", world.models.uri, "--leader-elect")
    watch = start("--stage", "Staging", *where, *PATIENT)
    wait_for(lambda: proxy.count("PATCH", WRITING), "the write")
    watch.send(signal.SIGTERM)
    watch.await_line("stopping: SIGTERM")
    yield watch, gate.set


def test_a_write_in_hand_is_waited_for_and_told(
    on_cluster: World, api_server: ApiServer, start: Start, fault_proxy: Callable[..., FaultProxy]
) -> None:
    proxy = fault_proxy(api_server)
    with writing(on_cluster, start, proxy) as (watch, let_go):
        # Renewals of the Lease are the clock here: it waits on, and nobody else may write.
        renewed = proxy.count("PUT", "leases/")
        wait_for(lambda: proxy.count("PUT", "leases/") >= renewed + 2, "renewals meanwhile")
        assert on_cluster.objects.all() == {}
        let_go()
        assert watch.wait() == 0
    assert set(on_cluster.objects.all()) == {"iris"}
    assert watch.said("created iris: v1 is in Staging")
    assert proxy.count("PATCH", WRITING) == 1


def test_a_second_signal_does_not_wait_for_it(
    on_cluster: World, api_server: ApiServer, start: Start, fault_proxy: Callable[..., FaultProxy]
) -> None:
    with writing(on_cluster, start, fault_proxy(api_server)) as (watch, _):
        assert watch.end() == 0
        assert on_cluster.objects.all() == {}
        assert "Traceback" not in watch.text
