"""Hypothesis strategies: registries as data scientists leave them, and what they log in them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from hypothesis import strategies as st

from m2s.settings.build import build
from m2s.settings.groups import Settings
from tests.kits.fakes import FakeRegistry
from tests.kits.kind import GROUP, KIND

# Few, so that names collide, swap and move; odd, because they become names, labels and files.
_ODD = [
    "iris", "Iris", "wine quality", "a/b", "größe", "日本語", "-", "x" * 70, "\t\u2028\x85", "1e3",
]  # fmt: skip
_NAMES = ["iris-staging", "shop", "Shop", "a.b", "x" * 64, "true", "-"]
_ODD_TEXTS = ["", "a", "no", "1.0", "null", "~", "0x1", "a: b", "#", "é", "\U0001f600", " x\n"]
_LOCATIONS = [
    "", "", None, " ", "s3://elsewhere/model", "s3://elsewhere/model", "models:/iris/1",
    "https://models.s3.amazonaws.com/a%20b", "wasbs://c@acct.blob.core.windows.net/m", "dbfs:/m",
]  # fmt: skip
_TEXTS = st.one_of(
    st.sampled_from(_ODD_TEXTS), st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
)
_LABELS = st.dictionaries(
    st.sampled_from(["team", "example.com/tier", "m2s.io/version"]),
    st.sampled_from(["", "a", "B_1", "no", "1.0", "null", "0x1"]),
    max_size=2,
)
_NOTES = st.dictionaries(st.sampled_from(["note", "m2s.io/checksum"]), _TEXTS, max_size=2)


def model_names() -> st.SearchStrategy[str]:
    """Names of registered models, odd ones included."""
    free = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)
    return st.one_of(st.sampled_from(_ODD), free)


def _optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


def _graphs() -> st.SearchStrategy[dict[str, Any]]:
    parameter = {"name": _TEXTS, "value": _TEXTS, "type": st.just("STRING")}
    leaf = st.fixed_dictionaries(
        {"name": st.sampled_from(["a", "b"])},
        optional={
            "implementation": st.sampled_from(["MLFLOW_SERVER", "SKLEARN_SERVER", "SIMPLE_ROUTER"]),
            "type": st.sampled_from(["MODEL", "TRANSFORMER"]),
            "modelUri": st.sampled_from(_LOCATIONS),
            "parameters": st.lists(st.fixed_dictionaries(parameter), max_size=2),
            "envSecretRefName": st.just("s3-secret"),
        },
    )
    children = st.lists(leaf, max_size=2)
    return st.builds(lambda node, inner: {**node, "children": inner}, leaf, children)


def _containers() -> st.SearchStrategy[dict[str, Any]]:
    variable = st.fixed_dictionaries(
        {"name": st.sampled_from(["A", "B"])}, optional={"value": _TEXTS}
    )
    return st.fixed_dictionaries(
        {"name": st.sampled_from(["a", "b"])},
        optional={
            "image": st.sampled_from(["server:1", "server:2"]),
            "env": st.lists(variable, max_size=2),
            "args": st.lists(_TEXTS, max_size=2),
            "ports": st.just([{"containerPort": 9000}]),
            "resources": st.sampled_from([{"limits": {"cpu": 1}}, {"limits": {"cpu": "1000m"}}]),
        },
    )


def _predictors() -> st.SearchStrategy[dict[str, Any]]:
    containers = st.lists(_containers(), max_size=2)
    component = containers.map(lambda these: {"spec": {"containers": these}})
    fields = {
        "replicas": st.sampled_from([0, 1, 2]),
        "traffic": st.sampled_from([50, 100]),
        "labels": _LABELS,
        "annotations": _NOTES,
        "componentSpecs": st.lists(component, max_size=2),
        "explainer": st.fixed_dictionaries(
            {"type": st.just("AnchorTabular")}, optional={"modelUri": st.sampled_from(_LOCATIONS)}
        ),
    }
    names = st.sampled_from(["default", "canary"])
    return st.fixed_dictionaries({"name": names, "graph": _graphs()}, optional=fields)


def _spoiled(body: dict[str, Any], how: int) -> dict[str, Any]:
    """Return a SeldonDeployment with a mistake in it, or for a large number without."""
    first, *others = body["spec"]["predictors"]
    mistakes: list[dict[str, Any]] = [
        {"graph": {**first["graph"], "modelURI": "s3://typo"}}, {"replicas": "3"}, {"graph": "x"},
        {"replicas": None}, {"componentSpecs": None}, {"labels": {"a": 1}}, {"name": 1},
    ]  # fmt: skip
    metadata: list[dict[str, Any]] = [
        {"labels": {"team": 1}}, {"labels": {"team": None}}, {"labels": {"-bad-": ""}},
        {"labels": {"team": "a b"}}, {"annotations": {"a": True}}, {"name": 7}, {"labels": []},
    ]  # fmt: skip
    if how < len(mistakes):
        return {
            **body,
            "spec": {**body["spec"], "predictors": [{**first, **mistakes[how]}, *others]},
        }
    how -= len(mistakes)
    if how < len(metadata):
        return {**body, "metadata": {**body.get("metadata", {}), **metadata[how]}}
    return body


def descriptions() -> st.SearchStrategy[bytes]:
    """Contents of a deploy.yaml; most are SeldonDeployments, most of these are valid."""
    metadata = _optional(name=st.sampled_from(_NAMES), labels=_LABELS, annotations=_NOTES)
    spec = st.fixed_dictionaries(
        {"predictors": st.lists(_predictors(), min_size=1, max_size=2)},
        optional={
            "replicas": st.sampled_from([1, 2]),
            "name": _TEXTS,
            "annotations": _NOTES,
            "protocol": st.sampled_from(["kfserving", "seldon"]),
        },
    )
    body = st.fixed_dictionaries({
        "apiVersion": st.sampled_from([f"{GROUP}/v1", f"{GROUP}/v1alpha2"]),
        "kind": st.just(KIND),
        "spec": spec,
    }, optional={
        "metadata": metadata, "status": st.just({"state": "Available"}),
        "x-base": st.just({"a": 1}),
    })  # fmt: skip
    no_deployment = st.sampled_from([b"", b"- a\n", b"kind: [\n", b"\tkind: x\n", b"{}\n---\n{}\n"])
    bodies = st.builds(_spoiled, body, st.integers(0, 60))
    good = bodies.map(lambda value: yaml.safe_dump(value, allow_unicode=True).encode())
    return st.integers(0, 14).flatmap(lambda n: no_deployment if n == 0 else good)


@dataclass(frozen=True)
class Version:
    """A version to be registered."""

    deploy: bytes | None
    stage: str
    alias: bool
    status: str
    unreadable: bool


def _versions(deploys: list[bytes]) -> st.SearchStrategy[Version]:
    mostly = [True] * 12 + [False]
    return st.builds(
        Version,
        deploy=st.sampled_from([*deploys, *deploys, None]),
        stage=st.sampled_from(["Staging", "Staging", "Production", "Archived", "None"]),
        alias=st.booleans(),
        status=st.sampled_from(mostly).map(lambda ok: "READY" if ok else "FAILED_REGISTRATION"),
        unreadable=st.sampled_from(mostly).map(lambda ok: not ok),
    )


def histories(moments: int = 3) -> st.SearchStrategy[list[Mapping[str, list[Version]]]]:
    """States of one registry one after the other; models come, change, swap names and go."""
    models = st.lists(model_names(), min_size=2, max_size=4, unique=True)
    deploys = st.lists(descriptions(), min_size=1, max_size=4)
    pools = st.tuples(models, deploys)
    return pools.flatmap(lambda pool: st.lists(_states(*pool), min_size=2, max_size=moments))


def _states(models: list[str], deploys: list[bytes]) -> st.SearchStrategy[dict[str, list[Version]]]:
    versions = st.lists(_versions(deploys), min_size=1, max_size=2)
    return st.dictionaries(st.sampled_from(models), versions, max_size=4)


def filled(state: Mapping[str, list[Version]]) -> FakeRegistry:
    """Return a registry in this state."""
    registry = FakeRegistry()
    for model, versions in state.items():
        for version in versions:
            alias = "champion" if version.alias else None
            number = registry.add(
                model, version.deploy, stage=version.stage, alias=alias, status=version.status
            )
            if version.unreadable:
                registry.spoil(model, number, "its artifact store refuses (403)")
    return registry


def all_settings() -> st.SearchStrategy[Settings]:
    """Settings that decide what is wanted and how it is compared."""
    selectors = st.sampled_from([
        {"stage": ["Staging"]}, {"alias": ["champion"]},
        {"stage": ["Staging"], "alias": ["champion"]},
        {"stage": ["Staging", "Production"], "owner": "shop"},
        {"stage": ["Staging"], "alias": ["champion"], "owner": "shop"},
    ])  # fmt: skip
    others = _optional(**{
        "on-conflict": st.sampled_from(["highest", "block"]),
        "ignore": st.sampled_from([
            [], ["/spec/replicas"], ["/spec/predictors/0/replicas"], ["/spec/predictors/1"],
        ]),
    })  # fmt: skip
    both = st.tuples(selectors, others)
    return both.map(lambda pair: build({**pair[0], **pair[1], "concurrency": 2}, {}))
