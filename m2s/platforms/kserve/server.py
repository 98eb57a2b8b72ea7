"""The server of a version that has no ``deploy.yaml``, as the lowest of its layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2s.objects.layers import Layer
from m2s.platforms.bare import Bare
from m2s.platforms.common import scoring, wrapping
from m2s.platforms.kserve.description import MODE, STANDARD
from m2s.platforms.kserve.units import CONTAINER, STORAGE_URI
from m2s.platforms.problem import Problem
from m2s.settings.groups import OwnServer

_PROTOCOL = "v2"
"""What KServe's runtime for MLflow models speaks (kserve, config/runtimes/kserve-mlserver.yaml)."""


def layers(bare: Bare, settings: OwnServer) -> list[Layer]:
    """Return the deployment of a version: in KServe's runtime, MLflow's own server, or an image.

    Raises:
        Problem: what should be an image reference is not one, no server loads the model, or an
            option has no place in KServe.
    """
    image = wrapping.chosen(bare, settings)
    if image is None and settings.server == "mlflow":
        return [_layer("MLflow server", settings, _scoring(bare, settings))]
    if image is None:
        return [_layer("MLflow runtime", settings, _model(settings))]
    container = {"name": CONTAINER, "image": image.reference, **_env(settings, whole=image.whole)}
    wrapper = _layer("container", settings, {"containers": [container]})
    if not image.tagged:
        return [wrapper]
    named = {"containers": [{"name": CONTAINER, "image": image.reference}]}
    return [wrapper, Layer(image.where, {"spec": {"predictor": named}}, described=True)]


def _layer(name: str, settings: OwnServer, predictor: Mapping[str, Any]) -> Layer:
    account = settings.service_account
    spec = {
        **({"serviceAccountName": account} if account else {}),
        **wrapping.pulling(settings),
        **predictor,
    }
    metadata = {"annotations": {MODE: STANDARD[0]}}
    return Layer(f"m2s's own {name}", {"metadata": metadata, "spec": {"predictor": spec}})


def _model(settings: OwnServer) -> dict[str, Any]:
    if settings.env_secret:
        raise Problem(
            "--env-secret: KServe's storage initializer takes its credentials from a "
            "ServiceAccount; name one whose secrets have them with --service-account"
        )
    if settings.protocol not in (None, _PROTOCOL):
        raise Problem(
            f"--protocol {settings.protocol}: KServe's runtime for MLflow models speaks {_PROTOCOL}"
        )
    model = {"modelFormat": {"name": "mlflow"}, "protocolVersion": _PROTOCOL, "storageUri": ""}
    return {"model": model}


def _scoring(bare: Bare, settings: OwnServer) -> dict[str, Any]:
    """Return MLflow's own server; KServe's storage initializer brings the model."""
    container = scoring.container(CONTAINER, scoring.image(bare.mlmodel), settings)
    env = [*container["env"], {"name": STORAGE_URI, "value": ""}]
    return {
        "securityContext": scoring.security(),
        "containers": [{**container, "env": env}],
        "volumes": scoring.volumes(),
    }


def _env(settings: OwnServer, *, whole: bool) -> dict[str, Any]:
    """Return the model's place, and the variables of a Secret for the server itself."""
    secret = settings.env_secret
    place = {} if whole else {"env": [{"name": STORAGE_URI, "value": ""}]}
    return {**place, **({"envFrom": [{"secretRef": {"name": secret}}]} if secret else {})}
