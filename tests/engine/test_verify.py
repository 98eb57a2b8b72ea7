"""A deployed version is asked with its example; one that fails gives way to what served before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from m2s.base.errors import ClusterError
from m2s.domain import verification
from m2s.domain.deployments import LiveDeployment
from m2s.engine import proving
from m2s.targets.kubernetes.namespace import KubernetesCluster, connect
from tests.kits.answering import ModelServer
from tests.kits.registry_kit import folder_with
from tests.kits.seldon_operator import Act, Operator, operator
from tests.kits.support import Result, description, m2s
from tests.kits.worlds import World
from tests.servers import ApiServer
from tests.servers.apiserver import SELDON_EDIT

SECRET = 48151623.42
SIGNATURE = [{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 1]}}]
MLMODEL = f"""
flavors: {{python_function: {{}}}}
saved_input_example_info: {{serving_input_path: serving_input_example.json}}
signature: {{inputs: '{json.dumps(SIGNATURE)}'}}
"""


@dataclass(frozen=True)
class Lab:
    """A registry, a cluster with an operator, and the model server behind every version."""

    world: World
    cluster: KubernetesCluster
    server: ApiServer
    model: ModelServer
    folder: Path

    def add(self, *, example: bool = True, image: str = "1.18.2", **how: Any) -> int:
        """Log a model with an example, and promote it."""
        name = f"m{len([*self.folder.iterdir()])}"
        files = {"MLmodel": MLMODEL if example else "flavors: {python_function: {}}\n"}
        if example:
            files["serving_input_example.json"] = json.dumps({"inputs": [[SECRET]]})
        source = folder_with(self.folder / name, files)
        deploy = description(image=image)
        return self.world.models.add("iris", deploy, source=source, **how)

    def __call__(self, command: str, *argv: str) -> Result:
        selected = command not in ("verify", "retry", "status")
        flags = self.world.flags if selected else self.world.flags[2:]
        if command in ("status", "retry"):
            flags = flags[2:]
        elsewhere = ("--model-uri-map", f"{self.folder.as_uri()}=s3://models", "--no-preflight")
        return m2s(command, *flags, *(elsewhere if selected else ()), *argv)

    @contextmanager
    def operated(self, act: Act | None = None) -> Iterator[None]:
        with operator(self.server, self.cluster, act or Operator.serve):
            yield

    @property
    def live(self) -> LiveDeployment:
        (live,) = self.cluster.list()
        return live

    def row(self) -> dict[str, Any]:
        return self("plan", "-o", "json").changes["iris-staging"]


@pytest.fixture
def lab(
    on_cluster: World,
    api_server: ApiServer,
    model_server: ModelServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Lab:
    monkeypatch.setattr(proving, "PATIENCE", 1.0)
    monkeypatch.setattr(proving, "_PAUSE", 0.05)
    namespace = on_cluster.objects.name
    model_server.serve(api_server, namespace, "iris-staging-default")
    folder = tmp_path / "models"
    folder.mkdir()
    cluster = connect(namespace, str(api_server.kubeconfig()), None)
    return Lab(on_cluster, cluster, api_server, model_server, folder)


def refused(lab: Lab) -> None:
    """Have the model server refuse what it is asked, and repeat it."""
    lab.model.answers(500, {"status": {"info": f"cannot use [[{SECRET}]] of Mr X\nat line 3"}})


def told(result: Result) -> str:
    """Return all that was printed, which has no value of the example."""
    said = " ".join((result.out + result.err).split())
    assert "48151623" not in said
    return said


def test_verify_asks_with_the_example_through_the_servers_proxy(lab: Lab) -> None:
    lab.add()
    assert lab("apply").code == 0
    result = lab("verify", "iris-staging")
    assert result.code == 0, result
    assert "iris-staging v1: verified: HTTP 200 in 0." in told(result)
    assert "data of 1 x 1" in told(result)
    assert lab.model.asked == [("/api/v1.0/predictions", {"data": {"ndarray": [[SECRET]]}})]
    found = verification.of(lab.live)
    assert found is not None
    assert (found.result, found.status, found.shape) == ("verified", 200, "data of 1 x 1")
    assert lab.row()["action"] == "unchanged"


def test_an_error_is_told_without_the_examples_values(lab: Lab) -> None:
    lab.add()
    assert lab("apply").code == 0
    refused(lab)
    result = lab("verify", "iris-staging", "-o", "json")
    assert result.code == 1
    assert "it answered HTTP 500: cannot use [[*]] of Mr X" in told(result)
    assert result.document["result"] == "failed"
    assert "48151623" not in json.dumps(lab.live.body)


def test_without_an_example_it_is_unverified_and_says_how_to_change_that(lab: Lab) -> None:
    lab.add(example=False)
    assert lab("apply").code == 0
    result = lab("verify", "iris-staging")
    assert result.code == 0
    assert "unverified: no example was logged with it; log the model with input_example=" in told(
        result
    )
    assert lab.model.asked == [("/ready", None)]
    lab.model.ready = 503
    result = lab("verify", "iris-staging")
    assert (result.code, "did not answer" in told(result)) == (1, True)


def test_nobody_behind_the_service_is_a_failure_and_no_right_is_an_error(
    lab: Lab, api_server: ApiServer
) -> None:
    lab.add()
    assert lab("apply").code == 0
    namespace = lab.world.objects.name
    api_server.call("DELETE", f"/api/v1/namespaces/{namespace}/endpoints/iris-staging-default")
    result = lab("verify", "iris-staging")
    assert result.code == 1
    assert "nobody answered" in told(result)
    config = api_server.kubeconfig(api_server.user(namespace, [SELDON_EDIT]))
    result = lab("verify", "iris-staging", "--kubeconfig", str(config))
    assert result.code == 1
    assert "may not create services/proxy" in result.error


def test_apply_verifies_what_it_wrote_and_asks_once(lab: Lab) -> None:
    lab.add()
    with lab.operated():
        first = lab("apply", "--verify")
        second = lab("apply", "--verify")
    assert (first.code, second.code) == (0, 0), (first, second)
    assert "verified: HTTP 200" in told(first)
    assert "verified" not in told(second)
    assert len(lab.model.asked) == 1


def test_apply_without_verify_writes_nothing_new(lab: Lab) -> None:
    lab.add()
    with lab.operated():
        assert lab("apply", "--wait").code == 0
    assert "follow" not in lab.live.annotations["m2s.io/history"]
    assert not {"m2s.io/verified", "m2s.io/failed"} & lab.live.annotations.keys()


def test_what_does_not_answer_gives_way_and_is_not_tried_again(lab: Lab) -> None:
    lab.add()
    both = ("--verify", "--rollback-on-failure")
    with lab.operated():
        assert lab("apply", *both).code == 0
        good = lab.live.digest
        refused(lab)
        lab.add(image="2")
        failed = lab("apply", *both)
        assert failed.code == 1
        assert "v2 did not answer at" in told(failed)
        assert "v1 is back" in told(failed)
        assert lab.live.digest == good
        row = lab.row()
        assert row["action"] == "blocked"
        assert "v2 did not answer at" in row["reason"]
        assert "v1 serves; `m2s retry iris-staging` tries v2 again" in row["reason"]
        again = lab("apply")
        assert (again.code, lab.live.digest) == (1, good)
        lab.model.answers(200, {"data": {"ndarray": [[1.0]]}})
        assert "the next apply or pass tries v2 again" in told(lab("retry", "iris-staging"))
        assert "nothing of it failed" in told(lab("retry", "iris-staging"))
        last = lab("apply", *both)
    assert last.code == 0, last
    assert lab.live.version == "2"


def test_what_does_not_roll_out_gives_way(lab: Lab) -> None:
    def act(player: Operator, live: LiveDeployment) -> None:
        if live.version == "1":
            player.serve(live)
            return
        for name in player.reconcile(live):
            player.count(name, available=0, stuck="image cannot be pulled")

    lab.add()
    with lab.operated(act):
        assert lab("apply", "--rollback-on-failure").code == 0
        lab.add(image="2")
        failed = lab("apply", "--rollback-on-failure")
    assert failed.code == 1
    assert "v2 did not roll out at" in told(failed)
    assert "image cannot be pulled" in told(failed)
    assert lab.live.version == "1"
    assert lab.row()["action"] == "blocked"
    assert lab.model.asked == []


def test_a_description_that_fails_gives_way_to_the_one_before_of_the_same_version(
    lab: Lab,
) -> None:
    lab.add()
    both = ("--verify", "--rollback-on-failure")
    with lab.operated():
        assert lab("apply", *both).code == 0
        good = lab.live.digest
        refused(lab)
        run = lab.world.models.run_of("iris", 1)
        lab.world.models.client.log_text(run, description(replicas=3), "deploy.yaml")
        failed = lab("apply", *both, "--no-cache")
        assert failed.code == 1
        assert "its description before is back" in told(failed)
        assert lab.live.digest == good
        assert (
            lab("plan", "-o", "json", "--no-cache").changes["iris-staging"]["action"] == "blocked"
        )
        lab.model.answers(200, {"data": {"ndarray": [[1.0]]}})
        lab.world.models.client.log_text(run, description(replicas=2), "deploy.yaml")
        assert lab("apply", *both, "--no-cache").code == 0


def test_a_first_deployment_that_fails_stays(lab: Lab) -> None:
    lab.add()
    refused(lab)
    with lab.operated():
        failed = lab("apply", "--verify", "--rollback-on-failure")
        again = lab("apply", "--verify", "--rollback-on-failure")
    assert failed.code == 1
    assert "nothing that served before is on record, so it stays" in told(failed)
    assert lab.live.version == "1"
    assert again.code == 0
    assert lab.row()["action"] == "unchanged"


def test_another_promotion_forgives(lab: Lab) -> None:
    lab.add()
    both = ("--verify", "--rollback-on-failure")
    with lab.operated():
        assert lab("apply", *both).code == 0
        refused(lab)
        lab.add(image="2")
        assert lab("apply", *both).code == 1
        lab.world.models.move("iris", 1, "Staging")
        assert lab("apply", *both).code == 0
        assert not verification.failures(lab.live)
        lab.model.answers(200, {"data": {"ndarray": [[1.0]]}})
        lab.world.models.move("iris", 2, "Staging")
        assert lab("apply", *both).code == 0
    assert lab.live.version == "2"


def test_a_stage_that_was_set_anew_is_a_new_try(lab: Lab) -> None:
    lab.add()
    both = ("--verify", "--rollback-on-failure")
    with lab.operated():
        assert lab("apply", *both).code == 0
        refused(lab)
        lab.add(image="2")
        assert lab("apply", *both).code == 1
        assert lab.row()["action"] == "blocked"
        lab.world.models.move("iris", 2, "Archived")
        lab.world.models.move("iris", 2, "Staging")
        assert lab.row()["action"] == "update"


def test_killed_between_mark_and_way_back_the_next_run_carries_on(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.add()
    both = ("--verify", "--rollback-on-failure")
    with lab.operated():
        assert lab("apply", *both).code == 0
        refused(lab)
        lab.add(image="2")
        with monkeypatch.context() as patched:
            patched.setattr(proving.Prover, "settle", _killed)
            assert lab("apply", *both).code == 1
        assert lab.live.version == "2"
        assert lab("apply", *both).code == 1
    assert lab.live.version == "1"


def _killed(prover: proving.Prover, live: LiveDeployment, found: Any) -> str:
    prover.cluster.mark(live, verification.noted(live, found, failed=True))
    raise ClusterError("killed")


def test_a_folder_verifies_nothing(on_folder: World) -> None:
    on_folder.models.add("iris")
    result = on_folder("apply", "--verify")
    assert result.code == 64
    assert "nothing serves in a folder" in result.error
