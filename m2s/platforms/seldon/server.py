"""The server of a version that has no ``deploy.yaml``, as the lowest of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2s.base import images
from m2s.domain.versions import ModelVersion
from m2s.objects.layers import Layer
from m2s.platforms.problem import Problem
from m2s.settings.groups import OwnServer

DEFAULT_TAG = "deployment-image"
"""The tag's name in Neu.ro's mlflow2seldon."""

PREDICTOR, UNIT = "default", "classifier"
MOUNT = "/mnt/models"
"""Where Seldon Core's storage initializer puts a model (model_initializer_injector.go)."""

_VOLUME, _INITIALIZER = f"{UNIT}-provision-location", f"{UNIT}-model-initializer"
"""The names that the operator itself gives them."""
_PORTS = (("http", 9000), ("grpc", 9500))
"""Names and numbers of the operator's (operator/constants, seldondeployment_webhook.go); a model
wrapper listens on both."""

_START = {"tcpSocket": {"port": "http"}, "periodSeconds": 10, "failureThreshold": 180}
"""Half an hour. MLFLOW_SERVER listens once the model's conda or pip environment is installed, and
until then Kubernetes asks for neither readiness nor liveness."""
_PROGRESS = 40 * 60
"""Seconds until a rollout counts as stuck: Kubernetes' ten minutes end before the half hour."""


def layers(
    version: ModelVersion,
    model_tags: Mapping[str, Mapping[str, str]],
    uri: str,
    settings: OwnServer,
) -> list[Layer]:
    """Return the deployment of a model at ``uri``: in MLFLOW_SERVER, or wrapped in an image.

    That is the one of the registered model's tag, else the default.

    Raises:
        Problem: what should be an image reference is not one.
    """
    tag = settings.image_tag or DEFAULT_TAG
    tagged = model_tags.get(version.model, {}).get(tag)
    where = f"tag {tag} of {version.model}" if tagged is not None else "--default-image"
    image = settings.default_image if tagged is None else tagged
    if image is None:
        return [_layer("MLFLOW_SERVER", settings, _prepackaged(settings))]
    image = image and _reference(image, where, settings)
    wrapper = _layer("model wrapper", settings, _wrapped(image, uri, settings))
    if tagged is None:
        return [wrapper]
    pod = {"containers": [{"name": UNIT, "image": image}]}
    named = [{"name": PREDICTOR, "componentSpecs": [{"spec": pod}]}]
    return [wrapper, Layer(where, {"spec": {"predictors": named}}, described=True)]


def _layer(name: str, settings: OwnServer, predictor: Mapping[str, Any]) -> Layer:
    protocol = {"protocol": settings.protocol} if settings.protocol else {}
    return Layer(
        f"m2s's own {name}",
        {"spec": {**protocol, "predictors": [{"name": PREDICTOR, **predictor}]}},
    )


def _prepackaged(settings: OwnServer) -> dict[str, Any]:
    graph: dict[str, Any] = {"name": UNIT, "type": "MODEL", "implementation": "MLFLOW_SERVER"}
    if settings.env_secret:
        graph["envSecretRefName"] = settings.env_secret
    if settings.service_account:
        graph["serviceAccountName"] = settings.service_account
    pod = {**_pulling(settings), "containers": [{"name": UNIT, "startupProbe": _START}]}
    specs = [{"spec": pod}]
    return {"graph": graph, "componentSpecs": specs, "progressDeadlineSeconds": _PROGRESS}


def _wrapped(image: str, uri: str, settings: OwnServer) -> dict[str, Any]:
    account = settings.service_account
    container = {
        "name": UNIT,
        "image": image,
        "ports": [
            {"name": name, "containerPort": number, "protocol": "TCP"} for name, number in _PORTS
        ],
        "volumeMounts": [{"name": _VOLUME, "mountPath": MOUNT, "readOnly": True}],
    }
    pod = {
        **({"serviceAccountName": account} if account else {}),
        **_pulling(settings),
        "initContainers": [_initializer(uri, settings)],
        "containers": [container],
        "volumes": [{"name": _VOLUME, "emptyDir": {}}],
    }
    return {"graph": {"name": UNIT, "type": "MODEL"}, "componentSpecs": [{"spec": pod}]}


def _initializer(uri: str, settings: OwnServer) -> dict[str, Any]:
    """Bring the model as the operator would for a server of its own: URI and folder, in order."""
    secret = settings.env_secret
    return {
        "name": _INITIALIZER,
        "image": _reference(settings.init_image, "--init-image", settings),
        "args": [uri, MOUNT],
        **({"envFrom": [{"secretRef": {"name": secret}}]} if secret else {}),
        "volumeMounts": [{"name": _VOLUME, "mountPath": MOUNT}],
    }


def _pulling(settings: OwnServer) -> dict[str, Any]:
    names = settings.image_pull_secrets
    return {"imagePullSecrets": [{"name": name} for name in names]} if names else {}


def _reference(text: str, where: str, settings: OwnServer) -> str:
    try:
        return images.reference(text, settings.image_registry)
    except ValueError as error:
        raise Problem(f"{where}: {error}") from error
