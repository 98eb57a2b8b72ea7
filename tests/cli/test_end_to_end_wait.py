"""apply --wait: until the new generation serves, or a word on what is stuck."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from m2s.domain.deployments import LiveDeployment
from m2s.targets.kubernetes.namespace import KubernetesCluster, connect
from tests.kits.seldon_operator import Operator
from tests.kits.support import description
from tests.kits.worlds import World
from tests.servers import ApiServer
from tests.servers.apiserver import SELDON_EDIT

Act = Callable[[Operator, LiveDeployment, str], None]


def serve(operator: Operator, live: LiveDeployment, name: str) -> None:
    image = live.body["spec"]["predictors"][0]["componentSpecs"][0]["spec"]["containers"][0][
        "image"
    ]
    operator.deploy(live, name, image=image, seldon_id=live.key.name)
    operator.count(name)
    operator.report(live, "Available")


def get_stuck(operator: Operator, live: LiveDeployment, name: str) -> None:
    if live.model != "stuck":
        serve(operator, live, name)
        return
    operator.deploy(live, name, image="server:1.18.2", seldon_id=live.key.name)
    operator.count(name, available=0, stuck="image cannot be pulled")
    operator.report(live, "Creating")


@pytest.fixture
def cluster(on_cluster: World, api_server: ApiServer) -> KubernetesCluster:
    return connect(on_cluster.objects.name, str(api_server.kubeconfig()), None)


@contextmanager
def operator(server: ApiServer, cluster: KubernetesCluster, act: Act) -> Iterator[None]:
    """Do ``act`` for every deployment, once for each of its generations."""
    player, stop, seen = Operator(server, cluster), threading.Event(), set[tuple[str, int]]()

    def play() -> None:
        while not stop.wait(0.05):
            for live in cluster.list():
                if (live.uid, live.generation) not in seen:
                    act(player, live, f"{live.key.name}-default-0-classifier")
                    seen.add((live.uid, live.generation))

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_it_ends_when_all_serve(
    on_cluster: World, api_server: ApiServer, cluster: KubernetesCluster
) -> None:
    on_cluster.models.add("iris")
    on_cluster.models.add("wine")
    with operator(api_server, cluster, serve):
        first = on_cluster("apply", "--wait")
        assert (first.code, first.out.splitlines()[-1]) == (0, "Done: 2 serving")
        on_cluster.models.add("iris", description(image="2"))
        second = on_cluster("apply", "--wait", "-o", "json")
    assert second.code == 0
    statuses = {one["name"]: one["status"] for one in second.document["outcomes"]}
    assert statuses == {"iris-staging": "serving", "wine-staging": "unchanged"}


def test_a_timeout_names_what_is_stuck(on_cluster: World) -> None:
    on_cluster.models.add("iris")
    result = on_cluster("apply", "--wait", "--timeout", "300ms", "-o", "json")
    assert result.code == 1
    (outcome,) = result.document["outcomes"]
    assert (outcome["name"], outcome["status"]) == ("iris-staging", "failed")
    assert outcome["message"].startswith(
        "not serving after 0.3 s: the Seldon operator has made no Deployment yet"
    )
    assert on_cluster.objects.all().keys() == {"iris-staging"}


def test_what_failed_is_told_without_waiting_for_the_timeout(
    on_cluster: World, api_server: ApiServer, cluster: KubernetesCluster
) -> None:
    on_cluster.models.add("iris")
    on_cluster.models.add("stuck")
    with operator(api_server, cluster, get_stuck):
        result = on_cluster("apply", "--wait", "-o", "json")
    assert result.code == 1
    outcomes = {one["name"]: one for one in result.document["outcomes"]}
    assert outcomes["iris-staging"]["status"] == "serving"
    assert outcomes["stuck-staging"]["status"] == "failed"
    assert "image cannot be pulled" in outcomes["stuck-staging"]["message"]


def test_nothing_is_written_that_could_not_be_followed(
    on_cluster: World, api_server: ApiServer
) -> None:
    on_cluster.models.add("iris")
    token = api_server.user(on_cluster.objects.name, [SELDON_EDIT])
    config = api_server.kubeconfig(token)
    result = on_cluster("apply", "--wait", "--kubeconfig", str(config))
    assert result.code == 1
    assert "may not list deployments" in result.error
    assert "allows list on deployments" in result.error
    assert on_cluster.objects.all() == {}


def test_a_folder_has_nothing_to_wait_for(on_folder: World) -> None:
    on_folder.models.add("iris")
    assert on_folder("apply", "--wait").out.splitlines()[-1] == "Done: 1 serving"
