"""The server of a version that has no description, as the lowest of its layers."""

from __future__ import annotations

from typing import Any

from m2s.base.names import MODEL_URI
from m2s.objects.layers import Layer
from m2s.platforms.bare import Bare
from m2s.platforms.common import scoring, wrapping
from m2s.platforms.deployment.containers import saying
from m2s.platforms.problem import Problem
from m2s.settings.groups import OwnServer

_NAME = "server"


def layers(bare: Bare, settings: OwnServer) -> list[Layer]:
    """Return the Deployment of a version: MLflow's own server, or an image.

    Raises:
        Problem: what should be an image reference is not one, or no server loads the model.
    """
    image = wrapping.chosen(bare, settings)
    if image is None:
        if settings.server == "platform":
            raise Problem("--server platform: plain Kubernetes has none; use --server mlflow")
        python = scoring.image(bare.mlmodel)
        return [Layer("m2s's own MLflow server", _served(bare, settings, python))]
    server = {"name": _NAME, "image": image.reference}
    if image.whole:
        pod = {**_general(settings), "containers": [server]}
    else:
        pod = _with_model({**_general(settings), "containers": [server]}, bare, settings)
    found = [Layer("m2s's own server", {"spec": {"template": {"spec": pod}}})]
    if image.tagged:
        named = saying(_NAME, image=image.reference)
        found.append(Layer(image.where, named, described=True))
    return found


def _served(bare: Bare, settings: OwnServer, python: str) -> dict[str, Any]:
    pod = {
        **_general(settings),
        "securityContext": scoring.security(),
        "containers": [scoring.container(_NAME, python, settings)],
        "volumes": scoring.volumes(),
    }
    whole = _with_model(pod, bare, settings)
    return {"spec": {"progressDeadlineSeconds": scoring.PROGRESS, "template": {"spec": whole}}}


def _general(settings: OwnServer) -> dict[str, Any]:
    account = settings.service_account
    return {
        **({"serviceAccountName": account} if account else {}),
        **wrapping.pulling(settings),
        # A Service of another name must not look like an option of the server.
        "enableServiceLinks": False,
    }


def _with_model(pod: dict[str, Any], bare: Bare, settings: OwnServer) -> dict[str, Any]:
    """Return a Pod to whose first container an init container brings the model."""
    secret = settings.env_secret
    mount = {"name": "model", "mountPath": scoring.MODEL}
    initializer = {
        "name": "model",
        **wrapping.bringing(bare.uri, settings),
        "args": [f"$({MODEL_URI})", scoring.MODEL],
        **({"envFrom": [{"secretRef": {"name": secret}}]} if secret else {}),
        "env": [_uri()],
        "securityContext": scoring.RESTRICTED,
        "volumeMounts": [mount],
    }
    server, *others = pod["containers"]
    mounts = [*server.get("volumeMounts", ()), {**mount, "readOnly": True}]
    return {
        **pod,
        "initContainers": [initializer],
        "containers": [{**server, "volumeMounts": mounts}, *others],
        "volumes": [*pod.get("volumes", ()), {"name": "model", "emptyDir": {}}],
    }


def _uri() -> dict[str, str]:
    return {"name": MODEL_URI, "value": ""}
