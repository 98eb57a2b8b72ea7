"""A deployed version is asked with its example; one that fails gives way to what served before."""

from __future__ import annotations

import json
from typing import Any

import pytest

from m2s.base.errors import ClusterError
from m2s.domain import verification
from m2s.domain.deployments import LiveDeployment
from m2s.engine import proving
from tests.kits.asking_kit import SECRET, Asker, told
from tests.kits.seldon_operator import Operator
from tests.kits.support import description
from tests.kits.worlds import World
from tests.servers import ApiServer
from tests.servers.apiserver import SELDON_EDIT

BOTH = ("--verify", "--rollback-on-failure")


@pytest.mark.thorough
def test_verify_asks_with_the_example_through_the_servers_proxy(asker: Asker) -> None:
    asker.add()
    assert asker("apply").code == 0
    result = asker("verify", "iris-staging")
    assert result.code == 0, result
    assert "iris-staging v1: verified: HTTP 200 in 0." in told(result)
    assert "data of 1 x 1" in told(result)
    assert asker.model.asked == [("/api/v1.0/predictions", {"data": {"ndarray": [[SECRET]]}})]
    found = verification.of(asker.live)
    assert found is not None
    assert (found.result, found.status, found.shape) == ("verified", 200, "data of 1 x 1")
    assert asker.row()["action"] == "unchanged"


@pytest.mark.thorough
def test_an_error_is_told_without_the_examples_values(asker: Asker) -> None:
    asker.add()
    assert asker("apply").code == 0
    asker.refuse()
    result = asker("verify", "iris-staging", "-o", "json")
    assert result.code == 1
    assert "it answered HTTP 500: cannot use [[*]] of Mr X" in told(result)
    assert result.document["result"] == "failed"
    assert "48151623" not in json.dumps(asker.live.body)


@pytest.mark.thorough
def test_without_an_example_it_is_unverified_and_says_how_to_change_that(asker: Asker) -> None:
    asker.add(example=False)
    assert asker("apply").code == 0
    result = asker("verify", "iris-staging")
    assert result.code == 0
    assert "unverified: no example was logged with it; log the model with input_example=" in told(
        result
    )
    assert asker.model.asked == [("/ready", None)]
    asker.model.ready = 503
    result = asker("verify", "iris-staging")
    assert (result.code, "did not answer" in told(result)) == (1, True)


@pytest.mark.thorough
def test_nobody_behind_the_service_is_a_failure_and_no_right_is_an_error(
    asker: Asker, api_server: ApiServer
) -> None:
    asker.add()
    assert asker("apply").code == 0
    namespace = asker.world.objects.name
    api_server.call("DELETE", f"/api/v1/namespaces/{namespace}/endpoints/iris-staging-default")
    result = asker("verify", "iris-staging")
    assert result.code == 1
    assert "nobody answered" in told(result)
    config = api_server.kubeconfig(api_server.user(namespace, [SELDON_EDIT]))
    result = asker("verify", "iris-staging", "--kubeconfig", str(config))
    assert result.code == 1
    assert "may not create services/proxy" in result.error


@pytest.mark.thorough
def test_apply_verifies_what_it_wrote_and_asks_once(asker: Asker) -> None:
    asker.add()
    with asker.operated():
        first = asker("apply", "--verify")
        second = asker("apply", "--verify")
    assert (first.code, second.code) == (0, 0), (first, second)
    assert "verified: HTTP 200" in told(first)
    assert "verified" not in told(second)
    assert len(asker.model.asked) == 1


def test_apply_without_verify_writes_nothing_new(asker: Asker) -> None:
    asker.add()
    with asker.operated():
        assert asker("apply", "--wait").code == 0
    assert "follow" not in asker.live.annotations["m2s.io/history"]
    assert not {"m2s.io/verified", "m2s.io/failed"} & asker.live.annotations.keys()


@pytest.mark.thorough
def test_what_does_not_answer_gives_way_and_is_not_tried_again(asker: Asker) -> None:
    asker.add()
    with asker.operated():
        assert asker("apply", *BOTH).code == 0
        good = asker.live.digest
        asker.refuse()
        asker.add(image="2")
        failed = asker("apply", *BOTH)
        assert failed.code == 1
        assert "v2 did not answer at" in told(failed)
        assert "v1 is back" in told(failed)
        assert asker.live.digest == good
        row = asker.row()
        assert row["action"] == "blocked"
        assert "v2 did not answer at" in row["reason"]
        assert "v1 serves; `m2s retry iris-staging` tries v2 again" in row["reason"]
        again = asker("apply")
        assert (again.code, asker.live.digest) == (1, good)
        asker.accept()
        assert "the next apply or pass tries v2 again" in told(asker("retry", "iris-staging"))
        assert "nothing of it failed" in told(asker("retry", "iris-staging"))
        last = asker("apply", *BOTH)
    assert last.code == 0, last
    assert asker.live.version == "2"


@pytest.mark.thorough
def test_what_does_not_roll_out_gives_way(asker: Asker) -> None:
    def act(player: Operator, live: LiveDeployment) -> None:
        if live.version == "1":
            player.serve(live)
            return
        for name in player.reconcile(live):
            player.count(name, available=0, stuck="image cannot be pulled")

    asker.add()
    with asker.operated(act):
        assert asker("apply", "--rollback-on-failure").code == 0
        asker.add(image="2")
        failed = asker("apply", "--rollback-on-failure")
    assert failed.code == 1
    assert "v2 did not roll out at" in told(failed)
    assert "image cannot be pulled" in told(failed)
    assert asker.live.version == "1"
    assert asker.row()["action"] == "blocked"
    assert asker.model.asked == []


@pytest.mark.thorough
def test_a_description_that_fails_gives_way_to_the_one_before_of_the_same_version(
    asker: Asker,
) -> None:
    asker.add()
    with asker.operated():
        assert asker("apply", *BOTH).code == 0
        good = asker.live.digest
        asker.refuse()
        run = asker.world.models.run_of("iris", 1)
        asker.world.models.client.log_text(run, description(replicas=3), "deploy.yaml")
        failed = asker("apply", *BOTH, "--no-cache")
        assert failed.code == 1
        assert "its description before is back" in told(failed)
        assert asker.live.digest == good
        assert (
            asker("plan", "-o", "json", "--no-cache").changes["iris-staging"]["action"] == "blocked"
        )
        asker.accept()
        asker.world.models.client.log_text(run, description(replicas=2), "deploy.yaml")
        assert asker("apply", *BOTH, "--no-cache").code == 0


@pytest.mark.thorough
def test_a_first_deployment_that_fails_stays(asker: Asker) -> None:
    asker.add()
    asker.refuse()
    with asker.operated():
        failed = asker("apply", *BOTH)
        again = asker("apply", *BOTH)
    assert failed.code == 1
    assert "nothing that served before is on record, so it stays" in told(failed)
    assert asker.live.version == "1"
    assert again.code == 0
    assert asker.row()["action"] == "unchanged"


@pytest.mark.thorough
def test_another_promotion_forgives(asker: Asker) -> None:
    asker.add()
    with asker.operated():
        assert asker("apply", *BOTH).code == 0
        asker.refuse()
        asker.add(image="2")
        assert asker("apply", *BOTH).code == 1
        asker.world.models.move("iris", 1, "Staging")
        assert asker("apply", *BOTH).code == 0
        assert not verification.failures(asker.live)
        asker.accept()
        asker.world.models.move("iris", 2, "Staging")
        assert asker("apply", *BOTH).code == 0
    assert asker.live.version == "2"


@pytest.mark.thorough
def test_a_stage_that_was_set_anew_is_a_new_try(asker: Asker) -> None:
    asker.add()
    with asker.operated():
        assert asker("apply", *BOTH).code == 0
        asker.refuse()
        asker.add(image="2")
        assert asker("apply", *BOTH).code == 1
        assert asker.row()["action"] == "blocked"
        asker.world.models.move("iris", 2, "Archived")
        asker.world.models.move("iris", 2, "Staging")
        assert asker.row()["action"] == "update"


@pytest.mark.thorough
def test_killed_between_mark_and_way_back_the_next_run_carries_on(
    asker: Asker, monkeypatch: pytest.MonkeyPatch
) -> None:
    asker.add()
    with asker.operated():
        assert asker("apply", *BOTH).code == 0
        asker.refuse()
        asker.add(image="2")
        with monkeypatch.context() as patched:
            patched.setattr(proving.Prover, "settle", _killed)
            assert asker("apply", *BOTH).code == 1
        assert asker.live.version == "2"
        assert asker("apply", *BOTH).code == 1
    assert asker.live.version == "1"


def _killed(prover: proving.Prover, live: LiveDeployment, found: Any) -> proving.Proof:
    prover.cluster.mark(live, verification.noted(live, found, failed=True))
    raise ClusterError("killed")


def test_a_folder_verifies_nothing(on_folder: World) -> None:
    on_folder.models.add("iris")
    result = on_folder("apply", "--verify")
    assert result.code == 64
    assert "nothing serves in a folder" in result.error
