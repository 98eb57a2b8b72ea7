"""What an InferenceService is stored as: what rolls its Pods, and what never does."""

from __future__ import annotations

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from m2s.domain.manifests import identified
from m2s.engine.execute import execute
from m2s.engine.reconcile import make_plan
from m2s.objects.body import Body
from m2s.plan.changes import Unchanged, Update
from m2s.platforms import catalogue
from m2s.platforms.platform import Platform
from m2s.settings.build import build
from m2s.targets.folder.namespace import FolderCluster
from tests.kits.fakes import FakeRegistry
from tests.kits.support import inference_service, tried

ROLLOUT = "m2s.io/rollout"
STAGED = build({"stage": ["Staging"]}, {})


def kserve() -> Platform:
    platform = catalogue.of_body({"kind": "InferenceService"})
    assert platform
    return platform


def deployment(spec: Any, annotations: Any = None, labels: Any = None) -> dict[str, Any]:
    marks = {"app.kubernetes.io/managed-by": "m2s", "m2s.io/owner": "me", "m2s.io/model": "iris"}
    return {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": {
            "name": "iris",
            "namespace": "shop",
            "labels": {**marks, **(labels or {})},
            "annotations": {"m2s.io/model": "iris", "m2s.io/checksum": "1", **(annotations or {})},
        },
        "spec": spec,
    }


def digests(body: Body) -> dict[str, str]:
    """Return each component's digest, by what it is of."""
    spec = kserve().stored(body)[0]["spec"]
    every = {name: part for name, part in spec.items() if name != "canary"}
    every |= {one["predictor"]["name"]: one["predictor"] for one in spec.get("canary", ())}
    return {name: part["annotations"][ROLLOUT] for name, part in every.items()}


_TEXTS = st.dictionaries(
    st.sampled_from(["a", "b", "m2s.io/paused", "m2s.io/pinned", "m2s.io/version"]),
    st.text("abc", min_size=1, max_size=3), max_size=3,
)  # fmt: skip
_PREDICTOR = st.fixed_dictionaries(
    {"model": st.fixed_dictionaries({"storageUri": st.sampled_from(["s3://a/", "s3://b/"])})},
    optional={
        "annotations": st.dictionaries(st.sampled_from("ab"), st.just("1"), min_size=1),
        "minReplicas": st.integers(0, 3),
        "timeout": st.integers(1, 3),
    },
)
_CANARY = st.fixed_dictionaries({"trafficPercent": st.just(5), "predictor": _PREDICTOR})
_SPEC = st.fixed_dictionaries(
    {"predictor": _PREDICTOR},
    optional={"transformer": _PREDICTOR, "canary": st.lists(_CANARY, max_size=2)},
)


@tried(200)
@given(spec=_SPEC, annotations=_TEXTS, labels=_TEXTS)
def test_what_is_stored_is_what_is_seen(spec: Any, annotations: Any, labels: Any) -> None:
    platform, body = kserve(), deployment(spec, annotations, labels)
    primary, *companions = platform.stored(body)
    seen = platform.seen(primary, companions)
    assert identified(seen) == body
    assert platform.stored(seen) == (primary, *companions)
    told = {**primary["metadata"]["labels"], **primary["metadata"].get("annotations", {})}
    assert [name for name in told if name.startswith("m2s.io/")] == ["m2s.io/owner"]


def test_an_order_a_record_and_a_scale_reach_no_pod() -> None:
    plain = {"predictor": {"model": {"storageUri": "s3://a/"}}}
    first = kserve().stored(deployment(plain))[0]
    orders = {"m2s.io/paused": "true", "m2s.io/history": "[]", "m2s.io/version": "4"}
    assert kserve().stored(deployment(plain, orders, {"m2s.io/version": "4"}))[0] == first
    for field, value in (("minReplicas", 3), ("canaryTrafficPercent", 5), ("timeout", 9)):
        scaled = {"predictor": {**plain["predictor"], field: value}}
        assert digests(deployment(scaled)) == digests(deployment(plain))


def test_a_component_rolls_only_for_what_is_its_own() -> None:
    def spec(uri: str = "s3://a/", *, env: str = "1", shared: int = 0) -> dict[str, Any]:
        beside = {"name": "b", "model": {"storageUri": uri}, "annotations": {"x": env}}
        canary = [{"trafficPercent": shared, "predictor": beside}]
        stable = {"model": {"storageUri": "s3://0/"}}
        return {
            "predictor": stable,
            "transformer": {"containers": [{"env": env}]},
            "canary": canary,
        }

    def changed(other: Body) -> set[str]:
        before, after = digests(deployment(spec())), digests(other)
        return {name for name in before if before[name] != after[name]}

    assert changed(deployment(spec("s3://b/"))) == {"b"}
    assert changed(deployment(spec(env="2"))) == {"b", "transformer"}
    assert changed(deployment(spec(shared=50))) == set()
    assert changed(deployment(spec(), {"mine": "1"})) == {"b", "predictor", "transformer"}
    assert changed(deployment(spec(), None, {"team": "1"})) == {"b", "predictor", "transformer"}


def test_a_canary_that_somebody_added_is_drift(tmp_path: Any) -> None:
    """Also where nobody says ``canary``: server-side apply would leave it there, unseen."""
    registry, cluster = FakeRegistry(), FolderCluster(tmp_path, "shop")
    registry.add("iris", inference_service("iris"))
    execute(make_plan(registry, cluster, STAGED), cluster)
    (file,) = tmp_path.rglob("iris*.yaml")
    service, record = yaml.safe_load_all(file.read_text())
    model = {"storageUri": "s3://foreign/"}
    service["spec"]["canary"] = [{"trafficPercent": 90, "predictor": {"name": "x", "model": model}}]
    file.write_text(yaml.safe_dump_all([service, record]))
    (change,) = make_plan(registry, cluster, STAGED).changes
    assert isinstance(change, Update)
    assert any(str(field).startswith("spec.canary") for field in change.fields)
    assert change.manifest.body["spec"]["canary"] == []
    execute(make_plan(registry, cluster, STAGED), cluster)
    (same,) = make_plan(registry, cluster, STAGED).changes
    assert isinstance(same, Unchanged)
