"""Paths under --ignore are written once, then neither compared nor written: others own them."""

from __future__ import annotations

from typing import Any

import pytest
from kubernetes import client

from tests.kits.kind import GROUP, PLURAL, VERSION
from tests.kits.support import description
from tests.kits.worlds import World

IN_PREDICTOR = "/spec/predictors/0/replicas"


def replicas(world: World) -> object:
    return world.objects.all()["iris-staging"]["spec"]["predictors"][0].get("replicas")


def scaled(to: int, *, image: str = "1") -> str:
    """Return a deploy.yaml that states spec.replicas, which is ignored by default."""
    text = description(image=image)
    return text.replace("spec:\n", f"spec:\n  replicas: {to}\n", 1)


def spec_replicas(world: World) -> object:
    return world.objects.all()["iris-staging"]["spec"].get("replicas")


def test_a_creation_gives_the_autoscaler_its_first_value(on_cluster: World) -> None:
    on_cluster.models.add("iris", scaled(3))
    on_cluster.apply()
    # what a HorizontalPodAutoscaler asks for first, and gets no answer to before it was written
    api: Any = client.CustomObjectsApi(on_cluster.objects.server.admin)
    scale = api.get_namespaced_custom_object_scale(
        GROUP, VERSION, on_cluster.objects.name, PLURAL, "iris-staging"
    )
    assert scale["spec"]["replicas"] == 3
    assert on_cluster.actions() == {"iris-staging": "unchanged"}
    on_cluster.objects.patch("iris-staging", {"spec": {"replicas": 7}}, part="scale")
    assert on_cluster.actions() == {"iris-staging": "unchanged"}
    on_cluster.models.add("iris", scaled(5, image="2"))
    planned = on_cluster.plan()["iris-staging"]
    assert planned["ignored"] == ["/spec/replicas"]
    assert "spec.replicas" not in {field["path"] for field in planned["fields"]}
    on_cluster.apply()
    assert spec_replicas(on_cluster) == 7
    assert on_cluster.actions() == {"iris-staging": "unchanged"}


def test_a_creation_in_a_list_too(on_cluster: World) -> None:
    on_cluster.models.add("iris", description(replicas=2))
    on_cluster.apply("--ignore", IN_PREDICTOR)
    assert replicas(on_cluster) == 2
    assert on_cluster.actions("--ignore", IN_PREDICTOR) == {"iris-staging": "unchanged"}


@pytest.mark.thorough
def test_what_an_older_m2s_created_without_the_path_is_as_wanted(on_cluster: World) -> None:
    on_cluster.models.add("iris", scaled(3))
    on_cluster.apply()
    on_cluster.objects.patch("iris-staging", {"spec": {"replicas": None}})
    assert on_cluster.actions() == {"iris-staging": "unchanged"}
    on_cluster.models.add("iris", scaled(3, image="2"))
    on_cluster.apply()
    assert spec_replicas(on_cluster) is None
    assert on_cluster.actions() == {"iris-staging": "unchanged"}


def test_a_plan_shows_what_a_creation_writes(on_folder: World) -> None:
    on_folder.models.add("iris", scaled(3))
    planned = on_folder.plan()["iris-staging"]
    assert planned["ignored"] == []
    assert {"path": "spec.replicas", "kind": "added", "old": None, "new": 3} in planned["fields"]
    assert "left to others" not in on_folder("plan").out


def test_a_folder_gets_the_first_value_too(on_folder: World) -> None:
    on_folder.models.add("iris", scaled(3))
    on_folder.apply()
    assert spec_replicas(on_folder) == 3
    file = on_folder.objects.path / "iris-staging.yaml"
    file.write_text(file.read_text().replace("  replicas: 3\n", "  replicas: 7\n"))
    assert on_folder.actions() == {"iris-staging": "unchanged"}
    on_folder.models.add("iris", scaled(5, image="2"))
    on_folder.apply()
    assert spec_replicas(on_folder) == 7
    assert on_folder.actions() == {"iris-staging": "unchanged"}


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
