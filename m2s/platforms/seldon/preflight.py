"""Pure: what will keep a SeldonDeployment from serving, judged by what was read beforehand."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from m2s.domain.manifests import Manifest
from m2s.domain.versions import MlModel
from m2s.objects.body import Body
from m2s.platforms.common import mlserver, preflight
from m2s.platforms.common.pods import text
from m2s.platforms.common.preflight import NEVER, Server
from m2s.platforms.findings import Facts, Needs
from m2s.platforms.seldon.units import Unit, service_accounts, units

# m2s cannot see which release the operator is of. So a model is a misfit only when it fits none.
# The image builds an environment with the model's Python, and puts its own MLflow and seldon-core
# into it: servers/mlflowserver/mlflowserver/requirements.txt of seldon-core (1.18: mlflow >= 2.9.2,
# < 3.0; 1.19: mlflow == 3.1.1), and python_requires of the package seldon-core (1.18.2: >= 3.6;
# 1.19.0: >= 3.12).
_SELDON = (
    Server("1.18 has MLflow 2", (2, 10**6), ((3, 6), NEVER)),
    Server("1.19 has MLflow 3.1, on Python 3.12 or later", (3, 1), ((3, 12), NEVER)),
)
# For protocol v2 it is MLServer: Requires-Python of the package mlserver-mlflow, 1.4.0 to 1.7.1;
# MLflow is not pinned.
_MLSERVER = (Server("MLServer runs on Python 3.8 to 3.12", None, ((3, 8), (3, 13))),)
V2 = ("v2", "kfserving")
"""Protocols of which the servers are MLServer."""


def needs(body: Body) -> Needs:
    """Return what :func:`checked` wants to know about an object."""
    every = tuple(units(body))
    return Needs(
        frozenset(unit.secret for unit in every if unit.secret),
        frozenset(account for account, _ in service_accounts(body)),
        frozenset(unit.uri for unit in every if unit.is_mlflow_server and unit.uri),
    )


def checked(manifest: Manifest, facts: Facts) -> Manifest:
    """Return ``manifest`` with its warnings, and with Azure's remote as its Secret names it."""
    body, namespace, warnings = manifest.body, manifest.key.namespace, [*manifest.warnings]
    every = tuple(units(body))
    for unit in every:
        if unit.secret in facts.secrets:
            label = f"Secret {unit.secret}, the envSecretRefName of {unit.label},"
            uri = "" if unit.own_initializer else unit.uri
            keys = facts.secrets[unit.secret]
            warnings += preflight.of_secret(keys, label, uri, "envSecretRefName", namespace)
        if unit.is_mlflow_server and unit.uri:
            told = partial(_misfit, unit, text(body, "spec.protocol"))
            warnings += preflight.of_model(unit.uri, facts, "MLFLOW_SERVER", told)
    warnings += preflight.of_accounts(service_accounts(body), facts, namespace)
    warned = replace(manifest, warnings=tuple(dict.fromkeys(warnings)))
    places = (((*unit.path, "modelUri"), unit.uri, unit.secret) for unit in every)
    return preflight.renamed(warned, facts, places)


def _misfit(unit: Unit, protocol: str, model: MlModel) -> str | None:
    why = "" if unit.image else misfit(model, protocol)
    return f"{why}: name an image that can in componentSpecs, for {unit.label}" if why else None


def misfit(model: MlModel, protocol: str) -> str | None:
    """Return why no image of Seldon Core's can be relied on to load ``model``, None where one can.

    ``protocol`` is ``spec.protocol``; ``v2`` and ``kfserving`` are served by MLServer.
    """
    if protocol in V2 and (why := mlserver.misfit(model)):
        return why
    servers = _MLSERVER if protocol in V2 else _SELDON
    if any(server.loads(model) for server in servers):
        return None
    return (
        f"logged with {preflight.logged_with(model)}, which no MLFLOW_SERVER image of Seldon Core "
        f"is sure to load ({'; '.join(server.name for server in servers)})"
    )
