"""``m2s watch`` follows what it wrote: asked, taken back, carried on by whoever comes next."""

from __future__ import annotations

from typing import Any
from urllib.request import urlopen

import pytest

from m2s.base.gate import Gate
from m2s.domain import verification
from m2s.domain.deployments import LiveDeployment
from m2s.engine.proving import Proof
from m2s.settings.build import build
from m2s.settings.groups import Settings
from m2s.sources.mlflow.registry import MlflowRegistry
from m2s.watch import following
from m2s.watch.absences import Absences
from m2s.watch.following import Following
from m2s.watch.passes import Edges, Pass
from tests.kits.asking_kit import SECRET, Asker
from tests.kits.seldon_operator import Operator
from tests.kits.watch_kit import Start
from tests.observers.test_events import events
from tests.servers import free_port, wait_for

BOTH = ("--verify", "--rollback-on-failure")


def settings(asker: Asker) -> Settings:
    where = {"model-uri-map": (f"{asker.folder.as_uri()}=s3://models",), "preflight": False}
    wanted = {"stage": ["Staging"], "verify": True, "rollback-on-failure": True, **where}
    return build({**wanted, "namespace": asker.world.objects.name}, {})


class Watched:
    """Passes, and what follows them, in this process."""

    def __init__(self, asker: Asker, *, shut: bool = False) -> None:
        self.settings, self.told = settings(asker), list[Proof]()
        self.edges = Edges(MlflowRegistry(asker.world.models.uri), asker.cluster)
        self._lab = asker
        self.following = Following(
            asker.cluster.list, lambda closed: Gate(lambda: shut or closed()), self.told.append
        )
        self.following.move(self.settings, self.edges)

    def make(self) -> Any:
        report = Pass(self.edges, self.settings, Absences(), "interval", Gate()).make()
        self.following(report)
        return report


@pytest.fixture(autouse=True)
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "LOOK", 0.05)


@pytest.mark.thorough
def test_a_roll_out_is_followed_beside_the_passes_and_taken_back(asker: Asker) -> None:
    asker.add()
    watched = Watched(asker)
    assert watched.make().result == "success"
    assert watched.make().result == "success"  # nobody serves yet, and no pass waits
    with asker.operated():
        assert watched.following.finish(lambda: False)
        asker.refuse()
        asker.add(image="2")
        watched.make()
        assert not watched.following.finish(lambda: False)
    assert [proof.found.result for proof in watched.told] == ["verified", "failed"]
    assert watched.told[-1].gave_way
    assert asker.live.version == "1"
    report = watched.make()
    assert (report.result, "did not answer" in report.message) == ("failed", True)
    watched.following.close()


@pytest.mark.thorough
def test_one_that_is_stuck_holds_nobody_up(asker: Asker) -> None:
    def act(player: Operator, live: LiveDeployment) -> None:
        if live.model == "iris":
            player.serve(live)

    asker.add()
    asker.world.models.add("stuck")
    watched = Watched(asker)
    with asker.operated(act):
        watched.make()
        wait_for(lambda: watched.told, "iris is verified")
        assert not watched.following.finish(lambda: True) or watched.told
    assert [proof.live.model for proof in watched.told] == ["iris"]
    watched.following.close()


@pytest.mark.thorough
def test_who_does_not_lead_notes_nothing_and_the_next_one_carries_on(asker: Asker) -> None:
    asker.add()
    standby = Watched(asker, shut=True)
    with asker.operated():
        standby.make()
        assert standby.following.finish(lambda: False)
        standby.following.close()
        assert verification.is_followed(asker.live)
        assert not standby.told
        leader = Watched(asker)
        leader.make()
        assert leader.following.finish(lambda: False)
    assert [proof.found.result for proof in leader.told] == ["verified"]
    assert not verification.is_followed(asker.live)
    leader.following.close()


@pytest.mark.slow
def test_watch_takes_back_tells_and_tries_again_when_it_is_told_to(
    asker: Asker, start: Start
) -> None:
    port = free_port()
    asker.add()
    watch = start(*asker.flags, *BOTH, "--interval", "1s", "--listen", f"127.0.0.1:{port}")
    with asker.operated():
        watch.await_line("verified: HTTP 200", timeout=180)
        asker.refuse()
        asker.add(image="2")
        watch.await_line("v1 is back", timeout=180)
        watch.await_line("tries v2 again")
        assert asker.live.version == "1"
        found = events(asker.world.objects, "iris-staging")
        assert {"Verified", "TakenBack"} <= found.keys()
        assert found["TakenBack"]["type"] == "Warning"
        with urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            assert b'm2s_verifications_total{result="failed"} 1.0' in answer.read()
        asker.accept()
        assert asker("retry", "iris-staging").code == 0
        watch.await_line("verified: HTTP 200", count=2, timeout=180)
    assert asker.live.version == "2"
    assert str(SECRET) not in watch.text


@pytest.mark.slow
def test_killed_while_it_follows_the_next_process_carries_on(asker: Asker, start: Start) -> None:
    asker.add()
    with asker.operated():
        assert asker("apply", *BOTH).code == 0
    asker.add(image="2")
    first = start(*asker.flags, *BOTH, "--interval", "1s")
    wait_for(lambda: asker.live.version == "2", "v2 is written")
    first.kill()
    asker.refuse()
    second = start(*asker.flags, *BOTH, "--interval", "1s")
    with asker.operated():
        second.await_line("v1 is back", timeout=180)
    assert asker.live.version == "1"


@pytest.mark.slow
def test_one_pass_waits_for_what_it_wrote(asker: Asker, start: Start) -> None:
    asker.add()
    asker.refuse()
    with asker.operated():
        assert start(*asker.flags, *BOTH, "--once").wait(180) == 1
    found = verification.of(asker.live)
    assert found is not None
    assert found.result == "failed"
