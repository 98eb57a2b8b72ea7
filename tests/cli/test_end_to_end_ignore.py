"""Paths under --ignore are neither compared nor written: an autoscaler's value stays."""

from __future__ import annotations

import pytest

from tests.kits.support import description
from tests.kits.worlds import World

IN_PREDICTOR = "/spec/predictors/0/replicas"


def replicas(world: World) -> object:
    return world.objects.all()["iris-staging"]["spec"]["predictors"][0].get("replicas")


@pytest.mark.parametrize("ignored_from_the_start", [True, False])
def test_an_ignored_path_within_a_list_survives_a_promotion(
    on_cluster: World, ignored_from_the_start: bool
) -> None:
    ignoring = ("--ignore", IN_PREDICTOR)
    on_cluster.models.add("iris")
    on_cluster.apply(*(ignoring if ignored_from_the_start else ()))
    edit = [{"op": "add", "path": IN_PREDICTOR, "value": 4}]
    on_cluster.objects.patch("iris-staging", edit, manager="autoscaler")
    assert on_cluster.actions(*ignoring) == {"iris-staging": "unchanged"}
    on_cluster.models.add("iris", description(image="2"))
    planned = on_cluster.plan(*ignoring)["iris-staging"]
    assert IN_PREDICTOR not in {field["path"] for field in planned["fields"]}
    on_cluster.apply(*ignoring)
    assert replicas(on_cluster) == 4
    assert on_cluster.actions(*ignoring) == {"iris-staging": "unchanged"}


def test_spec_replicas_are_the_autoscalers_by_default(on_cluster: World) -> None:
    on_cluster.models.add("iris")
    on_cluster.apply()
    on_cluster.objects.patch("iris-staging", {"spec": {"replicas": 7}}, part="scale")
    assert on_cluster.actions() == {"iris-staging": "unchanged"}
    on_cluster.models.add("iris", description(image="2"))
    on_cluster.apply()
    assert on_cluster.objects.all()["iris-staging"]["spec"]["replicas"] == 7
    planned = on_cluster.plan("--ignore", "/spec/name")
    assert planned["iris-staging"]["action"] == "unchanged", "nobody states spec.replicas"


def test_a_value_that_m2s_wrote_before_it_was_ignored_stays(on_cluster: World) -> None:
    on_cluster.models.add("iris", description().replace("spec:\n", "spec:\n  replicas: 3\n", 1))
    on_cluster.apply("--ignore", "/spec/name")
    assert on_cluster.objects.all()["iris-staging"]["spec"]["replicas"] == 3
    assert on_cluster.actions() == {"iris-staging": "unchanged"}
    on_cluster.models.add("iris", description(image="2"))
    on_cluster.apply()
    assert on_cluster.objects.all()["iris-staging"]["spec"]["replicas"] == 3


def test_an_ignored_path_is_kept_in_a_folder(on_folder: World) -> None:
    ignoring = ("--ignore", IN_PREDICTOR)
    on_folder.models.add("iris")
    on_folder.apply()
    file = on_folder.objects.path / "iris-staging.yaml"
    file.write_text(file.read_text().replace("replicas: 1", "replicas: 4"))
    assert on_folder.actions(*ignoring) == {"iris-staging": "unchanged"}
    on_folder.models.add("iris", description(image="2"))
    on_folder.apply(*ignoring)
    assert replicas(on_folder) == 4
    assert on_folder.actions(*ignoring) == {"iris-staging": "unchanged"}
