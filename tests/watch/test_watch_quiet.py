"""A pass of ``watch`` in which nothing moved asks the registry once, and whatever moved is seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import pytest

from m2s.base.gate import Gate
from m2s.base.labels import PAUSED
from m2s.cli.connect import edges as connected
from m2s.engine.outcomes import Status
from m2s.watch.absences import Absences
from m2s.watch.passes import Edges, Pass
from m2s.watch.report import PassReport
from m2s.watch.triggers import CLUSTER, INTERVAL, Triggers, merged
from tests.kits.support import description
from tests.plan.test_requests import LOOK, Shop, mlflow_server, shop
from tests.servers import wait_for

__all__ = ["mlflow_server", "shop"]

QUIET = {"models": 1}
FULL = {"models": 1, "paused": 1, "list": 1, "secret": 1}


@dataclass
class Watcher:
    """What ``m2s watch`` has, with passes made when the test says."""

    shop: Shop
    edges: Edges
    triggers: Triggers
    absences: Absences = field(default_factory=Absences)
    last: PassReport | None = None

    @classmethod
    def of(cls, shop: Shop, *, refusing_watches: bool = False) -> Watcher:
        """Connect as ``m2s watch`` does."""
        if refusing_watches:
            shop.kubernetes.answer(503, "down", path="watch=true")
        triggers = Triggers()
        return cls(shop, connected(shop.settings, triggers.observe), triggers)

    def close(self) -> None:
        """End what watches the cluster."""
        self.edges.close()

    def one_pass(self, why: str = INTERVAL) -> dict[str, int]:
        """Make a pass as the loop does; return what it asked, the endless watch left out."""
        self.shop.asked()
        why = merged(self.triggers.take(), why)
        last = self.last
        chosen = self.shop.settings
        self.last = Pass(self.edges, chosen, self.absences, why, Gate(), last).make()
        if last is None or self.last.plan is not last.plan:
            self.triggers.left(self.last, chosen.ignore)
        return {name: n for name, n in self.shop.asked().items() if "watch=true" not in name}

    def settle(self) -> None:
        """Make passes until one is quiet."""
        wait_for(lambda: self.one_pass() == QUIET, "a quiet pass", timeout=120)


@pytest.fixture
def watcher(shop: Shop) -> Iterator[Watcher]:
    with closing(Watcher.of(shop)) as watcher:
        watcher.settle()
        yield watcher


def test_a_quiet_pass_asks_once_and_reports_as_the_one_before_it(watcher: Watcher) -> None:
    before = watcher.last
    assert watcher.one_pass() == QUIET
    assert before
    assert watcher.last
    assert watcher.last.plan is before.plan
    assert {outcome.status for outcome in watcher.last.outcomes} == {Status.UNCHANGED}
    assert watcher.last.started > before.started


@pytest.mark.thorough
def test_a_promotion_is_applied_by_the_next_pass(watcher: Watcher) -> None:
    name = f"{watcher.shop.prefix}-1"
    watcher.shop.add("1", description(name, replicas=3))
    asked = watcher.one_pass()
    assert asked["apply"] == 1
    assert watcher.shop.objects.all()[name]["spec"]["predictors"][0]["replicas"] == 3
    watcher.settle()


@pytest.mark.thorough
def test_what_is_paused_is_noticed_and_keeps_no_pass_busy(watcher: Watcher) -> None:
    name = f"{watcher.shop.prefix}-1"
    client = watcher.shop.models.client
    client.set_registered_model_tag(name, PAUSED, "true")
    watcher.shop.add("1", description(name, replicas=3))
    assert "apply" not in watcher.one_pass()
    wait_for(lambda: watcher.one_pass() == {**QUIET, "paused": 1}, "it is asked about, and no more")
    assert watcher.shop.objects.all()[name]["spec"]["predictors"][0]["replicas"] == 1
    client.delete_registered_model_tag(name, PAUSED)
    assert watcher.one_pass()["apply"] == 1
    assert watcher.shop.objects.all()[name]["spec"]["predictors"][0]["replicas"] == 3
    watcher.settle()


@pytest.mark.thorough
def test_an_edit_ends_the_quiet_however_late_it_is_noticed(watcher: Watcher) -> None:
    name = f"{watcher.shop.prefix}-1"
    watcher.shop.objects.patch(name, {"metadata": {"labels": {"m2s.io/version": "7"}}})
    wait_for(lambda: watcher.triggers.pending() == CLUSTER, "the edit to be noticed")
    # As if it had come between the loop's last look and the pass.
    assert watcher.one_pass(INTERVAL)["apply"] == 1
    assert watcher.shop.objects.all()[name]["metadata"]["labels"]["m2s.io/version"] == "1"


@pytest.mark.thorough
def test_while_the_cluster_cannot_be_watched_every_pass_looks_at_it(watcher: Watcher) -> None:
    name = f"{watcher.shop.prefix}-1"
    with closing(Watcher.of(watcher.shop, refusing_watches=True)) as blind:
        blind.one_pass()
        blind.one_pass()
        for _ in range(2):
            assert blind.one_pass() == FULL
        blind.shop.objects.patch(name, {"metadata": {"labels": {"m2s.io/version": "7"}}})
        assert blind.one_pass()["apply"] == 1


@pytest.mark.thorough
def test_the_resync_looks_at_everything(watcher: Watcher) -> None:
    watcher.edges.forget()
    assert watcher.one_pass() == {**LOOK, "models": 1}


@pytest.mark.thorough
def test_a_registry_that_cannot_be_read_is_an_error_not_a_quiet_pass(
    watcher: Watcher, impatient: None
) -> None:
    watcher.shop.mlflow.answer(500, "broken", path="registered-models")
    watcher.one_pass()
    assert watcher.last
    assert (watcher.last.result, watcher.last.plan) == ("error", None)
    watcher.shop.mlflow.heal()
    assert watcher.one_pass()["list"] == 1
    watcher.settle()


@pytest.mark.thorough
def test_what_is_held_or_blocked_is_looked_at_in_every_pass(watcher: Watcher) -> None:
    watcher.shop.add("bad", "kind: Nonsense")
    for _ in range(4):
        assert watcher.one_pass()["list"] == 1
    assert watcher.last
    assert watcher.last.result == "failed"


@pytest.mark.thorough
def test_a_file_that_was_missing_is_noticed(watcher: Watcher) -> None:
    client, model = watcher.shop.models.client, f"{watcher.shop.prefix}-late"
    run = client.create_run("0").info.run_id
    client.log_text(run, "flavors: {}", "model/MLmodel")
    client.create_registered_model(model)
    source = f"mlflow-artifacts:/0/{run}/artifacts/model"
    client.create_model_version(model, source, run, await_creation_for=0)
    watcher.shop.models.move(model, 1, "Staging")
    quiet = {**QUIET, "artifact list": 1}
    wait_for(lambda: watcher.one_pass() == quiet, "a quiet pass that looks for the file")
    client.log_text(run, description(model), "deploy.yaml")
    watcher.one_pass()
    assert model in watcher.shop.objects.all()
