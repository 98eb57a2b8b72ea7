"""What is wrong with a SeldonDeployment, or with a default of every one, by its text alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from m2s.base.names import meant
from m2s.base.strictyaml import Document
from m2s.domain.resource import Resource
from m2s.platforms.common import documents
from m2s.platforms.common.pods import mappings
from m2s.platforms.platform import Fault
from m2s.platforms.problem import Problem
from m2s.platforms.seldon.units import nodes

_SPEC = ("annotations", "name", "predictors", "protocol", "replicas", "serverType", "transport")
"""Fields of a spec that may have a default: those of the CRD but OAuth's secrets."""


def fault(document: Document, resource: Resource) -> Fault | None:
    """Return the path and the words of the first thing wrong; the API server judges the rest.

    Its versions are one schema under three names (Seldon Core 1.17's CRD); always written as v1.
    """
    return documents.fault(document, resource) or _fault_in_spec(document.value)


def _fault_in_spec(body: Mapping[str, Any]) -> Fault | None:
    spec = body.get("spec")
    if not isinstance(spec, dict):
        return ("spec",), "spec is missing or no mapping; it must have predictors"
    predictors = spec.get("predictors")
    if not isinstance(predictors, list) or not predictors:
        return ("spec", "predictors"), "spec.predictors is missing or empty; it needs one at least"
    for index, predictor in enumerate(predictors):
        where, path = ("spec", "predictors", index), f"spec.predictors[{index}]"
        if not isinstance(predictor, dict):
            return where, f"{path} is a {documents.called(predictor)}; it must be a mapping"
        if not isinstance(predictor.get("graph"), dict):
            return (*where, "graph"), f"{path}.graph is missing or no mapping"
    return None


def default_faults(fragment: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what m2s refuses as a default; the API server judges the merged deployment."""
    spec = fragment.get("spec", {})
    for key in spec:
        if key not in _SPEC:
            yield ("spec", key), f"defaults.spec.{key} is no default; {meant(key, _SPEC)}"
    # A predictor of a name that a description does not have would be one more predictor.
    predictors = spec.get("predictors", [])
    if not isinstance(predictors, list):
        yield ("spec", "predictors"), "defaults.spec.predictors wants a list"
        return
    for index, predictor in enumerate(predictors):
        if not isinstance(predictor, Mapping) or predictor.get("name") != "*":
            text = "a default is said of every predictor: name: '*'"
            yield ("spec", "predictors", index), f"defaults.spec.predictors[{index}]: {text}"


def refusal(spec: Mapping[str, Any]) -> str | None:
    """Return which rule of Seldon Core's webhook the predictors break, None where they break none.

    As ``checkTraffic`` and ``ValidateSeldonDeployment`` (seldon-core, operator/apis): a cluster may
    lack the webhook, and a folder has none. What has the wrong type is the API server's to judge.
    """
    predictors = mappings(spec, "predictors.*")
    names = [item["name"] for item in predictors if isinstance(item.get("name"), str)]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        return f"two predictors are named {twice!r}; rename one"
    live = [item for item in predictors if item.get("shadow") is not True]
    if len(predictors) - len(live) > 1:
        return "more than one predictor is a shadow; Seldon Core allows one"
    if predictors and not live:
        return "the shadow is the only predictor; Seldon Core wants one beside it"
    return _fault_in_sum(live, alone=len(predictors) == 1)


def _fault_in_sum(live: Sequence[Mapping[str, Any]], *, alone: bool) -> str | None:
    shares = [item.get("traffic") or 0 for item in live]
    if not all(isinstance(share, int) for share in shares):
        return None
    total = sum(shares)
    if total == 100 or (len(live) == 1 and not (alone and 0 < total < 100)):
        return None
    listed = ", ".join(
        f"{item.get('name')} {share}" for item, share in zip(live, shares, strict=True)
    )
    return f"the predictors' traffic sums to {total} ({listed}); it must sum to 100"


def check_protocol(spec: Mapping[str, Any]) -> None:
    """Raise Problem where MLFLOW_SERVER is asked to speak a protocol that it does not.

    As the webhook does (seldondeployment_webhook.go, ``checkPredictiveUnits``).
    """
    if spec.get("protocol") != "tensorflow":
        return
    for predictor in spec["predictors"]:
        for node in nodes(predictor):
            if node.get("implementation") == "MLFLOW_SERVER":
                raise Problem(
                    f"graph node {node.get('name')}: MLFLOW_SERVER does not speak the tensorflow "
                    "protocol; choose seldon or v2"
                )
