"""docs/migrating.md, "From Seldon Core v1 to KServe", as it is written there."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from urllib.error import HTTPError

import pytest

from tests.kits.support import Models, m2s
from tests.kits.worlds import World
from tests.kserve.cluster import KserveCluster
from tests.servers import wait_for
from tests.servers.crd import load_crd

PAGE = Path(__file__).parents[2] / "docs" / "migrating.md"
SECTION = PAGE.read_text().partition("## From Seldon Core v1 to KServe")[2].partition("\n## ")[0]


def commands() -> list[list[str]]:
    """Return what the section has a person type, without ``m2s`` and what is redirected."""
    found = re.findall(r"(?m)^ {7}m2s (.+)$", SECTION)
    return [line.partition(" >")[0].split() for line in found]


def test_a_registry_moves_model_by_model(on_folder: World) -> None:
    plan, init, apply = commands()
    assert (plan[0], apply[0]) == ("plan", "apply")
    for model in ("iris", "wine"):
        on_folder.models.add(model, source=f"s3://models/{model}")
    on_folder.apply("--deploy-file", "optional")

    started = m2s(*init)
    assert started.code == 0
    version = on_folder.models.add("iris", started.out, source="s3://models/iris/2")
    on_folder.models.move("iris", version, "Staging")
    both = ("--deploy-file", "optional")
    rows = on_folder("plan", "-o", "json", *both).document["changes"]
    found = {(each["name"], each["platform"], each["action"]) for each in rows}
    assert ("iris-staging", "kserve", "create") in found
    assert ("wine-staging", "seldon", "unchanged") in found

    on_folder.apply(*both)
    there = set(on_folder.objects.snapshot())
    assert len(there) == 3 + len([name for name in there if name.endswith("-m2s")])
    table = on_folder("plan", *both).out
    assert "Platform" in table


def test_the_first_look_is_a_plan_that_this_release_takes(on_folder: World) -> None:
    plan = commands()[0]
    assert {"--platform", "--service-account"} <= {*plan}
    result = m2s(*plan, *on_folder.flags[2:])
    assert result.code == 0, result


@pytest.mark.slow
def test_both_serve_until_the_old_one_is_pruned(
    kserve_cluster: KserveCluster, sqlite_registry: str
) -> None:
    """The same in a cluster that has both, on KServe's own controller."""
    with contextlib.suppress(HTTPError):  # of a test before
        crds = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
        core = kserve_cluster.call("GET", "/openapi/v3/api/v1")["components"]["schemas"]
        kserve_cluster.call("POST", crds, load_crd(lambda: core))

    def groups() -> set[str]:
        return {each["name"] for each in kserve_cluster.call("GET", "/apis")["groups"]}

    wait_for(lambda: "machinelearning.seldon.io" in groups(), "SeldonDeployments to be listed")
    name = kserve_cluster.namespace()
    config = str(kserve_cluster.kubeconfig())
    where = ("--tracking-uri", sqlite_registry, "--kubeconfig", config, "-n", name)
    models = Models(sqlite_registry)
    models.add("iris", source="s3://models/iris")
    flags = ("--stage", "Staging", *where, "--no-preflight")
    assert m2s("apply", *flags).code == 0

    init = m2s(*commands()[1])
    models.move("iris", models.add("iris", init.out, source="s3://models/iris/2"), "Staging")
    assert m2s("apply", *flags).code == 0
    seldon = f"/apis/machinelearning.seldon.io/v1/namespaces/{name}/seldondeployments"
    kserve = f"/apis/serving.kserve.io/v1beta1/namespaces/{name}/inferenceservices"
    there = [len(kserve_cluster.call("GET", path)["items"]) for path in (seldon, kserve)]
    assert there == [1, 1]
    assert m2s("prune", *flags, "--yes").code == 0
    there = [len(kserve_cluster.call("GET", path)["items"]) for path in (seldon, kserve)]
    assert there == [0, 1]
