"""Pure: an image that serves a version which has no description, and the Pod that it runs in.

The model is brought by a storage initializer, an init container with two arguments: the model's
URI, and the folder that it is copied to (seldon-core, ``model_initializer_injector.go``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from m2s.base import images
from m2s.platforms.bare import Bare
from m2s.platforms.problem import Problem
from m2s.settings.groups import OwnServer

_DEFAULT_TAG = "deployment-image"
"""The tag's name in Neu.ro's mlflow2seldon."""
_MOUNT = "/mnt/models"
"""Where Seldon Core's storage initializer puts a model (model_initializer_injector.go)."""


@dataclass(frozen=True, slots=True)
class Image:
    """A reference, and what named it: an option, or a tag of the registered model."""

    reference: str
    where: str
    tagged: bool


def chosen(bare: Bare, settings: OwnServer) -> Image | None:
    """Return the image of the registered model's tag, else the default, else None.

    Raises:
        Problem: what should be an image reference is not one.
    """
    tag = settings.image_tag or _DEFAULT_TAG
    tagged = bare.tags.get(tag)
    where = f"tag {tag} of {bare.version.model}" if tagged is not None else "--default-image"
    text = settings.default_image if tagged is None else tagged
    if text is None:
        return None
    return Image(text and _reference(text, where, settings), where, tagged is not None)


def pod(
    name: str, image: str, ports: Iterable[tuple[str, int]], uri: str, settings: OwnServer
) -> dict[str, Any]:
    """Return the spec of a Pod whose container ``name`` serves the model at ``uri``."""
    account, secret, volume = (
        settings.service_account,
        settings.env_secret,
        f"{name}-provision-location",
    )
    mount = {"name": volume, "mountPath": _MOUNT}
    initializer = {
        "name": f"{name}-model-initializer",
        "image": _reference(settings.init_image, "--init-image", settings),
        "args": [uri, _MOUNT],
        **({"envFrom": [{"secretRef": {"name": secret}}]} if secret else {}),
        "volumeMounts": [mount],
    }
    listens = [{"name": each, "containerPort": port, "protocol": "TCP"} for each, port in ports]
    mounts = [{**mount, "readOnly": True}]
    container = {"name": name, "image": image, "ports": listens, "volumeMounts": mounts}
    return {
        **({"serviceAccountName": account} if account else {}),
        **pulling(settings),
        "initContainers": [initializer],
        "containers": [container],
        "volumes": [{"name": volume, "emptyDir": {}}],
    }


def pulling(settings: OwnServer) -> dict[str, Any]:
    """Return what a Pod says of the Secrets that its images are pulled with."""
    names = settings.image_pull_secrets
    return {"imagePullSecrets": [{"name": name} for name in names]} if names else {}


def _reference(text: str, where: str, settings: OwnServer) -> str:
    try:
        return images.reference(text, settings.image_registry)
    except ValueError as error:
        raise Problem(f"{where}: {error}") from error
