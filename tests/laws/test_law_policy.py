"""Law 13: a description grants itself nothing beyond the policy; what that is about is shown."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from m2s.base.labels import KEEP
from m2s.engine.reconcile import make_plan
from m2s.output import changes_view
from m2s.plan.changes import Blocked, Change, Create
from m2s.settings.build import build
from m2s.sources.templates import TemplateFolder
from m2s.targets.folder.namespace import FolderCluster
from tests.kits.fakes import FakeRegistry
from tests.kits.support import seldon, tried
from tests.kits.worlds import World

Json = dict[str, Any]

OF_PODS: tuple[tuple[str, Json], ...] = (
    ("hostNetwork", {"hostNetwork": True}),
    ("hostPID", {"hostPID": True}),
    ("hostIPC", {"hostIPC": True}),
    ("nodeName", {"nodeName": "master"}),
    ("volumes[data].hostPath", {"volumes": [{"name": "data", "hostPath": {"path": "/"}}]}),
    ("securityContext.seccompProfile.type",
     {"securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
    ("serviceAccountName", {"serviceAccountName": "cluster-admin"}),
    ("serviceAccount", {"serviceAccount": "cluster-admin"}),
    ("imagePullSecrets[root].name", {"imagePullSecrets": [{"name": "root"}]}),
    ("volumes[data].secret.secretName",
     {"volumes": [{"name": "data", "secret": {"secretName": "root"}}]}),
    ("volumes[data].projected.sources[0].secret.name",
     {"volumes": [{"name": "data", "projected": {"sources": [{"secret": {"name": "root"}}]}}]}),
)  # fmt: skip
OF_CONTAINERS: tuple[tuple[str, Json], ...] = (
    ("securityContext.privileged", {"securityContext": {"privileged": True}}),
    ("securityContext.capabilities.add[0]",
     {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}),
    ("ports[0].hostPort", {"ports": [{"containerPort": 80, "hostPort": 80}]}),
    ("image", {"image": "docker.io/miner:1"}),
    ("env[A].valueFrom.secretKeyRef.name",
     {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "root", "key": "a"}}}]}),
    ("envFrom[0].secretRef.name", {"envFrom": [{"secretRef": {"name": "root"}}]}),
)  # fmt: skip
OF_NODES: tuple[tuple[str, Json], ...] = (
    ("envSecretRefName", {"envSecretRefName": "root"}),
    ("serviceAccountName", {"serviceAccountName": "cluster-admin"}),
    ("storageInitializerImage", {"storageInitializerImage": "docker.io/miner:1"}),
)
POLICY = {
    "images": ["example/*", "seldonio/*"],
    "serviceAccounts": ["models-*"],
    "secrets": ["models-*"],
    "annotations": ["prometheus.io/*"],
    "kinds": ["SeldonDeployment"],
}
KINDS = ("containers", "initContainers", "ephemeralContainers")


def changes(
    deploy: Mapping[str, Any] | None,
    config: Mapping[str, Any] | None = None,
    base: str = "",
    file: str = "_base.yaml",
    **version: Any,
) -> tuple[Change, ...]:
    """What is planned for one model over an empty folder."""
    with TemporaryDirectory() as path:
        registry = FakeRegistry()
        registry.add("iris", yaml.safe_dump(deploy) if deploy else None, **version)
        settings = Path(path, "m2s.yaml")
        settings.write_text(yaml.safe_dump({"stage": "Staging", **(config or {})}))
        folder = None
        if base:
            Path(path, "templates").mkdir()
            Path(path, "templates", file).write_text(base)
            folder = TemplateFolder(f"{path}/templates")
        cluster = FolderCluster(Path(path, "cluster"), "default")
        return make_plan(registry, cluster, build({}, {}, str(settings)), folder).changes


def reason(deploy: Mapping[str, Any] | None, policy: Any, **more: Any) -> str:
    (change,) = changes(deploy, {"policy": policy, **more})
    return change.reason if isinstance(change, Blocked) else ""


@st.composite
def violating(draw: st.DrawFn) -> tuple[str, Json]:
    """A description with one violation somewhere, and the path of it."""
    body = seldon("iris")
    count = draw(st.integers(1, 3))
    first = body["spec"]["predictors"][0]
    body["spec"]["predictors"] = [
        {**copy.deepcopy(first), "name": f"p{n}", "traffic": 100 if n == 0 else 0}
        for n in range(count)
    ]
    at = draw(st.integers(0, count - 1))
    predictor = body["spec"]["predictors"][at]
    where, place = f"spec.predictors[p{at}]", draw(st.sampled_from(["pod", "container", "node"]))
    pods = predictor["componentSpecs"]
    pods += [
        {"spec": {"containers": [{"name": f"side{n}", "image": "example/side"}]}}
        for n in range(draw(st.integers(0, 2)))
    ]
    number = draw(st.integers(0, len(pods) - 1))
    pod, inside = pods[number]["spec"], f"{where}.componentSpecs[{number}].spec"
    if place == "pod":
        path, part = draw(st.sampled_from(OF_PODS))
        pod |= part
        return f"{inside}.{path}", body
    if place == "container":
        path, part = draw(st.sampled_from(OF_CONTAINERS))
        kind, before = draw(st.sampled_from(KINDS)), draw(st.integers(0, 2))
        harmless = [{"name": f"c{n}", "image": "example/c"} for n in range(before)]
        odd = {"name": "odd", "image": "example/odd", **part}
        pod[kind] = [*pod.get(kind, []), *harmless, odd]
        return f"{inside}.{kind}[odd].{path}", body
    path, part = draw(st.sampled_from(OF_NODES))
    nodes = [predictor["graph"]]
    for n in range(draw(st.integers(0, 3))):
        child = {"name": f"n{n}", "implementation": "SIMPLE_MODEL"}
        nodes[-1]["children"] = [child]
        nodes.append(child)
    nodes[-1] |= part
    steps = "".join(f".children[{node['name']}]" for node in nodes[1:])
    return f"{where}.graph{steps}.{path}", body


@tried(150)
@given(violating())
def test_a_violation_anywhere_blocks_the_row_and_is_named(case: tuple[str, Json]) -> None:
    path, body = case
    why = reason(body, POLICY)
    assert f"against the policy: {path} " in why
    assert not {";", "\n"} & set(why)
    assert reason(body, {"level": "privileged"}) == ""


def odd(**fields: Any) -> Json:
    """A description of which the Pod's spec says one thing more."""
    body = seldon("iris")
    body["spec"]["predictors"][0]["componentSpecs"][0]["spec"] |= fields
    return body


HOST = odd(hostNetwork=True)


def test_all_violations_of_a_row_are_named_but_not_without_end() -> None:
    why = reason(odd(hostNetwork=True, hostPID=True, nodeName="a"), {})
    assert [why.count(name) for name in ("hostNetwork", "hostPID", "nodeName")] == [1, 1, 1]
    volumes = [{"name": f"v{n}", "hostPath": {"path": "/"}} for n in range(500)]
    assert "and 492 more" in reason(odd(volumes=volumes), {})
    assert len(reason(odd(volumes=volumes), {})) < 2000


def test_without_a_policy_the_level_is_baseline() -> None:
    (change,) = changes(HOST)
    assert isinstance(change, Blocked)
    assert "spec.predictors[default].componentSpecs[0].spec.hostNetwork" in change.reason
    (change,) = changes(odd(serviceAccountName="any", imagePullSecrets=[{"name": "any"}]))
    assert isinstance(change, Create)


@pytest.mark.parametrize("word", ["warn", {"mode": "warn"}, {"mode": "warn", "images": []}])
def test_a_policy_that_only_warns_is_tried_out(word: Any) -> None:
    (change,) = changes(HOST, {"policy": word})
    assert isinstance(change, Create)
    (line,) = change.manifest.warnings
    assert "hostNetwork shares the node's network: leave it out" in line
    assert f"warning: {line}" in changes_view.details(change)


SECURE = {
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}
EVERY: Json = {
    "spec": {"predictors": [{
        "name": "*",
        "componentSpecs": [
            {"spec": {"containers": [{"name": "*", "securityContext": SECURE}]}},
        ],
    }]},
}  # fmt: skip


def test_the_level_restricted_wants_what_a_description_leaves_out() -> None:
    why = reason(seldon("iris"), "restricted")
    for field in ("runAsNonRoot", "allowPrivilegeEscalation", "capabilities.drop"):
        assert f"containers[classifier].securityContext.{field} must" in why
    assert reason(seldon("iris"), "restricted", defaults=EVERY) == ""
    bare = seldon("iris")
    del bare["spec"]["predictors"][0]["componentSpecs"]
    assert reason(bare, "restricted") == ""  # Seldon Core makes the Pod


@pytest.mark.parametrize(
    "context",
    [None, {"$patch": "delete"}, {"$patch": "replace"}, {"runAsNonRoot": None},
     {"runAsNonRoot": False}, {"capabilities": {"drop": []}}, {"capabilities": None}],
    ids=json.dumps,
)  # fmt: skip
def test_what_the_platform_team_secured_is_not_taken_out_again(context: Any) -> None:
    body = seldon("iris")
    pod = body["spec"]["predictors"][0]["componentSpecs"][0]["spec"]
    pod["containers"][0]["securityContext"] = context
    assert "securityContext" in reason(body, "restricted", defaults=EVERY)


BASE = """\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
metadata: {annotations: {team: platform}}
spec:
  predictors:
    - name: default
      graph: {name: classifier, implementation: MLFLOW_SERVER, modelUri: ""}
      componentSpecs:
        - spec:
            hostNetwork: true
            serviceAccountName: platform
            volumes: [{name: data, hostPath: {path: /data}}]
            containers: [{name: classifier, image: platform/server:1}]
"""


@pytest.mark.parametrize("policy", [{}, {"level": "restricted", "images": [], "annotations": []}])
@pytest.mark.parametrize("tags", [{}, {"m2s.io/limits.memory": "1Gi"}])
def test_what_the_platform_team_brings_is_its_own(policy: Json, tags: dict[str, str]) -> None:
    (change,) = changes(None, {"policy": policy}, BASE, tags=tags)
    assert isinstance(change, Create)
    small = {"spec": {"predictors": [{"name": "default", "replicas": 2}]}}
    head = {key: seldon()[key] for key in ("apiVersion", "kind")}
    graph = {"graph": {"name": "classifier"}}
    small["spec"]["predictors"][0] |= graph
    (change,) = changes({**head, **small}, {"policy": policy}, BASE, tags=tags)
    assert isinstance(change, Create), change.reason


def test_each_version_of_a_split_is_judged(on_folder: World) -> None:
    on_folder.models.add("iris", yaml.safe_dump(seldon("iris")), alias="champion")
    on_folder.models.add("iris", yaml.safe_dump(HOST), alias="challenger")
    flags = (*on_folder.flags[2:], "--split", "champion=90,challenger=10")
    split = World(on_folder.models, on_folder.objects, flags)
    planned = split.plan()["iris"]
    assert planned["action"] == "blocked"
    assert "predictors[challenger].componentSpecs[0].spec.hostNetwork" in planned["reason"]


def test_what_a_description_changes_of_that_is_the_descriptions() -> None:
    volumes = [{"name": "data", "hostPath": {"path": "/"}}]
    predictor = {"name": "default", "graph": {"name": "classifier"},
                 "componentSpecs": [{"spec": {"volumes": volumes}}]}  # fmt: skip
    head = {key: seldon()[key] for key in ("apiVersion", "kind")}
    (change,) = changes({**head, "spec": {"predictors": [predictor]}}, {}, BASE)
    assert isinstance(change, Blocked)
    assert "volumes[data].hostPath" in change.reason
    assert "hostNetwork" not in change.reason


def test_a_tag_that_names_an_image_is_bound_as_well() -> None:
    config = {"image-tag": "image", "default-image": "docker.io/ours:1"}
    policy = {"policy": {"images": ["example/*"]}, **config}
    (change,) = changes(None, policy)
    assert isinstance(change, Create)  # --default-image is the platform team's
    (change,) = changes(None, policy, model_tags={"image": "docker.io/miner:1"})
    assert isinstance(change, Blocked)
    assert (
        "containers[classifier].image (docker.io/miner:1) is not in policy.images" in change.reason
    )
    (change,) = changes(None, policy, model_tags={"image": "example/server:2"})
    assert isinstance(change, Create)


TAGGED = """\
apiVersion: machinelearning.seldon.io/v1
kind: SeldonDeployment
spec:
  predictors:
    - name: main
      graph: {name: classifier, type: MODEL, modelUri: "{{ model('iris').uri }}"}
      componentSpecs:
        - spec:
            containers:
              - {name: classifier, image: "{{ model('iris').tags['image'] }}"}
              - {name: side, image: "docker.io/ours:{{ model('iris').version }}"}
"""


@pytest.mark.parametrize("file", ["pipeline.yaml", "_base.yaml"])
def test_a_tag_that_a_template_asks_for_is_bound_as_well(file: str) -> None:
    policy = {"policy": {"images": ["example/*"]}}
    base = TAGGED if file == "pipeline.yaml" else TAGGED.replace("model('iris')", "model")
    (change,) = changes(None, policy, base, file=file, tags={"image": "example/mine"})
    assert isinstance(change, Create)
    (change,) = changes(None, policy, base, file=file, tags={"image": "docker.io/miner"})
    assert isinstance(change, Blocked)
    assert "containers[classifier].image (docker.io/miner) is not in" in change.reason
    assert "side" not in change.reason


@pytest.mark.parametrize(
    ("where", "path"),
    [
        (("metadata",), "metadata.annotations[seldon.io/svc-name]"),
        (("spec",), "spec.annotations[seldon.io/svc-name]"),
        (("spec", "predictors", 0), "spec.predictors[default].annotations[seldon.io/svc-name]"),
        (("spec", "predictors", 0, "componentSpecs", 0, "metadata"),
         "spec.predictors[default].componentSpecs[0].metadata.annotations[seldon.io/svc-name]"),
    ],
)  # fmt: skip
def test_annotations_are_limited_wherever_they_are(where: tuple[Any, ...], path: str) -> None:
    body = seldon("iris")
    node: Any = body
    for step in where:
        node = node.setdefault(step, {}) if isinstance(node, dict) else node[step]
    node["annotations"] = {"seldon.io/svc-name": "somebody-else", "prometheus.io/scrape": "true"}
    assert f"{path} is not in policy.annotations" in reason(body, POLICY)
    (change,) = changes(body)
    assert isinstance(change, Create)
    assert f"{path} somebody-else" in changes_view.details(change, width=200)


@pytest.mark.parametrize(
    ("part", "path"),
    [
        ({"explainer": {"type": "AnchorTabular", "containerSpec": {
            "name": "e", "image": "docker.io/miner:1"}}}, "explainer.containerSpec.image"),
        ({"explainer": {"type": "AnchorTabular", "containerSpec": {
            "name": "e", "securityContext": {"privileged": True}}}},
         "explainer.containerSpec.securityContext.privileged"),
        ({"explainer": {"serviceAccountName": "root"}}, "explainer.serviceAccountName"),
        ({"explainer": {"envSecretRefName": "root"}}, "explainer.envSecretRefName"),
        ({"svcOrchSpec": {"env": [{"name": "A", "valueFrom": {
            "secretKeyRef": {"name": "root", "key": "a"}}}]}},
         "svcOrchSpec.env[A].valueFrom.secretKeyRef.name"),
        ({"ssl": {"certSecretName": "root"}}, "ssl.certSecretName"),
    ],
)  # fmt: skip
def test_what_else_seldon_core_makes_pods_of_is_bound(part: Json, path: str) -> None:
    body = seldon("iris")
    body["spec"]["predictors"][0] |= part
    assert f"spec.predictors[default].{path} " in reason(body, POLICY)


def test_a_kind_that_is_not_listed_is_blocked() -> None:
    assert "kind (SeldonDeployment) is not in policy.kinds" in reason(
        seldon("iris"), {"kinds": ["InferenceService"]}
    )


def test_an_empty_list_allows_nothing_and_a_star_anything() -> None:
    assert "policy.images" in reason(seldon("iris"), {"images": []})
    assert reason(seldon("iris"), {"images": ["*"]}) == ""
    assert "policy.images" in reason(seldon("iris"), {"images": ["seldonio/mlflowserver:?.18.2"]})


def test_a_creation_shows_what_a_policy_is_about() -> None:
    body = odd(
        hostPID=True, serviceAccountName="runner", imagePullSecrets=[{"name": "pull"}],
        nodeName="worker", volumes=[{"name": "data", "hostPath": {"path": "/data"}}],
    )  # fmt: skip
    pod = body["spec"]["predictors"][0]["componentSpecs"][0]["spec"]
    pod["containers"][0]["securityContext"] = {"privileged": True}
    (change,) = changes(body, {"policy": {"level": "privileged"}})
    assert isinstance(change, Create)
    shown = "\n".join(changes_view.details(change, width=300))
    lines = (
        "hostPID true", "serviceAccountName runner", "imagePullSecrets[pull].name pull",
        "nodeName worker", "volumes[data].hostPath.path /data", "privileged true",
    )  # fmt: skip
    for line in lines:
        assert line in shown


def hidden_in_many() -> tuple[Json, Json]:
    """Two descriptions: the second adds hostPath behind many changes, and changes one."""
    before, after = seldon("iris"), seldon("iris")
    pods = [each["spec"]["predictors"][0]["componentSpecs"][0]["spec"] for each in (before, after)]
    for pod, value in zip(pods, ("1", "2"), strict=True):
        pod["containers"][0]["env"] = [{"name": f"A{n}", "value": value} for n in range(40)]
        pod["volumes"] = [{"name": "old", "hostPath": {"path": f"/{value}"}}]
    new = {"name": "new", "csi": {"driver": "x" * 200}, "hostPath": {"path": "/etc"}}
    pods[1]["volumes"] += [new]
    pods[1] |= {"serviceAccountName": "another", "hostPID": True}
    return before, after


def test_an_update_shows_it_however_much_else_changes(on_folder: World, tmp_path: Path) -> None:
    config = tmp_path / "free.yaml"
    config.write_text("policy: {level: privileged}\n")
    before, after = hidden_in_many()
    on_folder.models.add("iris", yaml.safe_dump(before))
    on_folder.apply("--config", str(config))
    on_folder.models.add("iris", yaml.safe_dump(after))
    shown = on_folder("plan", "--config", str(config)).out
    for line in ("volumes[new].hostPath", "volumes[old].hostPath.path", "hostPID", "another"):
        assert line in "".join(shown.split("\n   "))


def with_annotation(name: str, value: str) -> str:
    body = seldon("iris")
    body["metadata"]["annotations"] = {name: value}
    return yaml.safe_dump(body)


def test_a_mark_in_a_description_has_no_effect(on_cluster: World) -> None:
    on_cluster.models.add("iris", with_annotation(KEEP, "true"))
    result = on_cluster("plan")
    assert "m2s.io/keep has no effect there" in " ".join(result.out.split())
    on_cluster.apply()
    assert KEEP not in on_cluster.objects.all()["iris"]["metadata"]["annotations"]
    assert set(on_cluster.actions().values()) == {"unchanged"}
    assert on_cluster("prune", "--all", "--yes").code == 0
    assert on_cluster.objects.all() == {}


def serve_before_the_policy(world: World, folder: Path) -> None:
    """Have a model served that asks for the node's network, as it could when nothing forbade it."""
    config = folder / "before.yaml"
    config.write_text("policy: {level: privileged}\n")
    world.models.add("iris", yaml.safe_dump(HOST))
    world.apply("--config", str(config))


def test_what_serves_already_stays_until_its_description_changes(
    on_cluster: World, tmp_path: Path
) -> None:
    serve_before_the_policy(on_cluster, tmp_path)
    before = on_cluster.objects.snapshot()
    planned = on_cluster.plan()["iris"]  # with m2s's own default
    assert planned["action"] == "unchanged"
    assert "hostNetwork shares the node's network" in planned["warnings"][0]
    on_cluster.apply()
    assert on_cluster.objects.snapshot() == before
    # Drift is still put right: that makes nothing worse.
    on_cluster.objects.patch("iris", {"spec": {"name": "drifted"}})
    on_cluster.apply()
    # The same request in another description is a new one.
    on_cluster.models.add("iris", yaml.safe_dump(HOST))
    result = on_cluster("apply", "-o", "json")
    assert result.code == 1
    assert result.changes["iris"]["action"] == "blocked"
    assert on_cluster.objects.all()["iris"]["metadata"]["annotations"]["m2s.io/version"] == "1"
    on_cluster.models.add("iris", yaml.safe_dump(seldon("iris")))
    on_cluster.apply()
    assert on_cluster.objects.all()["iris"]["metadata"]["annotations"]["m2s.io/version"] == "3"


def test_what_somebody_took_out_of_the_cluster_does_not_come_back(
    on_cluster: World, tmp_path: Path
) -> None:
    serve_before_the_policy(on_cluster, tmp_path)
    live = on_cluster.objects.all()["iris"]["spec"]["predictors"]
    del live[0]["componentSpecs"][0]["spec"]["hostNetwork"]
    on_cluster.objects.patch("iris", {"spec": {"predictors": live}})
    assert on_cluster.actions() == {"iris": "blocked"}
