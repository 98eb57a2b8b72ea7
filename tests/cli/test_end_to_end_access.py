"""The least that a ServiceAccount must be allowed, and what each missing verb is called."""

from __future__ import annotations

import pytest

from tests.kits.kind import GROUP, PLURAL
from tests.kits.support import description
from tests.kits.worlds import World
from tests.servers import ApiServer

LEAST = ["get", "list", "create", "patch", "delete"]
"""`get` is only asked for when a write meets another one's, and by --wait."""


def allowed(world: World, server: ApiServer, verbs: list[str]) -> World:
    """Return the world as a ServiceAccount with these verbs on SeldonDeployments sees it."""
    rule = {"apiGroups": [GROUP], "resources": [PLURAL], "verbs": verbs}
    token = server.user(world.objects.name, [rule])
    flags = (*world.flags, "--kubeconfig", str(server.kubeconfig(token)))
    return World(world.models, world.objects, flags)


def change_everything(world: World) -> None:
    """Leave one to create, one to update and one to delete."""
    for model in ("changes", "goes", "stays"):
        world.models.add(model)
    world.apply()
    world.models.add("changes", description(replicas=2))
    world.models.move("goes", 1, "Archived")
    world.models.add("new")


@pytest.mark.thorough
def test_five_verbs_suffice(on_cluster: World, api_server: ApiServer) -> None:
    account = allowed(on_cluster, api_server, LEAST)
    assert account.actions() == {}, "an empty namespace"
    change_everything(account)
    account.apply("--prune")
    assert set(account.actions().values()) == {"unchanged"}
    assert account("prune", "--all", "--yes").code == 0
    assert on_cluster.objects.all() == {}


@pytest.mark.thorough
@pytest.mark.parametrize("missing", [verb for verb in LEAST if verb != "get"])
def test_four_do_not(on_cluster: World, api_server: ApiServer, missing: str) -> None:
    change_everything(on_cluster)
    before = on_cluster.objects.all()
    account = allowed(on_cluster, api_server, [verb for verb in LEAST if verb != missing])
    result = account("apply", "--prune")
    assert result.code == 1
    said = " ".join((result.out + result.err).split())
    assert f"may not {missing} seldondeployments" in said
    assert "Traceback" not in said
    assert on_cluster.objects.all()["stays-staging"] == before["stays-staging"]
    on_cluster.apply("--prune")
    assert set(on_cluster.actions().values()) == {"unchanged"}


@pytest.mark.parametrize("verbs", [["get", "list"], ["list", "get", "patch", "create"]])
def test_plan_needs_the_writes_verbs_for_its_dry_runs(
    on_cluster: World, api_server: ApiServer, verbs: list[str]
) -> None:
    on_cluster.models.add("iris")
    result = allowed(on_cluster, api_server, verbs)("plan")
    assert result.code == (0 if "patch" in verbs else 1)
