"""Two real processes of ``m2s watch`` that contend for one Lease of the real API server."""

from __future__ import annotations

import itertools
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.kits.support import description
from tests.kits.watch_kit import Start, Watch
from tests.kits.worlds import World
from tests.servers import ApiServer, FaultProxy, Recorded, wait_for
from tests.servers.apiserver import SELDON_EDIT
from tests.servers.faults import Fault
from tests.watch.test_watch import version_of

pytestmark = pytest.mark.slow  # processes that are waited for; `make test-all` runs them

LEASES = {
    "apiGroups": ["coordination.k8s.io"],
    "resources": ["leases"],
    "verbs": ["get", "create", "update"],
}
WRITING = ("PATCH", "DELETE", "POST", "PUT")


class Replicas:
    """Replicas with a token each, behind one proxy that records who wrote what, in order."""

    def __init__(self, world: World, server: ApiServer, proxy: FaultProxy, start: Start) -> None:
        self._world, self._server, self._proxy, self._start = world, server, proxy, start
        self._names: dict[str, str] = {}

    def start(self, name: str) -> Watch:
        namespace = self._world.objects.name
        token = self._server.user(namespace, [SELDON_EDIT, LEASES])
        self._names[f"Bearer {token}"] = name
        config = self._server.kubeconfig(token, namespace=namespace, server=self._proxy.url)
        where = ("--kubeconfig", str(config), "--tracking-uri", self._world.models.uri)
        elected = ("--leader-elect", "--interval", "1s", "--policy", "sync", "--prune-after", "1")
        return self._start("--stage", "Staging", *where, *elected)

    def who(self, request: Recorded) -> str:
        """Return who sent a request."""
        return self._names[request.headers["authorization"]]

    def writers(self) -> list[str]:
        """Return who wrote to SeldonDeployments, one after the other; repetitions left out."""
        every = [
            self.who(request)
            for request in self._proxy.requests
            if request.method in WRITING
            and "seldondeployments" in request.path
            and "dryRun" not in request.path
        ]
        return [name for name, _ in itertools.groupby(every)]


def test_a_killed_leader_is_followed_by_the_other_and_never_do_two_write(
    on_cluster: World, api_server: ApiServer, start: Start, fault_proxy: Callable[..., FaultProxy]
) -> None:
    models, objects = on_cluster.models, on_cluster.objects
    replicas = Replicas(on_cluster, api_server, fault_proxy(api_server), start)
    models.add("iris", description("iris"))
    served = itertools.count(1)

    def promote() -> None:
        wanted = str(next(served))
        if wanted != "1":
            models.move("iris", models.add("iris", description("iris"), stage=None), "Staging")
        wait_for(lambda: version_of(objects, "iris") == wanted, f"iris v{wanted}", timeout=30)

    one = replicas.start("one")
    one.await_line("leading as")
    promote()
    two = replicas.start("two")
    two.await_line("watching stage=Staging")
    for _ in range(3):
        promote()
    assert replicas.writers() == ["one"]
    one.kill()
    promote()  # the other has waited for as long as the dead one might still have written
    assert two.said("leading as")
    third = replicas.start("three")
    third.await_line("watching stage=Staging")
    promote()
    assert two.end() == 0  # released: nobody waits
    promote()
    assert third.said("leading as")
    assert third.end() == 0
    assert replicas.writers() == ["one", "two", "three"]
    assert set(objects.all()) == {"iris"}
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{objects.name}/leases/m2s-stage-staging"
    spec = api_server.call("GET", leases)["spec"]
    assert (spec["holderIdentity"], spec["leaseTransitions"]) == ("", 2)


def test_a_leader_that_sleeps_past_its_lease_writes_nothing_when_it_wakes(
    on_cluster: World, api_server: ApiServer, start: Start, fault_proxy: Callable[..., FaultProxy]
) -> None:
    models, objects, proxy = on_cluster.models, on_cluster.objects, fault_proxy(api_server)
    replicas = Replicas(on_cluster, api_server, proxy, start)
    models.add("iris", description("iris"))
    one = replicas.start("one")
    wait_for(lambda: version_of(objects, "iris") == "1", "iris v1")
    under_way, gate = threading.Event(), threading.Event()

    def is_write_of_one(request: Recorded) -> bool:
        mine = replicas.who(request) == "one" and "iris" in request.path
        if mine and request.method == "PATCH" and "dryRun" not in request.path:
            under_way.set()
            return True
        return False

    proxy.add(Fault(gate=gate, only=is_write_of_one))
    models.move("iris", models.add("iris", description("iris"), stage=None), "Staging")
    assert under_way.wait(30)
    one.send(signal.SIGSTOP)
    two = replicas.start("two")
    two.await_line("leading as")
    models.move("iris", models.add("iris", description("iris"), stage=None), "Staging")
    wait_for(lambda: version_of(objects, "iris") == "3", "iris v3")
    gate.set()  # what the first one had sent arrives now
    asked = len(proxy.requests)
    one.send(signal.SIGCONT)
    wait_for(
        lambda: any(replicas.who(each) == "one" for each in proxy.requests[asked:]),
        "the first one to go on",
    )
    models.move("iris", models.add("iris", description("iris"), stage=None), "Staging")
    wait_for(lambda: version_of(objects, "iris") == "4", "iris v4")
    assert replicas.writers() == ["one", "two"]
    assert [one.end(), two.end()] == [0, 0]


def test_another_tools_lease_ends_the_command_in_one_line(
    on_cluster: World, api_server: ApiServer, start: Start, tmp_path: Path
) -> None:
    on_cluster.models.add("iris", description("iris"))
    namespace = on_cluster.objects.name
    leases = f"/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"
    body = {"metadata": {"name": "kured"}, "spec": {"holderIdentity": "node-7"}}
    api_server.call("POST", leases, body)
    watch = start(*on_cluster.flags, "--leader-elect", "--lease-name", "kured")
    assert watch.wait() == 1
    (line,) = watch.lines
    assert line["level"] == "critical"
    assert line["message"].startswith(
        f"lease kured in namespace {namespace} is not m2s's: node-7 has it; "
        "choose another name with --lease-name"
    )
    assert on_cluster.objects.all() == {}
