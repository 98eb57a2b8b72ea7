"""Pure: MLflow's own scoring server as a container, whatever platform runs its Pod.

The stock Python image of the minor version that the MLmodel file names installs the model's own
requirements at start: so it loads whatever MLflow logs. The model is at ``/mnt/models``. The images
are those that ``mlflow models build-docker`` starts from (``mlflow/pyfunc/backend.py``).
"""

from __future__ import annotations

import re
from typing import Any

from m2s.domain.versions import MlModel, Unchecked
from m2s.platforms.problem import Problem
from m2s.settings.groups import OwnServer

PORT = 8080
MODEL = "/mnt/models"
"""Where the storage initializers of Seldon Core and KServe put a model."""
PROGRESS = 40 * 60
"""Seconds until a rollout counts as stuck: Kubernetes' ten minutes end before the half hour."""

_HOME = "/home/m2s"
_USER = 65532
_JAVA = frozenset({"h2o", "johnsnowlabs", "spark"})
_OPENMP = frozenset({"lightgbm", "paddle"})
"""Flavours that want libgomp, which the slim images lack."""
_REMEDY = "name an image that serves it: tag m2s.io/image, or --default-image"

# A container that starts again finds its environment: HOME lasts as long as the Pod. pip keeps no
# second copy of each package, unless somebody mounts a volume for that.
_SCRIPT = f"""\
python -m venv "$HOME/venv"
export PATH="$HOME/venv/bin:$PATH"
[ -d "${{PIP_CACHE_DIR:-}}" ] || export PIP_NO_CACHE_DIR=1
pip install --no-input --disable-pip-version-check -r {MODEL}/requirements.txt
exec mlflow models serve -m {MODEL} --env-manager local -h 0.0.0.0 -p {PORT}
"""


def image(model: MlModel | Unchecked | None) -> str:
    """Return the image that loads a model.

    Raises:
        Problem: none does, or the MLmodel file does not tell which.
    """
    if isinstance(model, Unchecked):
        raise Problem(f"which Python the model needs cannot be read: {model.reason}")
    if model is None:
        raise Problem(
            f"the model's folder has no MLmodel file: log a whole MLflow model, or {_REMEDY}"
        )
    if model.problem:
        raise Problem(f"the MLmodel file cannot be read: {model.problem}")
    if "python_function" not in model.flavors:
        raise Problem(f"the model has no python_function flavour, which MLflow serves: {_REMEDY}")
    if java := _JAVA.intersection(model.flavors):
        raise Problem(f"the flavour {min(java)} needs Java, which no Python image has: {_REMEDY}")
    found = re.match(r"3\.\d+", model.python_version)
    if not found:
        raise Problem(f"the MLmodel file names no Python 3 version: {_REMEDY}")
    slim = "" if _OPENMP.intersection(model.flavors) else "-slim"
    return f"python:{found[0]}{slim}"


def container(name: str, python: str, settings: OwnServer) -> dict[str, Any]:
    """Return the container ``name`` in the image ``python``; its volumes are :func:`volumes`.

    Its environment is the Secret of ``--env-secret``: ``PIP_INDEX_URL`` is read from there.
    """
    secret = settings.env_secret
    return {
        "name": name,
        "image": python,
        "command": ["sh", "-euc", _SCRIPT],
        **({"envFrom": [{"secretRef": {"name": secret}}]} if secret else {}),
        "env": [{"name": "HOME", "value": _HOME}, {"name": "USER", "value": "m2s"}],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        **_probes(),
        # Requests still come in until every node knows that the Pod leaves.
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "10"]}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {**RESTRICTED, "readOnlyRootFilesystem": True},
        "volumeMounts": [
            {"name": "home", "mountPath": _HOME},
            {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - the container's own
        ],
    }


def volumes() -> list[dict[str, Any]]:
    """Return the volumes of the container: what it may write to."""
    return [{"name": "home", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]


RESTRICTED = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
"""What the Pod Security Standard "restricted" asks of a container."""


def security() -> dict[str, Any]:
    """Return the Pod's securityContext; the stock images would run as root."""
    return {
        "runAsNonRoot": True,
        "runAsUser": _USER,
        "fsGroup": _USER,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _probes() -> dict[str, Any]:
    """Return the probes: the server answers when all is installed and the model is loaded.

    A start may take half an hour, and until then nobody asks for anything else.
    """
    ping = {"httpGet": {"path": "/ping", "port": "http"}}
    return {
        "startupProbe": {**ping, "periodSeconds": 5, "failureThreshold": 360},
        "readinessProbe": {**ping, "periodSeconds": 5, "timeoutSeconds": 5},
        "livenessProbe": {**ping, "periodSeconds": 20, "timeoutSeconds": 20, "failureThreshold": 6},
    }
