"""Pure: which models Seldon Core's own MLFLOW_SERVER images can be relied on to load.

m2s cannot see which release the operator is of. So a model is a misfit only when it fits none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from m2s.domain.versions import MlModel

Version = tuple[int, ...]
_NEVER: Version = (10**6,)


@dataclass(frozen=True, slots=True)
class Server:
    """What one image line loads.

    ``mlflow`` is the newest minor release whose models it loads, None where any is; ``python``
    the first minor release of Python that it runs on, and the first that it does not.
    """

    name: str
    mlflow: Version | None
    python: tuple[Version, Version]


# The image builds an environment with the model's Python, and puts its own MLflow and seldon-core
# into it: servers/mlflowserver/mlflowserver/requirements.txt of seldon-core (1.18: mlflow >= 2.9.2,
# < 3.0; 1.19: mlflow == 3.1.1), and python_requires of the package seldon-core (1.18.2: >= 3.6;
# 1.19.0: >= 3.12).
_SELDON = (
    Server("1.18 has MLflow 2", (2, 10**6), ((3, 6), _NEVER)),
    Server("1.19 has MLflow 3.1, on Python 3.12 or later", (3, 1), ((3, 12), _NEVER)),
)
# For protocol v2 it is MLServer: Requires-Python of the package mlserver-mlflow, 1.4.0 to 1.7.1;
# MLflow is not pinned.
_MLSERVER = (Server("MLServer runs on Python 3.8 to 3.12", None, ((3, 8), (3, 13))),)
_V2 = frozenset({"v2", "kfserving"})


def misfit(model: MlModel, protocol: str) -> str:
    """Return why no image of Seldon Core's can be relied on to load ``model``, "" where one can.

    Args:
        model: what its MLmodel file says; versions it does not tell are no obstacle.
        protocol: ``spec.protocol``; ``v2`` and ``kfserving`` are served by MLServer.
    """
    servers = _MLSERVER if protocol in _V2 else _SELDON
    mlflow, python = _version(model.mlflow_version), _version(model.python_version)
    if any(_loads(server, mlflow, python) for server in servers):
        return ""
    made = [("MLflow", model.mlflow_version), ("Python", model.python_version)]
    told = " and ".join(f"{what} {version}" for what, version in made if version)
    return (
        f"logged with {told}, which no MLFLOW_SERVER image of Seldon Core is sure to load "
        f"({'; '.join(server.name for server in servers)})"
    )


def _loads(server: Server, mlflow: Version | None, python: Version | None) -> bool:
    first, beyond = server.python
    if python is not None and not first <= python < beyond:
        return False
    return mlflow is None or server.mlflow is None or mlflow <= server.mlflow


def _version(text: str) -> Version | None:
    """Return major and minor, which decide; None for what is not a version."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None
