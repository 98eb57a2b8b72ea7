"""The server of a version that has no ``deploy.yaml``, as the lowest of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2s.objects.layers import Layer
from m2s.platforms.bare import Bare
from m2s.platforms.common import wrapping
from m2s.platforms.problem import Problem
from m2s.settings.groups import OwnServer

_PREDICTOR, _UNIT = "default", "classifier"
_PORTS = (("http", 9000), ("grpc", 9500))
"""Names and numbers of the operator's (operator/constants, seldondeployment_webhook.go); a model
wrapper listens on both."""

_START = {"tcpSocket": {"port": "http"}, "periodSeconds": 10, "failureThreshold": 180}
"""Half an hour. MLFLOW_SERVER listens once the model's conda or pip environment is installed, and
until then Kubernetes asks for neither readiness nor liveness."""
_PROGRESS = 40 * 60
"""Seconds until a rollout counts as stuck: Kubernetes' ten minutes end before the half hour."""


def layers(bare: Bare, settings: OwnServer) -> list[Layer]:
    """Return the deployment of a version: in MLFLOW_SERVER, or wrapped in an image.

    Raises:
        Problem: what should be an image reference is not one, or there is no such server.
    """
    image = wrapping.chosen(bare, settings)
    if image is None and settings.server == "mlflow":
        raise Problem("--server mlflow: Seldon Core does not have it; use --platform deployment")
    if image is None:
        return [_layer("MLFLOW_SERVER", settings, _prepackaged(settings))]
    pod = wrapping.pod(_UNIT, image.reference, _PORTS, bare.uri, settings)
    graph = {"name": _UNIT, "type": "MODEL"}
    wrapped = {"graph": graph, "componentSpecs": [{"spec": pod}]}
    wrapper = _layer("model wrapper", settings, wrapped)
    if not image.tagged:
        return [wrapper]
    named = {"containers": [{"name": _UNIT, "image": image.reference}]}
    predictors = [{"name": _PREDICTOR, "componentSpecs": [{"spec": named}]}]
    return [wrapper, Layer(image.where, {"spec": {"predictors": predictors}}, described=True)]


def _layer(name: str, settings: OwnServer, predictor: Mapping[str, Any]) -> Layer:
    protocol = {"protocol": settings.protocol} if settings.protocol else {}
    predictors = [{"name": _PREDICTOR, **predictor}]
    return Layer(f"m2s's own {name}", {"spec": {**protocol, "predictors": predictors}})


def _prepackaged(settings: OwnServer) -> dict[str, Any]:
    graph: dict[str, Any] = {"name": _UNIT, "type": "MODEL", "implementation": "MLFLOW_SERVER"}
    if settings.env_secret:
        graph["envSecretRefName"] = settings.env_secret
    if settings.service_account:
        graph["serviceAccountName"] = settings.service_account
    containers = [{"name": _UNIT, "startupProbe": _START}]
    specs = [{"spec": {**wrapping.pulling(settings), "containers": containers}}]
    return {"graph": graph, "componentSpecs": specs, "progressDeadlineSeconds": _PROGRESS}
