"""False safety is a fault as well: a working day ends with nothing in the way.

Promotions, rollbacks, renames, models that are registered anew, a restored registry: whoever does
these things in MLflow waits for nothing, unless a row says what to do, and that helps.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from m2s.base.gate import Gate
from m2s.base.labels import PAUSED
from m2s.settings.build import build
from m2s.sources.mlflow.registry import MlflowRegistry
from m2s.targets.folder.namespace import FolderCluster
from m2s.watch.absences import Absences
from m2s.watch.passes import Edges, Pass
from tests.kits.support import Models, Result, description, m2s
from tests.kits.worlds import World
from tests.laws.test_law_registry import copied

DOCS = Path(__file__).parents[2] / "docs" / "safety.md"
SELECTOR = {"stage": "Staging", "alias": "champion"}


@dataclass
class Office:
    """A registry and a folder of deployments, which m2s keeps up by ``apply`` or ``watch``."""

    world: World
    kind: str
    watching: bool
    absences: Absences = field(default_factory=Absences)
    edges: Edges | None = None

    @property
    def models(self) -> Models:
        return self.world.models

    def promote(self, model: str, version: int | None = None, name: str | None = None) -> None:
        """Put a version where it is served, a new one unless it is there."""
        number = version or self.models.add(model, description(name or model), stage=None)
        self.models.move(model, number, "Staging")
        self.models.alias(model, "champion", number)

    def retire(self, model: str, version: int) -> None:
        self.models.move(model, version, "Archived")
        self.models.alias(model, "champion", None)

    def __call__(self) -> list[str]:
        """Let m2s do its work; return the reasons of the blocked rows, or why it refuses."""
        return self._watch() if self.watching else self._apply()

    def _apply(self) -> list[str]:
        result = self.run("apply", "--prune", "-o", "json")
        if result.code == 3:
            return [result.error]
        rows = result.document["plan"]["changes"]
        blocked = [row["reason"] for row in rows if row["action"] == "blocked"]
        assert result.code == (1 if blocked else 0), result
        return blocked

    def run(self, command: str, *argv: str) -> Result:
        return m2s(command, f"--{self.kind}", SELECTOR[self.kind], *self.world.flags[2:], *argv)

    def _watch(self) -> list[str]:
        if self.edges is None:
            path = self.world.objects.path.parent
            registry = MlflowRegistry(self.models.uri).incremental(600)
            self.edges = Edges(registry, FolderCluster(path, "default"), forget=registry.forget)
        given = {self.kind: SELECTOR[self.kind], "prune": True, "prune-after": 1}
        settings = build({**given, "target": "dir:x"}, {})
        report = Pass(self.edges, settings, self.absences, "webhook", Gate()).make()
        if report.result == "refused":
            return [report.message]
        blocked = [each for each in report.outcomes if not each.ok]
        assert report.result == ("failed" if blocked else "success"), report
        return [each.message for each in blocked]

    @property
    def served(self) -> dict[str, str]:
        marks = {n: b["metadata"]["annotations"] for n, b in self.world.objects.all().items()}
        return {n: f"{each['m2s.io/model']} v{each['m2s.io/version']}" for n, each in marks.items()}


@pytest.mark.parametrize(
    ("kind", "watching"),
    [
        ("stage", False),
        ("alias", True),
        pytest.param("stage", True, marks=pytest.mark.slow),
        pytest.param("alias", False, marks=pytest.mark.slow),
    ],
)
@pytest.mark.thorough
def test_a_working_day(on_folder: World, kind: str, watching: bool, tmp_path: Path) -> None:
    office = Office(on_folder, kind, watching)
    models, client = office.models, office.models.client
    for name in ("iris", "wine", "rye", "oak", "fraud"):
        office.promote(name)
    assert office() == []

    office.promote("iris")
    assert office() == []
    assert office.served["iris"] == "iris v2"
    office.promote("iris", 1)  # rolled back in MLflow
    assert office() == []
    assert office.served["iris"] == "iris v1"
    models.delete("iris", 2)
    office.promote("iris")
    assert office() == []

    client.rename_registered_model("wine", "vino")
    assert office() == []
    assert office.served["wine"] == "vino v1"
    office.promote("vino", name="vino")
    assert office() == []
    assert (office.served.get("wine"), office.served["vino"]) == (None, "vino v2")

    models.delete("rye")  # registered anew
    office.promote("rye")
    assert office() == []
    models.delete("oak")
    assert office() == []
    office.promote("oak")  # restored
    assert office() == []
    assert office.served["oak"] == "oak v1"

    office.promote("scam", name="fraud")  # a deploy.yaml that was copied
    office.promote("fraud")
    (blocked,) = office()
    assert "give this one another metadata.name in its deploy.yaml" in blocked
    assert office.served["fraud"] == "fraud v2"
    office.promote("scam", name="scam")
    assert office() == []

    office.retire("fraud", 2)  # whose name another model takes
    office.promote("fraud-next", name="fraud")
    taken = office()
    assert taken == []
    assert office.served["fraud"] == "fraud-next v1"

    client.set_registered_model_tag("oak", PAUSED, "true")
    office.promote("oak")
    assert office() == []
    assert office.served["oak"] == "oak v1"
    client.delete_registered_model_tag("oak", PAUSED)
    assert office() == []
    assert office.served["oak"] == "oak v2"

    backup = tmp_path / "backup.db"
    copied(models.database, backup)
    office.promote("vino", name="vino")
    office.promote("new")
    assert office() == []
    copied(backup, models.database)
    (refused,) = office()
    assert "looks restored from an older backup" in refused
    assert office.served["vino"] == "vino v3"
    accepted = office.run("apply", "--prune", "--accept-registry")
    assert accepted.code == 0, accepted
    assert office() == []
    office.promote("new")
    assert office() == []

    expected = {"iris": 3, "vino": 2, "rye": 1, "oak": 2, "scam": 2, "fraud-next": 1, "new": 1}
    assert set(office.served.values()) == {f"{name} v{n}" for name, n in expected.items()}


REMEDIES = [
    "--accept-registry", "m2s apply --prune", "metadata.name", "plan again", "READ",
    "--deploy-file ignored", "--adopt", "m2s prune --all",
]  # fmt: skip


@pytest.mark.parametrize("remedy", REMEDIES)
def test_each_remedy_that_a_row_names_is_explained(remedy: str) -> None:
    assert remedy in re.sub(r"\s+", " ", DOCS.read_text())
