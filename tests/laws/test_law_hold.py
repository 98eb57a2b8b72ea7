"""Law 4: failing to read is never "absent"; what is there is held, never deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.kits.support import description
from tests.kits.worlds import Proxied, both_proxied
from tests.servers import ApiServer, MlflowServer, kubernetes_status

COMMANDS = [("apply", "--prune"), ("prune", "--yes")]
LISTS = r"/seldondeployments\?"
REFUSED = {"error_code": "PERMISSION_DENIED", "message": "not for you"}


def registry_answers_500(world: Proxied) -> None:
    world.mlflow.answer(500, "sorry", path="/(registered-models|model-versions)/search")


def registry_wants_a_password(world: Proxied) -> None:
    world.mlflow.answer(401, "You are not authenticated.", path="/search")


def registry_answer_breaks_off(world: Proxied) -> None:
    world.mlflow.cut(at_byte=50, path="/registered-models/search")


def registry_hides_the_second_page(world: Proxied) -> None:
    world.mlflow.answer(
        200, {"registered_models": [], "next_page_token": "1"}, path="/search", times=1
    )
    world.mlflow.answer(502, "bad gateway", path="page_token=1")


def registry_answers_for_another(world: Proxied) -> None:
    world.mlflow.answer(200, "<html>log in</html>", path="/registered-models/search")


def second_look_is_refused(world: Proxied) -> None:
    world.mlflow.answer(403, REFUSED, path="/registered-models/get")


def second_look_finds_a_proxys_404(world: Proxied) -> None:
    world.mlflow.answer(404, "no such page", path="/registered-models/get")


def second_look_of_the_deletion_itself_is_refused(world: Proxied) -> None:
    world.mlflow.answer(403, REFUSED, path="/registered-models/get", after=1)


def second_look_finds_it_wanted_again(world: Proxied) -> None:
    body = {"registered_model": {"name": "", "aliases": [{"alias": world.alias, "version": "1"}]}}
    body["registered_model"]["name"] = f"gone-{world.alias}"
    world.mlflow.answer(200, body, path="/registered-models/get", after=1)


def cluster_list_is_refused(world: Proxied) -> None:
    body = kubernetes_status(500, "InternalError", "etcd is on fire")
    world.kubernetes.answer(500, body, method="GET", path=LISTS)


def cluster_list_breaks_off(world: Proxied) -> None:
    world.kubernetes.cut(at_byte=200, method="GET", path=LISTS)


FAULTS = [
    registry_answers_500, registry_wants_a_password, registry_answer_breaks_off,
    registry_hides_the_second_page, registry_answers_for_another,
    second_look_is_refused, second_look_finds_a_proxys_404,
    second_look_of_the_deletion_itself_is_refused, second_look_finds_it_wanted_again,
    cluster_list_is_refused, cluster_list_breaks_off,
]  # fmt: skip
HOLDS = [second_look_is_refused]
DURING_DELETION = [second_look_of_the_deletion_itself_is_refused, second_look_finds_it_wanted_again]


@pytest.fixture(scope="module")
def scene(mlflow_server: MlflowServer, api_server: ApiServer) -> Iterator[Proxied]:
    """One deployment that is wanted and one that is not any more."""
    with both_proxied(mlflow_server, api_server) as world:
        world.add("iris")
        gone = world.add("gone")
        world.apply()
        world.models.alias(gone, world.alias, None)
        yield world


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_nothing_is_deleted(
    scene: Proxied, fault: Callable[[Proxied], None], command: tuple[str, ...]
) -> None:
    before = scene.objects.snapshot()
    assert len(before) == 2
    fault(scene)
    try:
        result = scene(*command)
    finally:
        scene.mlflow.heal()
        scene.kubernetes.heal()
    assert scene.objects.snapshot() == before
    if fault in DURING_DELETION:
        assert "\nheld " in result.out or "held: " in result.out
        assert result.code == (1 if "refused" in fault.__name__ else 0)
    elif fault in HOLDS:
        assert "permission denied (403)" in " ".join(result.out.split())
        assert (result.code, result.err) == (1, "")
    else:
        assert (result.code, result.out) == (1, "")
        assert result.error


@pytest.mark.usefixtures("impatient")
def test_without_a_fault_it_is_deleted(scene: Proxied) -> None:
    assert scene("prune", "--yes").code == 0
    assert [name[:4] for name in scene.objects.snapshot()] == ["iris"]


def test_an_unreadable_description_holds_its_own_deployment_only(proxied: Proxied) -> None:
    iris, wine = proxied.add("iris"), proxied.add("wine")
    proxied.apply()
    before = proxied.objects.snapshot()
    proxied.add("iris", description("iris-has-a-new-name"))
    proxied.add("wine", description(replicas=2))
    run = proxied.models.run_of(iris, 2)
    proxied.mlflow.answer(500, "the store is down", path=run)
    result = proxied("apply", "--prune", "-o", "json")
    assert result.code == 1
    changes = {change["model"]: change for change in result.changes.values()}
    assert changes[iris]["action"] == "blocked"
    assert "500" in changes[iris]["reason"]
    assert changes[wine]["action"] == "update"
    after = proxied.objects.snapshot()
    assert after[changes[iris]["name"]] == before[changes[iris]["name"]]
    assert after.keys() == before.keys()


def test_a_version_without_a_description_holds_what_is_there(proxied: Proxied) -> None:
    iris = proxied.add("iris")
    proxied.apply()
    before = proxied.objects.snapshot()
    proxied.models.add(iris, None, stage=None, alias=proxied.alias, source="s3://gone/for/good")
    for command in COMMANDS:
        proxied(*command)
        assert proxied.objects.snapshot() == before


@pytest.mark.parametrize("status", ["PENDING_REGISTRATION", "FAILED_REGISTRATION"])
def test_a_version_that_is_not_ready_holds_the_one_before(proxied: Proxied, status: str) -> None:
    iris = proxied.add("iris")
    proxied.apply()
    before = proxied.objects.snapshot()
    proxied.add("iris", description("renamed"))
    proxied.models.set_status(iris, 2, status)
    result = proxied("apply", "--prune", "-o", "json")
    assert result.code == 1
    (change,) = result.changes.values()
    assert (change["action"], change["version"]) == ("blocked", "2")
    assert status in change["reason"]
    assert proxied.objects.snapshot() == before
