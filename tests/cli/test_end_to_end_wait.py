"""apply --wait: until the new generation serves, or a word on what is stuck."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import yaml

from m2s.domain.deployments import LiveDeployment
from m2s.domain.rollout import Rollout
from m2s.engine.execute import execute
from m2s.engine.reconcile import make_plan
from m2s.engine.waiting import wait
from m2s.settings import build
from m2s.targets.folder.namespace import FolderCluster
from m2s.targets.kubernetes.namespace import KubernetesCluster, connect
from tests.kits.fakes import FakeRegistry
from tests.kits.seldon_operator import Operator, operator
from tests.kits.support import description
from tests.kits.worlds import World
from tests.servers import ApiServer
from tests.servers.apiserver import SELDON_EDIT

QUOTA = 'pods "iris-x" is forbidden: exceeded quota: few, requested: memory=900Gi'


def serve(operator: Operator, live: LiveDeployment) -> None:
    operator.serve(live)


def get_stuck(operator: Operator, live: LiveDeployment) -> None:
    if live.model != "stuck":
        operator.serve(live)
        return
    for name in operator.reconcile(live):
        operator.count(name, available=0, stuck="image cannot be pulled")
    operator.report(live, "Creating")


def exceed_the_quota(operator: Operator, live: LiveDeployment) -> None:
    if live.generation == 1:
        operator.serve(live)
        return
    for name in operator.reconcile(live):
        late = "ReplicaSet has timed out progressing"
        operator.count(name, total=1, updated=0, available=1, stuck=late, refused=QUOTA)


@pytest.fixture
def cluster(on_cluster: World, api_server: ApiServer) -> KubernetesCluster:
    return connect(on_cluster.objects.name, str(api_server.kubeconfig()), None)


@pytest.mark.thorough
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


def limited(memory: str) -> str:
    """Return a deploy.yaml with a limit."""
    body = yaml.safe_load(description())
    container = body["spec"]["predictors"][0]["componentSpecs"][0]["spec"]["containers"][0]
    container["resources"] = {"limits": {"memory": memory}}
    return yaml.safe_dump(body)


@pytest.mark.thorough
def test_more_memory_serves_only_once_it_is_there(
    on_cluster: World, api_server: ApiServer, cluster: KubernetesCluster
) -> None:
    """Only a limit changed: the pods of before go on, and the new ones cannot be made."""
    on_cluster.models.add("iris", limited("1Gi"), source="s3://models/iris")
    with operator(api_server, cluster, exceed_the_quota):
        assert on_cluster("apply", "--wait").out.splitlines()[-1] == "Done: 1 serving"
        on_cluster.models.add("iris", limited("900Gi"), source="s3://models/iris")
        result = on_cluster("apply", "--wait", "-o", "json")
    assert result.code == 1
    (outcome,) = result.document["outcomes"]
    assert outcome["status"] == "failed"
    assert "has timed out progressing: " + QUOTA in outcome["message"]


def shared(first: int, second: int) -> str:
    """Return a deploy.yaml with two predictors and their shares of the traffic."""
    body = yaml.safe_load(description())
    (main,) = body["spec"]["predictors"]
    both = [{**main, "traffic": first}, {**main, "name": "other", "traffic": second}]
    return yaml.safe_dump({**body, "spec": {"predictors": both}})


@pytest.mark.thorough
def test_traffic_that_nothing_shows_is_said_and_not_waited_for(
    on_cluster: World, api_server: ApiServer, cluster: KubernetesCluster
) -> None:
    on_cluster.models.add("iris", shared(50, 50), source="s3://models/iris")
    with operator(api_server, cluster, serve):
        assert on_cluster("apply", "--wait").code == 0
    # nobody plays the operator any more: nothing will ever show it
    on_cluster.models.add("iris", shared(90, 10), source="s3://models/iris")
    result = on_cluster("apply", "--wait")
    assert result.code == 0
    said = " ".join(result.out.split())
    assert "traffic shares changed: its Deployments do not show whether these are in" in said
    assert said.endswith("Done: 1 serving")


class Hanging(FolderCluster):
    """A folder that is asked about rollouts, and does not answer about the first of them."""

    def __init__(self, path: Path, answered: threading.Event) -> None:
        super().__init__(path, None)
        self.answered = answered

    def rollout(self, applied: LiveDeployment, before: LiveDeployment | None = None) -> Rollout:
        if applied.model == "iris":
            self.answered.wait(60)
        return Rollout.waits("it is being looked at")


def test_the_timeout_is_for_all_rollouts_and_what_they_take(tmp_path: Path) -> None:
    registry, answered = FakeRegistry(), threading.Event()
    for model in ("iris", "wine"):
        registry.add(model)
    cluster = Hanging(tmp_path, answered)
    made = make_plan(registry, cluster, build.build({"stage": ["Staging"]}, {}))
    outcomes = wait(cluster, execute(made, cluster), timeout=0.2)
    assert not answered.is_set()
    answered.set()
    assert [outcome.message for outcome in outcomes] == [
        "not serving after 0.2 s: the cluster did not say in time how far it is"
    ] * 2


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
