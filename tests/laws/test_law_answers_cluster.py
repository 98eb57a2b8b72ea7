"""Law 11 and 12 at the Kubernetes edge: an answer counts only if it names what was asked for.

Whatever a proxy, a login page or another server answers is an error in one line, never an empty
cluster and never a deletion. One object that cannot be read holds its own row, the rest goes on.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from m2s.base.errors import ClusterError, M2sError, Rejected
from m2s.domain.deployments import LiveDeployment
from m2s.domain.versions import Unchecked
from m2s.targets.kubernetes.namespace import KubernetesCluster
from tests.kits import deployments
from tests.kits.deployments import manifest, uri_of
from tests.kits.support import description, m2s
from tests.kits.worlds import Namespace, World
from tests.servers import ApiServer, FaultProxy, kubernetes_status

LIST, OBJECT = r"/seldondeployments\?", r"/seldondeployments/fraud"
HEAD = {"apiVersion": "machinelearning.seldon.io/v1", "kind": "SeldonDeployment"}
LISTED = {**HEAD, "kind": "SeldonDeploymentList", "metadata": {}}
DEEP = '{"a":' * 100_000 + "1" + "}" * 100_000
SUCCESS = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
ELSEWHERE = {"metadata": {"name": "fraud", "namespace": "elsewhere", "uid": "1"}}

ANYTHING: dict[str, Any] = {
    "nothing": {},
    "an error": {"error": "try again"},
    "a Status": SUCCESS,
    "a Failure": kubernetes_status(500, "InternalError", "etcd is on fire"),
    "a page": "<html>Please log in</html>",
    "null": "null",
    "an array": "[]",
    "a number": "7",
    "half of it": '{"kind": "Seldon',
    "too deep": DEEP,
    "no number": '{"a": NaN}',
    "half a character": json.dumps({**HEAD, "metadata": {"name": "\ud800"}}),
    "not UTF-8": b'{"a": "\xff"}',
    "another kind": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fraud"}},
    "another version": {**HEAD, "apiVersion": "machinelearning.seldon.io/v9", **ELSEWHERE},
    "no metadata": HEAD,
    "metadata that are a text": {**HEAD, "metadata": "fraud"},
    "another name": {**HEAD, "metadata": {"name": "iris", "namespace": "NS", "uid": "1"}},
    "another namespace": {**HEAD, **ELSEWHERE},
}
LISTS: dict[str, Any] = {
    "no items": LISTED,
    "items that are a text": {**LISTED, "items": "x"},
    "items that are a mapping": {**LISTED, "items": {"fraud": 1}},
    "an item that is a text": {**LISTED, "items": ["fraud"]},
    "an item of another kind": {**LISTED, "items": [ANYTHING["another kind"]]},
    "an item of another namespace": {**LISTED, "items": [ANYTHING["another namespace"]]},
    "an item without a name": {**LISTED, "items": [{**HEAD, "metadata": {}}]},
    "an item with an odd name": {**LISTED, "items": [{**HEAD, "metadata": {"name": 7}}]},
    "a list of another kind": {**LISTED, "kind": "ConfigMapList", "items": []},
    "an odd continue": {**LISTED, "metadata": {"continue": 7}, "items": []},
    "no metadata at all": {**HEAD, "kind": "SeldonDeploymentList", "items": []},
}


def spoiled(proxy: FaultProxy, answers: dict[str, Any], **which: Any) -> Iterator[str]:
    """Answer with each of these in turn."""
    for name, answer in answers.items():
        proxy.heal()
        proxy.answer(200, answer, **which)
        yield name


def refused(attempt: Callable[[], object], name: str) -> M2sError:
    with pytest.raises(M2sError) as raised:
        attempt()
    text = str(raised.value)
    assert "\n" not in text, name
    assert len(text) < 700, name
    return raised.value


def test_a_list_that_is_none_is_never_an_empty_cluster(
    cluster: KubernetesCluster, proxy: FaultProxy, live: LiveDeployment
) -> None:
    for name in spoiled(proxy, {**ANYTHING, **LISTS}, path=LIST):
        error = refused(cluster.list, name)
        assert isinstance(error, ClusterError), name
        assert not isinstance(error, Rejected), name
    proxy.heal()
    assert cluster.list() == (live,)


def test_an_object_that_is_another_one_is_never_absent(
    cluster: KubernetesCluster, proxy: FaultProxy, live: LiveDeployment
) -> None:
    for name in spoiled(proxy, ANYTHING, method="GET", path=OBJECT):
        refused(lambda: cluster.get(live.key), name)


@pytest.mark.parametrize("status", [200, 201])
def test_a_write_that_is_answered_with_something_else_has_not_succeeded(
    cluster: KubernetesCluster, proxy: FaultProxy, live: LiveDeployment, status: int
) -> None:
    wanted = manifest(cluster.namespace, uri="s3://models/fraud/2")
    for name, answer in ANYTHING.items():
        proxy.heal()
        proxy.answer(status, answer, method="PATCH")
        refused(lambda: cluster.preview(wanted, live), name)
        refused(lambda: cluster.apply(wanted, live), name)
        refused(lambda: cluster.apply(manifest(cluster.namespace, "new"), None), name)
    proxy.heal()
    assert cluster.list() == (live,)


def test_a_deletion_is_one_only_if_the_answer_says_so_of_this_object(
    cluster: KubernetesCluster, proxy: FaultProxy, live: LiveDeployment
) -> None:
    about = {"name": "iris", "kind": "seldondeployments", "uid": live.uid}
    lies = {
        "a Status about another one": {**SUCCESS, "details": about},
        "another uid": {**SUCCESS, "details": {**about, "name": "fraud", "uid": "1"}},
        "a Status of no success": {**SUCCESS, "status": "Failure", "details": about},
        "the object as it is": live.body,
    }
    for name in spoiled(proxy, {**ANYTHING, **lies}, method="DELETE"):
        refused(lambda: cluster.delete(live), name)
    proxy.heal()
    assert cluster.list() == (live,)
    cluster.delete(live)
    assert cluster.list() == ()


def test_a_deletion_that_a_finalizer_holds_up_is_one(
    api_server: ApiServer, cluster: KubernetesCluster, live: LiveDeployment
) -> None:
    held = {"metadata": {"finalizers": ["example.com/held"]}}
    deployments.patch(api_server, live.key, held)
    (there,) = cluster.list()
    cluster.delete(there)
    (there,) = cluster.list()
    assert there.body["metadata"]["deletionTimestamp"]
    deployments.patch(api_server, live.key, {"metadata": {"finalizers": None}})


def test_what_a_deployment_refers_to_is_not_absent_either(
    cluster: KubernetesCluster, proxy: FaultProxy
) -> None:
    for name in spoiled(proxy, ANYTHING, path=r"/(secrets|serviceaccounts)/"):
        for look in (cluster.secret_keys, cluster.has_service_account):
            found: object = Unchecked("")
            with contextlib.suppress(ClusterError):
                found = look("fraud")
            assert isinstance(found, Unchecked), name


def test_rollouts_are_not_judged_by_what_is_no_deployment(
    cluster: KubernetesCluster, proxy: FaultProxy, live: LiveDeployment
) -> None:
    labels = {"seldon-deployment-id": "fraud"}
    named = {"name": "x", "namespace": cluster.namespace, "labels": labels}
    head = {"kind": "DeploymentList", "apiVersion": "apps/v1", "metadata": {}}
    specs: list[Any] = [None, "x", {"template": []}]
    lists = {
        f"spec {spec}": {**head, "items": [{"metadata": named, "spec": spec}]} for spec in specs
    }
    for name in spoiled(proxy, {**ANYTHING, **LISTS, **lists}, path="/deployments"):
        refused(lambda: cluster.rollout(live), name)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nothing_follows_a_redirect(
    api_server: ApiServer,
    cluster: KubernetesCluster,
    proxy: FaultProxy,
    live: LiveDeployment,
    fault_proxy: Callable[[ApiServer], FaultProxy],
    status: int,
) -> None:
    other = fault_proxy(api_server)
    for target in (f"{other.url}/apis", "/apis", "//example.com/apis"):
        proxy.heal()
        proxy.answer(status, "", {"Location": target})
        before = proxy.count()
        for attempt in (
            cluster.list,
            lambda: cluster.preview(manifest(cluster.namespace), live),
            lambda: cluster.apply(manifest(cluster.namespace, "new"), None),
            lambda: cluster.delete(live),
        ):
            assert "redirect" in str(refused(attempt, target))
        assert proxy.count() == before + 4
    assert other.requests == []


def page_of(names: list[str], namespace: str, token: str) -> dict[str, Any]:
    items = [deployments.body(namespace, name) for name in names]
    return {**LISTED, "metadata": {"continue": token}, "items": items}


@pytest.mark.parametrize("tokens", [["A", "A"], ["A", "B", "A", "B"]])
def test_pages_that_lead_back_are_no_list(
    cluster: KubernetesCluster, proxy: FaultProxy, tokens: list[str]
) -> None:
    for number, token in enumerate(tokens):
        page = page_of([f"m{number}"], cluster.namespace, token)
        proxy.answer(200, page, path=LIST, after=number, times=1)
    proxy.answer(500, "asked again", path=LIST)
    assert "repeat themselves" in str(refused(cluster.list, "tokens"))


def test_the_same_page_under_ever_new_tokens_is_no_list(
    cluster: KubernetesCluster, proxy: FaultProxy
) -> None:
    for number in range(3):
        page = page_of(["fraud"], cluster.namespace, f"t{number}")
        proxy.answer(200, page, path=LIST, after=number, times=1)
    assert "repeat themselves" in str(refused(cluster.list, "pages"))
    assert proxy.count(path=LIST) == 2


def test_pages_without_an_end_are_no_list(
    cluster: KubernetesCluster, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("m2s.targets.kubernetes.pages.PAGES", 5)
    for number in range(20):
        page = page_of([f"m{number}"], cluster.namespace, f"t{number}")
        proxy.answer(200, page, path=LIST, after=number, times=1)
    assert "more than 5 pages" in str(refused(cluster.list, "pages"))
    assert proxy.count(path=LIST) == 5


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


SPOILED: dict[str, Any] = {
    "labels that are a list": {"metadata": {"labels": ["m2s.io/owner"]}},
    "a label that is no text": {"metadata": {"labels": {"m2s.io/owner": 7}}},
    "annotations that are a text": {"metadata": {"annotations": "x"}},
    "an annotation that is no text": {"metadata": {"annotations": {"m2s.io/model": {}}}},
    "no uid": {"metadata": {"uid": None}},
    "no resourceVersion": {"metadata": {"resourceVersion": 7}},
    "an odd generation": {"metadata": {"generation": "many"}},
    "odd managedFields": {"metadata": {"managedFields": ["m2s"]}},
    "odd fieldsV1": {"metadata": {"managedFields": [{"manager": "m2s", "fieldsV1": "x"}]}},
    "a spec that is a text": {"spec": "x"},
    "a status that is a list": {"status": ["Available"]},
    "a deep spec": {"spec": nested(500)},
    "a deep status": {"status": nested(500)},
}


def with_one_spoiled(listed: Any, name: str, change: Any) -> Any:
    """Return the server's list with one object of it changed."""
    spoiled = json.loads(json.dumps(listed))
    spoiled["kind"] = "SeldonDeploymentList"
    item = next(item for item in spoiled["items"] if item["metadata"]["name"] == name)
    for part, value in change.items():
        if part == "metadata":
            item["metadata"].update(value)
        else:
            item[part] = value
    return spoiled


@pytest.fixture
def behind(on_cluster: World, api_server: ApiServer, proxy: FaultProxy) -> World:
    """A registry and a namespace behind the proxy, with three models of which two have news."""
    config = str(api_server.kubeconfig(server=proxy.url))
    world = World(
        on_cluster.models, on_cluster.objects, (*on_cluster.flags, "--kubeconfig", config)
    )
    for name in ("bad", "good", "gone"):
        world.models.add(name, description(name))
    world.apply()
    for name in ("bad", "good"):
        version = world.models.add(name, description(name, replicas=2), stage=None)
        world.models.move(name, version, "Staging")
    world.models.move("gone", 1, "Archived")
    return world


@pytest.mark.parametrize("command", ["plan", "apply"])
def test_no_odd_answer_makes_a_plan(behind: World, proxy: FaultProxy, command: str) -> None:
    before = behind.objects.snapshot()
    for name in spoiled(proxy, {**ANYTHING, **LISTS}, path=LIST):
        result = behind(command, *(["--prune"] if command == "apply" else []))
        assert result.code == 1, name
        assert result.error
        assert "Plan:" not in result.out
    assert behind.objects.snapshot() == before


@pytest.mark.thorough
def test_one_unreadable_object_holds_its_own_row(behind: World, proxy: FaultProxy) -> None:
    objects: Namespace = behind.objects
    listed = objects.server.call("GET", objects.path)
    for name, change in SPOILED.items():
        proxy.heal()
        proxy.answer(200, with_one_spoiled(listed, "bad", change), path=LIST)
        actions = behind.actions()
        assert actions == {"bad": "blocked", "good": "update", "gone": "delete"}, name
        proxy.heal()
        proxy.answer(200, with_one_spoiled(listed, "gone", change), path=LIST)
        assert behind.actions().get("gone") != "delete", name


def test_what_cannot_be_read_is_neither_written_nor_deleted(
    behind: World, proxy: FaultProxy
) -> None:
    objects: Namespace = behind.objects
    before = objects.snapshot()
    listed = objects.server.call("GET", objects.path)
    deep = with_one_spoiled(listed, "bad", SPOILED["a deep spec"])
    deep = with_one_spoiled(deep, "gone", SPOILED["a deep status"])
    proxy.answer(200, deep, path=LIST)
    done = behind("apply", "--prune", "--max-delete", "100%", "-o", "json")
    assert done.code == 1
    assert "cannot be read" in done.changes["bad"]["reason"]
    after = objects.snapshot()
    assert {name for name in before if before[name] != after.get(name)} == {"good"}
    assert behind("prune", "--all", "--yes").code == 1
    assert {"bad", "gone"} <= objects.all().keys()
    config = str(objects.server.kubeconfig(namespace=objects.name, server=proxy.url))
    status = m2s("status", "--kubeconfig", config)
    assert status.code == 0
    assert "cannot be read" in " ".join(status.out.split())


@pytest.mark.parametrize("name", ["nothing", "a Status", "a page", "another name"])
def test_an_odd_preview_holds_its_own_row(behind: World, proxy: FaultProxy, name: str) -> None:
    proxy.answer(200, ANYTHING[name], method="PATCH", path="/bad\\?.*dryRun")
    assert behind.actions() == {"bad": "blocked", "good": "update", "gone": "delete"}
    done = behind("apply")
    assert done.code == 1
    assert behind.objects.all()["good"]["spec"]["predictors"][0]["replicas"] == 2
    assert uri_of(behind.objects.all()["bad"])
