"""Law 2 on KServe: after apply and prune the next plan is empty, whatever is described."""

from __future__ import annotations

from tempfile import TemporaryDirectory
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from m2s.settings.build import build
from m2s.targets.folder.namespace import FolderCluster
from m2s.targets.kubernetes.namespace import connect
from tests.kits.fakes import FakeRegistry
from tests.kits.support import tried
from tests.kserve.cluster import KserveCluster
from tests.laws.test_law_convergence import converge

STAGED = build({"stage": ["Staging"]}, {})
_URIS = ["", "", None, "s3://a/b", "gs://a/b", "wasbs://c@a.blob.core.windows.net/m", "dbfs:/x"]
_RESOURCES = [{"limits": {"cpu": 1}}, {"limits": {"cpu": "1000m", "memory": "2048Mi"}}]
_MARKS = st.dictionaries(
    st.sampled_from(["team", "example.com/tier", "m2s.io/paused", "m2s.io/rollout"]),
    st.sampled_from(["a", "true", "1.0"]),
    max_size=2,
)


def _optional(required: dict[str, Any], **fields: Any) -> st.SearchStrategy[dict[str, Any]]:
    given = {name: st.just(value) for name, value in required.items()}
    return st.fixed_dictionaries(given, optional=fields)


_ENV = st.sampled_from([
    [], [{"name": "STORAGE_URI", "value": ""}], [{"name": "A", "value": "1"}, {"name": "B"}],
    [{"name": "STORAGE_URI", "value": "s3://a/c"}],
])  # fmt: skip
_SERVERS = _optional(
    {},
    storageUri=st.sampled_from(_URIS),
    protocolVersion=st.sampled_from(["v1", "v2"]),
    env=_ENV,
    resources=st.sampled_from(_RESOURCES),
)
_MODELS = st.builds(lambda one: {"modelFormat": {"name": "mlflow"}, **one}, _SERVERS)
_CONTAINERS = st.lists(
    _optional(
        {"image": "server:1"},
        name=st.sampled_from(["kserve-container", "server", "Server_1"]),
        env=_ENV,
        resources=st.sampled_from(_RESOURCES),
    ),
    min_size=1,
    max_size=2,
)
_PREDICTORS = _optional(
    {},
    name=st.sampled_from(["a", "b"]),
    model=_MODELS,
    sklearn=_SERVERS,
    containers=_CONTAINERS,
    storageUris=st.just([{"uri": ""}]),
    minReplicas=st.sampled_from([0, 1, 3]),
    maxReplicas=st.sampled_from([2]),
    serviceAccountName=st.just("reader"),
    labels=st.just({"a": "b"}),
    annotations=_MARKS,
    canaryTrafficPercent=st.just(10),
)
_CANARIES = st.lists(
    _optional({}, trafficPercent=st.sampled_from([10, 60]), predictor=_PREDICTORS), max_size=2
)
_BODIES = st.builds(
    lambda metadata, spec: {
        "apiVersion": "serving.kserve.io/v1beta1",
        "kind": "InferenceService",
        "metadata": metadata,
        "spec": spec,
    },
    _optional(
        {}, labels=_MARKS, annotations=_MARKS, name=st.sampled_from(["iris", "1-a", "x" * 60])
    ),
    _optional(
        {},
        predictor=_PREDICTORS,
        transformer=_optional({}, containers=_CONTAINERS, minReplicas=st.just(2)),
        canary=_CANARIES,
    ),
)
_HISTORIES = st.lists(
    st.dictionaries(st.sampled_from(["iris", "wine"]), _BODIES, max_size=2), min_size=1, max_size=3
)
_Histories = list[dict[str, Any]]


def _filled(state: dict[str, Any], round_: int) -> FakeRegistry:
    registry = FakeRegistry()
    for model, body in state.items():
        for _ in range(round_ + 1):
            registry.add(model, yaml.safe_dump(body))
    return registry


@tried(150)
@given(history=_HISTORIES)
def test_in_a_folder(history: _Histories) -> None:
    with TemporaryDirectory() as path:
        for number, state in enumerate(history):
            converge(_filled(state, number), FolderCluster(path, "default"), STAGED)


@tried(30, sharing=True)
@given(history=_HISTORIES)
def test_with_kserves_webhooks_and_controller(
    kserve_cluster: KserveCluster, history: _Histories
) -> None:
    cluster = connect(kserve_cluster.namespace(), str(kserve_cluster.kubeconfig()), None)
    for number, state in enumerate(history):
        converge(_filled(state, number), cluster, STAGED)
