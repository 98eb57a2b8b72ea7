"""Pure: an image that serves a version which has no description, and the Pod that it runs in.

The model is brought by a storage initializer, an init container with two arguments: the model's
URI, and the folder that it is copied to (seldon-core, ``model_initializer_injector.go``).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from m2s.base import images
from m2s.base.labels import MARKS
from m2s.platforms.bare import Bare
from m2s.platforms.common.locating import is_fetched
from m2s.platforms.problem import Problem
from m2s.settings.groups import OwnServer

_DEFAULT_TAG = "deployment-image"
"""The tag's name in Neu.ro's mlflow2seldon."""
VERSIONS_OWN = f"{MARKS}image"
"""A version's own tag, which wins."""
_MOUNT = "/mnt/models"
"""Where Seldon Core's storage initializer puts a model (model_initializer_injector.go)."""


@dataclass(frozen=True, slots=True)
class Image:
    """A reference, and what named it: an option, or a tag of the registered model.

    ``whole``: the version itself names it, so that it has the model inside.
    """

    reference: str
    where: str
    tagged: bool
    whole: bool = False


def chosen(bare: Bare, settings: OwnServer) -> Image | None:
    """Return the version's own image, else that of the registered model's tag, else the default.

    The version's own is set by its tag, as all tags of a version are.

    Raises:
        Problem: what should be an image reference is not one.
    """
    if (own := bare.version.tags.get(VERSIONS_OWN)) is not None:
        return Image(_reference(own, f"tag {VERSIONS_OWN}", settings), "", False, whole=True)
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
        **bringing(uri, settings),
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


def bringing(uri: str, settings: OwnServer) -> dict[str, Any]:
    """Return the image that brings what lies at ``uri``, and its command where it has another."""
    if settings.fetch_image and is_fetched(uri):
        image = _reference(settings.fetch_image, "--fetch-image", settings)
        return {"image": image, "command": ["m2s", "fetch"]}
    return {"image": _reference(settings.init_image, "--init-image", settings)}


def pulling(settings: OwnServer) -> dict[str, Any]:
    """Return what a Pod says of the Secrets that its images are pulled with."""
    names = settings.image_pull_secrets
    return {"imagePullSecrets": [{"name": name} for name in names]} if names else {}


def _reference(text: str, where: str, settings: OwnServer) -> str:
    try:
        return images.reference(text, settings.image_registry)
    except ValueError as error:
        raise Problem(f"{where}: {error}") from error
