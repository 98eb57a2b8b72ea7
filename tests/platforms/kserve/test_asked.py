"""Where an InferenceService is asked, and which one m2s cannot ask."""

from __future__ import annotations

from typing import Any

import pytest

from m2s.domain.asking import Asking
from m2s.platforms.kserve.asked import asked
from m2s.platforms.problem import Problem

_MODE = "serving.kserve.io/deploymentMode"


def isvc(predictor: dict[str, Any], mode: str = "Standard") -> dict[str, Any]:
    metadata = {"name": "iris", "annotations": {_MODE: mode}}
    return {"metadata": metadata, "spec": {"predictor": predictor}}


def test_mlservers_model_has_the_inference_services_name() -> None:
    predictor = {"name": "a", "model": {"protocolVersion": "v2"}}
    wanted = Asking(service="iris-a-predictor", port=80, protocol="v2", model="iris")
    assert asked(isvc(predictor)) == wanted


def test_a_container_is_asked_as_its_probe_tells() -> None:
    container = {"readinessProbe": {"httpGet": {"path": "/ping"}}}
    wanted = Asking(service="iris-predictor", port=80, protocol="mlflow")
    assert asked(isvc({"containers": [container]})) == wanted


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (isvc({"model": {"protocolVersion": "v2"}}, "Knative"), "Knative"),
        (isvc({"model": {"protocolVersion": "v1"}}), "protocol v1"),
        (isvc({"model": {}}), "protocol v1"),
        (isvc({"containers": [{}]}), "/ping"),
    ],
)
def test_what_m2s_cannot_ask_is_said(body: dict[str, Any], says: str) -> None:
    with pytest.raises(Problem, match=says):
        asked(body)
