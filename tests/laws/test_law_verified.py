"""Law 16: with verification and rollback on, a version that does not answer never stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import Literal

from hypothesis import given
from hypothesis import strategies as st

from m2s.base.gate import OPEN, Gate
from m2s.base.labels import FAILED, VERIFIED
from m2s.domain.asking import Example, Question, Reply
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Manifest
from m2s.domain.versions import Served
from m2s.engine.execute import execute
from m2s.engine.outcomes import Outcome, Status
from m2s.engine.proving import Prover, prove
from m2s.engine.reconcile import make_plan
from m2s.settings.build import build
from m2s.settings.groups import Settings
from m2s.targets.folder.namespace import FolderCluster
from tests.kits.fakes import FakeRegistry
from tests.kits.support import tried

How = Literal["answers", "refuses", "is stuck"]
EXAMPLE = Example({"inputs": [[1.5]]}, ({"type": "double"},))


class Serving(FolderCluster):
    """A folder whose deployments answer as their version does."""

    def __init__(self, path: str, how: Mapping[int, How]) -> None:
        super().__init__(path, "default")
        self._how = how

    def apply(
        self, manifest: Manifest, live: LiveDeployment | None, gate: Gate = OPEN
    ) -> LiveDeployment:
        """Write it; as on a server, what m2s applies leaves its results alone."""
        kept = live.annotations if live else {}
        marks = {name: kept[name] for name in (VERIFIED, FAILED) if name in kept}
        return super().apply(manifest.noting(marks), live, gate)

    def ask(self, question: Question, seconds: float) -> Reply:
        """Answer as what is served now."""
        if self._how[self.version] == "refuses":
            return Reply(500, b'{"status": {"info": "boom"}}')
        return Reply(200, b'{"data": {"ndarray": [[1.0]]}}')

    @property
    def version(self) -> int:
        """Which one is served now."""
        (live,) = self.list()
        return int(live.version or 0)

    def waited(self, outcome: Outcome) -> Outcome:
        """Return what waiting for a roll-out comes to."""
        if outcome.applied and self._how[int(outcome.applied.version or 0)] == "is stuck":
            return replace(outcome, status=Status.FAILED, message="not serving")
        return outcome


def apply(registry: FakeRegistry, cluster: Serving, chosen: Settings) -> tuple[Outcome, ...]:
    """Do what ``m2s apply --verify --rollback-on-failure`` does."""
    written = execute(make_plan(registry, cluster, chosen), cluster)
    prover = Prover(registry, cluster, chosen, sleep=lambda _: None)
    prover.forgive(written)
    waited = [*map(cluster.waited, written)]
    return prove(prover, written, waited, lambda _: None)


@tried(18)
@given(
    st.lists(st.sampled_from(["answers", "refuses", "is stuck"]), min_size=3, max_size=3),
    st.lists(st.integers(1, 4), min_size=4, max_size=6),
)
def test_a_version_that_does_not_answer_never_stays(later: list[How], order: list[int]) -> None:
    how: dict[int, How] = dict(enumerate(["answers", *later], 1))
    registry = FakeRegistry()
    for number in how:
        registry.add("iris", stage=None)
        registry.examples[Served("iris", str(number))] = EXAMPLE
    asked = {"stage": ["Staging"], "verify": True, "rollback-on-failure": True}
    chosen = build({**asked, "preflight": False}, {})
    with TemporaryDirectory() as path:
        cluster, good = Serving(path, how), 1
        for number in (1, *order):
            registry.move("iris", number, "Staging")
            outcomes = apply(registry, cluster, chosen)
            good = number if how[number] == "answers" else good
            assert cluster.version == good
            assert all(one.ok for one in outcomes) == (good == number)
            again = apply(registry, cluster, chosen)
            assert cluster.version == good
            assert [one.status for one in again] == [
                Status.UNCHANGED if good == number else Status.BLOCKED
            ]
