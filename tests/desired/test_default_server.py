"""Versions without a deploy.yaml, served by m2s's own description on a real API server."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.kits.worlds import World

IMAGE = "registry.example.com/ml/wrapper:1.4"
URI = "s3://models/iris/1"
OPTIONAL = ("--deploy-file", "optional")


@pytest.fixture
def on_cluster(on_cluster: World) -> World:
    return stored(on_cluster)


@pytest.fixture
def on_folder(on_folder: World) -> World:
    return stored(on_folder)


def stored(world: World) -> World:
    """Map a folder beside the registry to a bucket, as m2s and the cluster see the same store."""
    mapped = f"{store(world).as_uri()}=s3://models"
    return replace(world, flags=(*world.flags, "--model-uri-map", mapped))


def store(world: World) -> Path:
    return world.models.database.parent / "store"


def add(world: World, model: str, uri: str = URI, **more: Any) -> None:
    """Register a version that is stored at ``uri`` and has no deploy.yaml."""
    folder = store(world) / uri.removeprefix("s3://models/")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "MLmodel").write_text("flavors: {python_function: {}}\n")
    world.models.add(model, None, source=folder.as_uri(), **more)


def served(world: World, *argv: str) -> dict[str, Any]:
    """Apply, see that nothing is left to do, and return the one deployment's predictor."""
    world.apply(*argv)
    assert world.actions(*argv) == {"iris-staging": "unchanged"}
    (body,) = world.objects.all().values()
    (predictor,) = body["spec"]["predictors"]
    return {**predictor, "spec": body["spec"], "pod": predictor["componentSpecs"][0]["spec"]}


def blocked(world: World, *argv: str) -> str:
    """Return why the one row is blocked, and see that a deployment that is there is held."""
    before = world.objects.snapshot()
    change = next(iter(world.plan(*argv).values()))
    assert change["action"] == "blocked", change
    assert world("apply", "--prune", *argv).code == 1
    assert world.objects.snapshot() == before
    return str(change["reason"])


# ------------------------------------------------------------------------ MLFLOW_SERVER


def test_without_an_image_the_model_is_served_by_mlflow_server(on_cluster: World) -> None:
    add(on_cluster, "iris")
    predictor = served(on_cluster, *OPTIONAL)
    assert predictor["name"] == "default"
    assert predictor["graph"] == {
        "name": "classifier",
        "type": "MODEL",
        "implementation": "MLFLOW_SERVER",
        "modelUri": URI,
    }


def test_the_server_may_take_half_an_hour_to_build_its_environment(on_cluster: World) -> None:
    """Kubernetes neither kills it nor calls the rollout stuck before that."""
    add(on_cluster, "iris")
    predictor = served(on_cluster, *OPTIONAL)
    (container,) = predictor["pod"]["containers"]
    assert container["name"] == predictor["graph"]["name"]
    probe = container["startupProbe"]
    assert probe["failureThreshold"] * probe["periodSeconds"] >= 30 * 60
    assert predictor["progressDeadlineSeconds"] > 30 * 60


def test_the_servers_options_are_written(on_cluster: World) -> None:
    add(on_cluster, "iris")
    options = ("--env-secret", "s3-credentials", "--service-account", "models", "--protocol", "v2")
    predictor = served(on_cluster, *OPTIONAL, *options, "--image-pull-secret", "pull")
    assert predictor["graph"]["envSecretRefName"] == "s3-credentials"
    assert predictor["graph"]["serviceAccountName"] == "models"
    assert predictor["spec"]["protocol"] == "v2"
    assert predictor["pod"]["imagePullSecrets"] == [{"name": "pull"}]


# ------------------------------------------------------------------------ model wrapper


def test_with_an_image_the_model_is_brought_to_its_container(on_cluster: World) -> None:
    add(on_cluster, "iris")
    predictor = served(on_cluster, "--default-image", IMAGE, "--env-secret", "s3-credentials")
    pod = predictor["pod"]
    (container,), (initializer,), (volume,) = (
        pod["containers"],
        pod["initContainers"],
        pod["volumes"],
    )
    assert predictor["graph"] == {"name": "classifier", "type": "MODEL", "modelUri": URI}
    assert (container["name"], container["image"]) == ("classifier", IMAGE)
    assert initializer["args"] == [URI, "/mnt/models"]
    assert initializer["envFrom"] == [{"secretRef": {"name": "s3-credentials"}}]
    assert volume["emptyDir"] == {}
    mounts = [each["volumeMounts"][0] for each in (container, initializer)]
    assert {mount["mountPath"] for mount in mounts} == {"/mnt/models"}
    assert {mount["name"] for mount in mounts} == {volume["name"]}


def test_a_wrapper_has_rest_and_grpc_endpoints(on_cluster: World) -> None:
    add(on_cluster, "iris")
    predictor = served(on_cluster, "--default-image", IMAGE)
    (container,) = predictor["pod"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": 9000, "grpc": 9500}
    assert "endpoint" not in predictor["graph"], "one endpoint type would leave the other out"


def test_the_wrappers_options_are_written(on_cluster: World) -> None:
    add(on_cluster, "iris")
    options = ("--service-account", "models", "--image-pull-secret", "pull", "--protocol", "v2")
    predictor = served(
        on_cluster, "--default-image", IMAGE, *options, "--init-image", "example/fetch:2"
    )
    assert predictor["spec"]["protocol"] == "v2"
    assert predictor["pod"]["serviceAccountName"] == "models"
    assert predictor["pod"]["imagePullSecrets"] == [{"name": "pull"}]
    assert predictor["pod"]["initContainers"][0]["image"] == "example/fetch:2"


@pytest.mark.parametrize(
    ("options", "tags", "image"),
    [
        (("--default-image", IMAGE), {}, IMAGE),
        (("--default-image", IMAGE), {"deployment-image": "other:2"}, "other:2"),
        (("--default-image", IMAGE, "--image-tag", "image"), {"image": "other:2"}, "other:2"),
        (("--default-image", IMAGE, "--image-tag", "image"), {"deployment-image": "x:2"}, IMAGE),
        (OPTIONAL, {"deployment-image": "other:2"}, "other:2"),
        (("--image-tag", "image"), {"image": "other:2"}, "other:2"),
    ],
)
def test_a_tag_of_the_registered_model_names_another_image(
    on_folder: World, options: tuple[str, ...], tags: dict[str, str], image: str
) -> None:
    add(on_folder, "iris", model_tags=tags)
    on_folder.apply(*options)
    (body,) = on_folder.objects.all().values()
    pod = body["spec"]["predictors"][0]["componentSpecs"][0]["spec"]
    assert pod["containers"][0]["image"] == image


def test_a_tag_of_the_version_does_not(on_folder: World) -> None:
    add(on_folder, "iris", tags={"deployment-image": "other:2"})
    on_folder.apply("--default-image", IMAGE)
    (body,) = on_folder.objects.all().values()
    assert IMAGE in yaml.safe_dump(body)


@pytest.mark.parametrize("image", ["Not An Image", "https://registry/x", "team/Upper:1", "x:"])
def test_a_tag_that_is_no_image_reference_blocks_and_holds(on_cluster: World, image: str) -> None:
    add(on_cluster, "iris")
    on_cluster.apply("--default-image", IMAGE)
    on_cluster.models.client.set_registered_model_tag("iris", "deployment-image", image)
    reason = blocked(on_cluster, "--default-image", IMAGE)
    assert reason == (
        "tag deployment-image of iris: wants an image reference such as "
        f"registry.example.com/team/server:1.2, not {image!r}"
    )


def test_a_flag_that_is_no_image_reference_is_wrong_usage(on_folder: World) -> None:
    result = on_folder("plan", "--default-image", "Not An Image")
    assert (result.code, result.error) == (
        64,
        "--default-image: wants an image reference such as registry.example.com/team/server:1.2, "
        "not 'Not An Image'",
    )


# ---------------------------------------------------------------- which versions it is for


def test_a_version_without_a_file_is_skipped_unless_asked_for(on_folder: World) -> None:
    add(on_folder, "iris")
    assert on_folder.plan() == {}
    assert on_folder("plan").out.count("no deploy.yaml") == 1
    assert on_folder.actions(*OPTIONAL) == {"iris-staging": "create"}
    assert on_folder.actions("--default-image", IMAGE) == {"iris-staging": "create"}


def test_a_file_is_used_where_there_is_one(on_folder: World) -> None:
    add(on_folder, "iris")
    on_folder.models.add("wine", source="s3://models/wine/1")
    on_folder.apply("--default-image", IMAGE)
    bodies = {name: yaml.safe_dump(body) for name, body in on_folder.objects.all().items()}
    assert {name: IMAGE in text for name, text in bodies.items()} == {
        "iris-staging": True,
        "wine-staging": False,
    }


def test_files_may_be_ignored_and_are_not_even_looked_for(on_folder: World) -> None:
    """The artifact store is not on this machine, as with a platform's storage."""
    on_folder.models.add("wine", source="file:///usr/local/share/mlruns/0/x/artifacts/model")
    ignored = ("--deploy-file", "ignored", "--model-uri-map", "file:///usr/local/share=s3://m")
    on_folder.apply("--default-image", IMAGE, *ignored)
    (body,) = on_folder.objects.all().values()
    assert body["spec"]["predictors"][0]["componentSpecs"][0]["spec"]["initContainers"][0][
        "args"
    ] == ["s3://m/mlruns/0/x/artifacts/model", "/mnt/models"]


def test_two_stages_at_once_are_two_deployments(on_cluster: World) -> None:
    add(on_cluster, "iris", stage="Production")
    add(on_cluster, "iris", "s3://models/iris/2")
    add(on_cluster, "wine", "s3://models/wine/1", stage="Production")
    both = ("--stage", "Production", "--default-image", IMAGE)
    on_cluster.apply(*both)
    owners = {
        name: body["metadata"]["labels"]["m2s.io/owner"]
        for name, body in on_cluster.objects.all().items()
    }
    assert owners == {
        "iris-production": "stage-production",
        "iris-staging": "stage-staging",
        "wine-production": "stage-production",
    }
    assert set(on_cluster.actions(*both).values()) == {"unchanged"}
    on_cluster.models.move("iris", 1, "Archived")
    on_cluster.apply("--prune", *both)
    assert set(on_cluster.objects.all()) == {"iris-staging", "wine-production"}


def test_another_version_is_an_update_of_its_uri(on_cluster: World) -> None:
    add(on_cluster, "iris")
    on_cluster.apply("--default-image", IMAGE)
    add(on_cluster, "iris", "s3://models/iris/2")
    change = on_cluster.plan("--default-image", IMAGE)["iris-staging"]
    assert change["reason"] == "promoted v1 → v2"
    moved = [field["new"] for field in change["fields"] if field["path"].startswith("spec.")]
    assert moved == ["s3://models/iris/2", "***"], "an argument's value is hidden"


def test_a_saved_plan_keeps_the_servers_options(on_folder: World, tmp_path: Path) -> None:
    add(on_folder, "iris")
    saved = str(tmp_path / "plan.json")
    assert on_folder("plan", "--default-image", IMAGE, "--out", saved).code == 0
    assert on_folder("apply", saved).code == 0
    assert list(on_folder.objects.all()) == ["iris-staging"]


def test_the_registrys_tags_are_read_completely_or_nothing_is_planned(
    on_folder: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A page that cannot be read is tested with the registry; here, that nobody asks in vain.
    on_folder.models.add("iris")
    monkeypatch.setattr(
        "m2s.sources.mlflow.registry.MlflowRegistry.model_tags", lambda _: pytest.fail("asked")
    )
    assert on_folder.actions(*OPTIONAL) == {"iris-staging": "create"}
