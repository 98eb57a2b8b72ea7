"""Law 2 for what layers are made of: whatever they come to, after apply nothing is left to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from m2s.settings import build
from m2s.targets.kubernetes.namespace import connect
from tests.kits.fakes import FakeRegistry
from tests.kits.support import description, seldon, tried
from tests.kits.worlds import Namespace
from tests.laws.test_law_convergence import converge
from tests.servers import ApiServer

EVERY: dict[str, Any] = {
    "replicas": 2,
    "graph": {"envSecretRefName": "s3"},
    "componentSpecs": [
        {
            "spec": {
                "serviceAccountName": "models",
                "containers": [{"name": "*", "resources": {"limits": {"memory": "1Gi"}}}],
            }
        }
    ],
}


def bare() -> str:
    body = seldon("bare")
    del body["spec"]["predictors"][0]["componentSpecs"]
    return yaml.safe_dump(body)


_FLAGS = st.fixed_dictionaries(
    {"deploy-file": st.sampled_from(["required", "optional", "ignored"])},
    optional={
        "default-image": st.just("server:1"),
        "protocol": st.sampled_from(["seldon", "v2"]),
        "env-secret": st.just("s3-credentials"),
        "service-account": st.just("models"),
        "image-pull-secret": st.just(["pull"]),
    },
)
_DEFAULTS = st.dictionaries(st.sampled_from(sorted(EVERY)), st.none()).map(
    lambda chosen: {name: EVERY[name] for name in chosen}
)
_TAGS = st.fixed_dictionaries(
    {},
    optional={
        "m2s.io/replicas": st.sampled_from(["0", "3", "x"]),
        "m2s.io/requests.cpu": st.sampled_from(["100m", "0.5", "1e1"]),
        "m2s.io/limits.memory": st.sampled_from(["1Gi", "2e9", "1000000000m"]),
        "m2s.io/protocol": st.sampled_from(["seldon", "v2", "tensorflow"]),
        "m2s.io/traffic": st.sampled_from(["100", "0", "50"]),
    },
)
_VERSIONS = st.lists(
    st.tuples(
        st.sampled_from(["iris", "wine"]),
        st.sampled_from([None, bare(), description()]),
        _TAGS,
        st.fixed_dictionaries({}, optional={"deployment-image": st.sampled_from(["a:1", "A"])}),
    ),
    min_size=1,
    max_size=3,
)


@tried(25, sharing=True)
@given(flags=_FLAGS, defaults=_DEFAULTS, versions=_VERSIONS)
def test_layers_converge_on_the_api_server(
    api_server: ApiServer,
    namespace: str,
    kubeconfig: Path,
    tmp_path: Path,
    flags: dict[str, Any],
    defaults: dict[str, Any],
    versions: list[tuple[str, str | None, dict[str, str], dict[str, str]]],
) -> None:
    Namespace(api_server, namespace).delete()
    config = tmp_path / "m2s.yaml"
    every = [{"name": "*", **defaults}]
    config.write_text(yaml.safe_dump({"defaults": {"spec": {"predictors": every}}}))
    given = {"stage": ["Staging"], "preflight": False, **flags}
    chosen = build.build(given, {}, str(config))
    registry = FakeRegistry()
    cluster = connect(namespace, str(kubeconfig), None)
    for model, deploy, tags, model_tags in versions:
        registry.add(model, deploy, tags=tags, model_tags=model_tags)
        converge(registry, cluster, chosen)
