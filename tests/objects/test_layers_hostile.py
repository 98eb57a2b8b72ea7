"""Whatever a deploy.yaml says, its layers come to a manifest or to one line, never to a crash."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from m2s import desired
from m2s.domain.manifests import Manifest, Templates, Undeployable
from m2s.domain.versions import DeployFile, Description, ModelVersion, Selector
from m2s.platforms import catalogue
from m2s.settings import build

CONFIG = """\
stage: Staging
deploy-file: optional
defaults:
  spec:
    predictors:
      - name: "*"
        graph: {children: [{name: "*", envSecretRefName: x}]}
        componentSpecs: [{spec: {containers: [{name: "*", env: [{name: A, value: b}]}]}}]
"""
_WORDS = st.sampled_from(["a", "b", "*", "MLFLOW_SERVER", "RANDOM_ABTEST"])
_LEAVES = st.one_of(st.none(), st.booleans(), st.integers(0, 2), _WORDS)
_FIELDS = ["name", "implementation", "children", "spec", "containers", "env", "$patch"]
_JSON = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=2),
        st.dictionaries(st.sampled_from(_FIELDS), inner, max_size=3),
    ),
    max_leaves=6,
)


def _some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


_GRAPHS = _some(name=_JSON, implementation=_JSON, children=_JSON, parameters=_JSON)
_SPECS = st.lists(_some(spec=_some(containers=_JSON, volumes=_JSON)), max_size=2)
_PREDICTORS = st.tuples(
    _GRAPHS, _some(name=_JSON, componentSpecs=st.one_of(_JSON, _SPECS), traffic=_JSON)
).map(lambda pair: {**pair[1], "graph": pair[0]})
_TAGS = _some(**{"m2s.io/replicas": st.just("2"), "m2s.io/limits.cpu": st.just("1")})


@pytest.mark.thorough
@hypothesis_settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(predictors=st.lists(_PREDICTORS, min_size=1, max_size=2), tags=_TAGS)
def test_layers_never_crash(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    predictors: list[dict[str, Any]],
    tags: dict[str, str],
) -> None:
    config = tmp_path / "m2s.yaml"
    config.write_text(CONFIG)
    chosen = build.build({}, {}, str(config))
    kind = {"apiVersion": "machinelearning.seldon.io/v1", "kind": "SeldonDeployment"}
    text = yaml.safe_dump({**kind, "spec": {"predictors": predictors}})
    version = ModelVersion("iris", 1, tags=tags)
    described = {version: Description("s3://m/1", DeployFile("deploy.yaml", text.encode()))}
    inputs = desired.Inputs(
        described=described,
        settings=chosen,
        namespace="default",
        model_tags={},
        templates=Templates(""),
        every=(),
    )
    (made,) = desired.build(desired.choose(Selector("stage", "Staging"), [version]), inputs)
    assert isinstance(made, Manifest | Undeployable)
    if isinstance(made, Manifest):
        assert made.sources()
        places = catalogue.of(made.key).model_uris(made.body)
        assert "s3://m/1" in {place.uri for place in places}
    else:
        assert "\n" not in made.reason
