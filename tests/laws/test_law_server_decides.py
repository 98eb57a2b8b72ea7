"""Law 3: what counts as changed is what the API server says, for edits of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hypothesis import given, note
from hypothesis import strategies as st

from m2s.engine import reconcile
from m2s.engine.execute import execute
from m2s.plan.changes import Blocked, Unchanged, Update
from m2s.settings.build import build
from m2s.targets.kubernetes.namespace import connect
from tests.kits.fakes import FakeRegistry
from tests.kits.support import tried
from tests.kits.worlds import Namespace
from tests.servers import ApiServer

DESCRIPTION = """
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {name: iris, labels: {team: a}, annotations: {note: x}}
spec:
  name: iris
  replicas: 2
  annotations: {a: b}
  predictors:
  - name: default
    replicas: 1
    traffic: 100
    graph: {name: c, implementation: MLFLOW_SERVER, parameters: [{name: p, value: "1", type: INT}]}
    componentSpecs:
    - spec:
        containers:
        - {name: c, image: "server:1", resources: {limits: {cpu: 1}}, ports: [{containerPort: 90}]}
"""
MANAGERS = st.sampled_from(["kubectl-patch", "kubectl-edit", "m2s", "seldon-controller"])

IGNORED = st.sampled_from([
    ["/spec/replicas"], [], ["/metadata/labels/team"], ["/spec/predictors/0/replicas"],
    ["/spec/predictors/0/componentSpecs/0/spec/containers/0/image"], ["/metadata/annotations/x~1y"],
])  # fmt: skip


def _json_patch(steps: list[tuple[str, str, Any]]) -> list[dict[str, Any]]:
    where = "/spec/predictors/0"
    patch = [{"op": op, "path": where + path, "value": value} for op, path, value in steps]
    return [{k: v for k, v in step.items() if k != "value" or v is not None} for step in patch]


def edits() -> st.SearchStrategy[tuple[str, Any]]:
    """(which part of the API, a patch); as kubectl, an operator or an autoscaler would send it."""
    text = st.sampled_from(["a", "b", None])
    labels = st.dictionaries(st.sampled_from(["team", "tier", "m2s.io/version"]), text, min_size=1)
    notes = st.dictionaries(st.sampled_from(["note", "x/y", "m2s.io/checksum"]), text, min_size=1)
    spec = st.fixed_dictionaries({}, optional={
        "name": st.sampled_from(["iris", "other", None]),
        "replicas": st.sampled_from([1, 2, None]),
        "annotations": st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["b", None])),
        "protocol": st.just("seldon"),
    })  # fmt: skip
    steps: list[list[tuple[str, str, Any]]] = [
        [("replace", "/replicas", 1)], [("replace", "/replicas", 4)],
        [("remove", "/replicas", None)], [("replace", "/traffic", 50)],
        [("add", "/labels", {"a": "b"})], [("add", "/labels", {})],
        [("add", "/explainer", {})], [("remove", "/graph/parameters", None)],
        [("replace", "/graph/parameters/0/value", "2")], [("add", "/svcOrchSpec", {"env": []})],
        [("replace", "/componentSpecs/0/spec/containers/0/image", "server:2")],
        [("replace", "/componentSpecs/0/spec/containers/0/resources/limits/cpu", "1")],
        [("replace", "/componentSpecs/0/spec/containers/0/resources/limits/cpu", "1000m")],
        [("add", "/componentSpecs/0/spec/containers/0/ports/0/protocol", "UDP")],
        [("add", "/componentSpecs/0/spec/containers/0/env", [])],
        [("add", "/componentSpecs/-", {"spec": {"containers": []}})],
        [("add", "/graph/children", [{"name": "d"}]), ("add", "/graph/children/-", {"name": "e"})],
    ]  # fmt: skip
    inside = st.sampled_from(steps).map(_json_patch)
    return st.one_of(
        labels.map(lambda value: ("", {"metadata": {"labels": value}})),
        notes.map(lambda value: ("", {"metadata": {"annotations": value}})),
        spec.map(lambda value: ("", {"spec": value})),
        inside.map(lambda value: ("", value)),
        st.integers(0, 3).map(lambda number: ("scale", {"spec": {"replicas": number}})),
        st.just(("status", {"status": {"state": "Available"}})),
    )


@tried(60, sharing=True)
@given(
    made=st.lists(st.tuples(edits(), MANAGERS), min_size=1, max_size=3),
    first=IGNORED,
    then=IGNORED,
)
def test_a_plan_agrees_with_the_servers_dry_run(
    api_server: ApiServer, namespace: str, kubeconfig: Path, made: Any, first: Any, then: Any
) -> None:
    objects, cluster = Namespace(api_server, namespace), connect(namespace, str(kubeconfig), None)
    registry = FakeRegistry()
    registry.add("iris", DESCRIPTION, source="s3://models/iris")
    before, chosen = (
        build({"stage": "Staging", "concurrency": "1", "ignore": ignore, "adopt": True}, {})
        for ignore in (first, then)
    )
    objects.delete()
    execute(reconcile.make_plan(registry, cluster, before), cluster)
    for (part, patch), manager in made:
        objects.patch_if_allowed("iris", patch, manager=manager, part=part)
    (change,) = reconcile.make_plan(registry, cluster, chosen).changes
    live = objects.all()["iris"]
    assert not isinstance(change, Blocked), change.reason
    assert isinstance(change, Unchanged | Update)
    assert change.manifest
    dry = objects.dry_run("iris", change.manifest.body)
    note(f"live {live}\ndry {dry}")
    # The server counts a generation for every change of the spec; it does not for the metadata.
    same = all(
        dry["metadata"].get(part) == live["metadata"].get(part)
        for part in ("generation", "labels", "annotations")
    )
    assert isinstance(change, Unchanged) == same
