"""The registry in memory answers as MLflow does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest

from m2s.domain.versions import Description, ModelVersion, Selector, Whereabouts
from m2s.sources.mlflow.registry import MlflowRegistry
from m2s.sources.source import Registry
from tests.kits.fakes import FakeRegistry
from tests.kits.support import Models, description

STAGING, CHAMPION = Selector("stage", "Staging"), Selector("alias", "champion")


@dataclass
class Filled:
    """A registry and what fills it."""

    models: Any
    registry: Registry

    def select(self, selector: Selector) -> list[ModelVersion]:
        """Return what is selected, without the ids that MLflow makes up."""
        found = self.registry.select(selector)
        assert all(version.run_id for version in found)
        return [replace(version, run_id="", source="") for version in found]


@pytest.fixture(params=["fake", "mlflow", "followed"])
def filled(request: pytest.FixtureRequest, sqlite_registry: str) -> Iterator[Filled]:
    if request.param == "fake":
        fake = FakeRegistry()
        yield Filled(fake, fake)
    elif request.param == "mlflow":
        yield Filled(Models(sqlite_registry), MlflowRegistry(sqlite_registry))
    else:
        followed = MlflowRegistry(sqlite_registry).incremental(600)
        yield Filled(Models(sqlite_registry), followed)


def test_selects_all_versions_of_a_stage_in_order(filled: Filled) -> None:
    for model, stage in [("b", "Staging"), ("a", "Staging"), ("a", "Staging"), ("a", "Production")]:
        filled.models.add(model, stage=stage)
    filled.models.add("a", stage=None)
    expected = [("a", 1), ("a", 2), ("b", 1)]
    assert [(v.model, v.version) for v in filled.select(STAGING)] == expected
    assert all(v.stage == "Staging" and v.status == "READY" for v in filled.select(STAGING))


def test_selects_what_an_alias_points_at(filled: Filled) -> None:
    filled.models.add("ünï code", stage=None, alias="champion")
    filled.models.add("ünï code", stage="Staging")
    assert filled.select(CHAMPION) == [ModelVersion("ünï code", 1, run_id="")]
    filled.models.alias("ünï code", "champion", 2)
    assert [v.version for v in filled.select(CHAMPION)] == [2]
    filled.models.alias("ünï code", "champion", None)
    assert filled.select(CHAMPION) == []


def test_promotion_archives_the_version_before(filled: Filled) -> None:
    filled.models.add("iris")
    filled.models.move("iris", filled.models.add("iris", stage=None), "Staging")
    assert [v.version for v in filled.select(STAGING)] == [2]
    assert filled.registry.offers().stages == {"Archived": 1, "Staging": 1}


def test_describes_by_the_runs_deploy_yaml(filled: Filled) -> None:
    filled.models.add("iris", description("x"), source="s3://bucket/iris")
    (version,) = filled.registry.select(STAGING)
    described = filled.registry.describe(version)
    assert isinstance(described, Description)
    assert described.uri == "s3://bucket/iris"
    assert described.file
    assert described.file.content.decode() == description("x")
    assert described.file.origin == f"deploy.yaml of run {version.run_id}"


def locate_by_stage(filled: Filled) -> Iterator[tuple[Whereabouts, Whereabouts]]:
    look = filled.registry.locate
    filled.models.add("iris")
    yield look(STAGING, "iris", "1"), Whereabouts(True, "v1 is in Staging")
    filled.models.move("iris", 1, "Archived")
    yield look(STAGING, "iris", "1"), Whereabouts(False, "v1 is in Archived now")
    filled.models.move("iris", 1, "None")
    yield look(STAGING, "iris", "1"), Whereabouts(False, "v1 is in no stage now")
    yield look(STAGING, "iris", None), Whereabouts(False, "nothing is in Staging")
    filled.models.add("iris")
    yield look(STAGING, "iris", "1"), Whereabouts(True, "v1 is in no stage now")
    filled.models.delete("iris", 2)
    yield look(STAGING, "iris", "2"), Whereabouts(False, "v2 was deleted")
    filled.models.delete("iris")
    yield look(STAGING, "iris", "1"), Whereabouts(False, "the registered model is gone")


def locate_by_alias(filled: Filled) -> Iterator[tuple[Whereabouts, Whereabouts]]:
    look = filled.registry.locate
    filled.models.add("iris", stage=None, alias="champion")
    filled.models.add("iris", stage=None)
    filled.models.alias("iris", "champion", 2)
    moved = Whereabouts(True, "alias champion now points at v2")
    yield look(CHAMPION, "iris", "1"), moved
    filled.models.alias("iris", "champion", None)
    gone = Whereabouts(False, "alias champion points at nothing now")
    yield look(CHAMPION, "iris", "1"), gone
    filled.models.alias("iris", "champion", 2)
    filled.models.delete("iris", 2)
    yield look(CHAMPION, "iris", "2"), Whereabouts(False, "v2 was deleted")


@pytest.mark.parametrize("steps", [locate_by_stage, locate_by_alias])
def test_locates_a_model_wherever_it_went(filled: Filled, steps: Any) -> None:
    for number, (answer, expected) in enumerate(steps(filled)):
        assert answer == expected, number


def test_offers_count_versions_by_stage_and_models_by_alias(filled: Filled) -> None:
    filled.models.add("a", stage="Staging", alias="champion")
    filled.models.add("b", stage="Staging", alias="champion")
    filled.models.add("b", stage=None, alias="next")
    offers = filled.registry.offers()
    assert offers.stages == {"None": 1, "Staging": 2}
    assert offers.aliases == {"champion": 2, "next": 1}


def test_tags_of_versions_and_of_models_are_told_apart(filled: Filled) -> None:
    filled.models.add("a", tags={"m2s.io/replicas": "2"}, model_tags={"deployment-image": "x:1"})
    filled.models.add("b", stage=None)
    assert [version.tags for version in filled.select(STAGING)] == [{"m2s.io/replicas": "2"}]
    assert filled.registry.model_tags() == {"a": {"deployment-image": "x:1"}, "b": {}}


def test_describes_without_reading_artifacts(filled: Filled) -> None:
    filled.models.add("iris", source="s3://bucket/iris")
    (version,) = filled.registry.select(STAGING)
    assert filled.registry.describe(version, read=False) == Description("s3://bucket/iris", None)
