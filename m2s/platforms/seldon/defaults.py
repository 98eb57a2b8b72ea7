"""What cannot be a default of every SeldonDeployment, in ``defaults`` of m2s.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from m2s.base.names import meant
from m2s.platforms.platform import Fault

_SPEC = ("annotations", "name", "predictors", "protocol", "replicas", "serverType", "transport")
"""A spec's fields are those of the CRD but OAuth's secrets."""


def faults(fragment: Mapping[str, Any]) -> Iterator[Fault]:
    """Yield what m2s refuses; the API server judges the merged deployment."""
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
