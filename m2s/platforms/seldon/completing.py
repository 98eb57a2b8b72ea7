"""What Seldon Core implies, and what it would refuse, in merged layers."""

from __future__ import annotations

from m2s.objects.layers import Layer, Merged, merge
from m2s.platforms.problem import Problem
from m2s.platforms.seldon import containers
from m2s.platforms.seldon.list_keys import KEYS
from m2s.platforms.seldon.units import nodes


def with_implied(stack: list[Layer]) -> tuple[list[Layer], Merged]:
    """Name the containers that the graph implies, where something is said of every container."""
    merged = merge(stack, KEYS)
    _check_predictors(merged)
    if not any(not layer.plain and containers.says_every(layer.body) for layer in stack):
        return stack, merged
    implied = containers.implied(merged.body)
    named = [*stack, implied] if implied else stack
    return named, merge(named, KEYS) if implied else merged


def _check_predictors(merged: Merged) -> None:
    # Each layer may be sound and yet leave nothing: what is said of every predictor is of none.
    predictors = merged.body["spec"].get("predictors")
    if not predictors:
        raise Problem("spec.predictors: no layer has a predictor with a name of its own")
    for index, predictor in enumerate(predictors):
        if not isinstance(predictor, dict) or not isinstance(predictor.get("graph"), dict):
            raise Problem(f"spec.predictors[{index}].graph: no layer has it, or it is no mapping")


def check_protocol(merged: Merged) -> None:
    """Raise Problem where MLFLOW_SERVER is asked to speak a protocol that it does not."""
    # As the operator's webhook does (seldondeployment_webhook.go, checkPredictiveUnits): a cluster
    # may run without it, and a folder has none.
    spec = merged.body["spec"]
    if spec.get("protocol") != "tensorflow":
        return
    for predictor in spec["predictors"]:
        for node in nodes(predictor.get("graph")):
            if node.get("implementation") == "MLFLOW_SERVER":
                raise Problem(
                    f"graph node {node.get('name')}: MLFLOW_SERVER does not speak the tensorflow "
                    "protocol; choose seldon or v2"
                )
