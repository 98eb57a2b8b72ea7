"""Law 3 for the shortcut: it claims that nothing would change only where the server says so too."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import event, given, note
from hypothesis import strategies as st
from kubernetes import client

from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Manifest
from m2s.engine import reconcile
from m2s.engine.execute import execute
from m2s.objects import diff
from m2s.objects.body import comparable
from m2s.objects.diff import dropped
from m2s.plan.changes import Blocked, Create, Unchanged, Update
from m2s.plan.plan import Plan
from m2s.plan.proof import changes_nothing
from m2s.settings.build import build
from m2s.settings.groups import Settings
from m2s.targets.kubernetes.namespace import connect
from tests.kits.fakes import FakeRegistry
from tests.kits.generated import descriptions
from tests.kits.kind import GROUP, PLURAL, VERSION
from tests.kits.support import description, tried
from tests.kits.worlds import Namespace
from tests.laws.test_law_server_decides import DESCRIPTION, IGNORED, edits
from tests.servers import ApiServer

# The server fills a port's protocol in, so that of such an object nothing can be claimed.
PLAIN = DESCRIPTION.replace(", ports: [{containerPort: 90}]", "")
MANAGERS = st.sampled_from(["kubectl-patch", "argocd", "m2s", "autoscaler"])
IGNORED_PARTS = st.one_of(IGNORED, st.just(["/spec/predictors/0/traffic", "/spec/name"]))


@st.composite
def applies(draw: st.DrawFn) -> tuple[str, Any]:
    """(how, part of an object): a server-side apply by somebody, some of it what m2s says too."""
    labels = st.dictionaries(st.sampled_from(["team", "tier"]), st.sampled_from(["a", "b"]))
    spec = st.fixed_dictionaries({}, optional={
        "name": st.sampled_from(["iris", "other"]),
        "replicas": st.sampled_from([1, 2, 3]),
        "annotations": st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["b", "c"])),
    })  # fmt: skip
    part = {"metadata": {"labels": draw(labels)}, "spec": draw(spec)}
    return draw(st.sampled_from(["apply", "force"])), part


def steps() -> st.SearchStrategy[Any]:
    """Edits by patches, by server-side apply, and whole applies by m2s with other settings."""
    patched = st.tuples(st.just("patch"), edits(), MANAGERS)
    applied = st.tuples(st.just("apply"), applies(), MANAGERS)
    again = st.tuples(st.just("m2s"), IGNORED_PARTS, st.none())
    return st.lists(st.one_of(patched, applied, again), max_size=4)


class Stage:
    """One deployment of a namespace, and those who write it."""

    def __init__(self, server: ApiServer, namespace: str, kubeconfig: Path, deploy: Any) -> None:
        self.objects = Namespace(server, namespace)
        self.cluster = connect(namespace, str(kubeconfig), None)
        self.registry = FakeRegistry()
        self.registry.add("iris", deploy, source="s3://models/iris")
        self.api = client.CustomObjectsApi(server.admin)
        self.objects.delete()

    def plan(self, ignore: list[str]) -> Plan:
        return reconcile.make_plan(self.registry, self.cluster, _settings(ignore))

    def apply(self, ignore: list[str]) -> None:
        execute(self.plan(ignore), self.cluster)

    def do(self, step: Any) -> None:
        kind, what, who = step
        names = list(self.objects.all())
        if kind == "m2s":
            self.apply(what)
        elif names and kind == "patch":
            part, patch = what
            with contextlib.suppress(Exception):
                self.objects.patch(names[0], patch, manager=who, part=part)
        elif names:
            how, part = what
            self._server_side_apply(names[0], how, part, who)

    def _server_side_apply(self, name: str, how: str, part: Any, who: str) -> None:
        body = {"apiVersion": f"{GROUP}/{VERSION}", "kind": "SeldonDeployment", **part}
        body["metadata"] = {**part["metadata"], "name": name}
        with contextlib.suppress(client.ApiException):
            self.api.patch_namespaced_custom_object(
                GROUP, VERSION, self.objects.name, PLURAL, name, body, field_manager=who,
                force=how == "force", _content_type="application/apply-patch+yaml",
            )  # fmt: skip


def _settings(ignore: list[str]) -> Settings:
    given = {"stage": "Staging", "concurrency": "1", "ignore": ignore, "preflight": False}
    return build({**given, "adopt": True}, {})


def _pairs(made: Plan) -> list[tuple[Manifest, LiveDeployment]]:
    """What would be written over what, as the plan has it."""
    found = [each for each in made.changes if isinstance(each, Unchanged | Update)]
    return [(each.manifest, each.live) for each in found if each.manifest]


@tried(120, sharing=True)
@given(
    deploy=st.one_of(st.just(PLAIN), st.just(PLAIN), st.just(DESCRIPTION), descriptions()),
    first=IGNORED_PARTS,
    history=steps(),
    then=IGNORED_PARTS,
)
def test_it_claims_nothing_that_the_server_denies(
    api_server: ApiServer,
    namespace: str,
    kubeconfig: Path,
    deploy: Any,
    first: list[str],
    history: Any,
    then: list[str],
) -> None:
    stage = Stage(api_server, namespace, kubeconfig, deploy)
    stage.apply(first)
    for step in history:
        stage.do(step)
    for manifest, live in _pairs(stage.plan(then)):
        claimed = changes_nothing(manifest, live)
        event(f"claimed: {claimed}")
        if claimed:
            merged = stage.cluster.preview(manifest, live)
            note(f"live {live.body}\nmerged {merged}")
            assert comparable(merged) == comparable(live.body)
            assert merged["metadata"]["generation"] == live.generation
            assert _owned(merged) == _owned(live.body)


def _owned(body: Any) -> Any:
    return [(each["manager"], each["fieldsV1"]) for each in body["metadata"]["managedFields"]]


@tried(30, sharing=True)
@given(ignore=IGNORED, replicas=st.integers(1, 5))
def test_it_claims_what_nobody_touched(
    api_server: ApiServer, namespace: str, kubeconfig: Path, ignore: list[str], replicas: int
) -> None:
    stage = Stage(api_server, namespace, kubeconfig, description("iris", replicas=replicas))
    stage.apply(ignore)
    stage.objects.patch("iris", {"status": {"state": "Available"}}, part="status")
    ((manifest, live),) = _pairs(stage.plan(ignore))
    assert changes_nothing(manifest, live)


@pytest.mark.parametrize(
    "patch",
    [
        {"metadata": {"labels": {"m2s.io/version": "7"}}},
        {"metadata": {"annotations": {"m2s.io/checksum": "other"}}},
        {"spec": {"predictors": []}},
        {"spec": {"name": None}},
    ],
)
def test_it_leaves_edits_to_the_server(
    api_server: ApiServer, namespace: str, kubeconfig: Path, patch: Any
) -> None:
    stage = Stage(api_server, namespace, kubeconfig, PLAIN)
    stage.apply([])
    stage.objects.patch("iris", patch)
    (change,) = stage.plan([]).changes
    assert isinstance(change, Update)
    assert not changes_nothing(change.manifest, change.live)


def test_what_is_no_longer_said_is_the_servers_to_remove(
    api_server: ApiServer, namespace: str, kubeconfig: Path
) -> None:
    stage = Stage(api_server, namespace, kubeconfig, PLAIN)
    stage.apply([])
    ((manifest, live),) = _pairs(stage.plan([]))
    assert changes_nothing(manifest, live)
    less = replace(manifest, body=dropped(manifest.body, ["/metadata/labels/team"]))
    assert not changes_nothing(less, live)
    assert "team" not in stage.cluster.preview(less, live)["metadata"]["labels"]


def test_a_field_that_others_took_and_put_back_is_left_to_the_server(
    api_server: ApiServer, namespace: str, kubeconfig: Path
) -> None:
    stage = Stage(api_server, namespace, kubeconfig, PLAIN)
    stage.apply([])
    for team in (None, "a"):
        stage.objects.patch("iris", {"metadata": {"labels": {"team": team}}})
    ((manifest, live),) = _pairs(stage.plan([]))
    assert live.labels["team"] == "a"
    assert not changes_nothing(manifest, live)


def test_an_object_that_m2s_did_not_apply_is_left_to_the_server(
    api_server: ApiServer, namespace: str, kubeconfig: Path
) -> None:
    stage = Stage(api_server, namespace, kubeconfig, PLAIN)
    (change,) = stage.plan([]).changes
    assert isinstance(change, Create)
    stage.objects.create(change.manifest.body)
    ((manifest, live),) = _pairs(stage.plan([]))
    assert not changes_nothing(manifest, live)


def test_an_object_in_sync_is_not_blocked_by_what_the_server_would_refuse_anew(
    api_server: ApiServer, namespace: str, kubeconfig: Path
) -> None:
    """Nothing would be written, so nothing is refused."""
    stage = Stage(api_server, namespace, kubeconfig, description("iris"))
    stage.apply([])
    token = api_server.user(namespace, [{
        "apiGroups": [GROUP], "resources": [PLURAL], "verbs": ["list"],
    }])  # fmt: skip
    reader = connect(namespace, str(api_server.kubeconfig(token)), None)
    (change,) = reconcile.make_plan(stage.registry, reader, _settings([])).changes
    assert isinstance(change, Unchanged)
    stage.objects.patch("iris", {"metadata": {"labels": {"m2s.io/version": "7"}}})
    with pytest.raises(Exception, match="may not patch"):
        reconcile.make_plan(stage.registry, reader, _settings([]))
    assert not isinstance(change, Blocked)


NAMED = st.fixed_dictionaries({"name": st.sampled_from("abc")}, optional={"x": st.integers(0, 2)})
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([0, 1, 1.0, True, False, None, "", "1", {}, []]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(NAMED, max_size=3),
        st.dictionaries(st.sampled_from("abcd"), inner, max_size=4),
    ),
    max_leaves=12,
)
OBJECTS = st.dictionaries(st.sampled_from(["spec", "metadata", "x"]), VALUES, max_size=3)


@tried(400)
@given(old=OBJECTS, new=OBJECTS, common=OBJECTS)
def test_what_two_objects_have_in_common_is_no_part_of_their_difference(
    old: Any, new: Any, common: Any
) -> None:
    left, right = diff._keyed({**common, **old}), diff._keyed({**common, **new})
    whole = diff._compared([((), left, right)])
    less = diff._compared(list(diff._pairs(left, right, ())))
    assert sorted(map(repr, whole)) == sorted(map(repr, less))
