"""Pure: what will keep a deployment from serving, judged by what was read before it is written.

Each finding is a warning on its manifest. What could not be read is no finding: see
:func:`unchecked`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from m2s.domain.manifests import Manifest
from m2s.domain.versions import MlModel, Unchecked
from m2s.objects.body import Body
from m2s.objects.checksum import sealed
from m2s.platforms.findings import UNKNOWN, Facts, Needs
from m2s.platforms.seldon import mlflow_server, storage
from m2s.platforms.seldon.units import Unit, service_accounts, units, with_uris


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
    body = manifest.body
    warnings = [*manifest.warnings]
    for unit in units(body):
        warnings += _of_secret(unit, facts, manifest.key.namespace)
        if unit.is_mlflow_server and unit.uri:
            warnings += _of_model(unit, facts.models.get(unit.uri, UNKNOWN), _protocol(body))
    for account, user in service_accounts(body):
        if facts.accounts.get(account) is False:
            warnings.append(
                f"ServiceAccount {account}, which {user} runs as, does not exist in namespace "
                f"{manifest.key.namespace}: create it, or correct serviceAccountName"
            )
    return _settled(replace(manifest, warnings=tuple(dict.fromkeys(warnings))), facts)


def _of_secret(unit: Unit, facts: Facts, namespace: str) -> Iterator[str]:
    keys = facts.secrets.get(unit.secret, UNKNOWN) if unit.secret else UNKNOWN
    if isinstance(keys, Unchecked):
        return
    label = f"Secret {unit.secret}, the envSecretRefName of {unit.label},"
    if keys is None:
        yield (
            f"{label} does not exist in namespace {namespace}: create it, or correct "
            "envSecretRefName"
        )
        return
    remote = storage.remote(storage.renamed(unit.uri, keys))
    if remote and not unit.own_initializer and not storage.configures(keys, remote):
        yield f"{label} has no {storage.type_key(remote)} for {unit.uri}{_instead(keys, remote)}"


def _instead(keys: Collection[str], remote: str) -> str:
    there = ", ".join(sorted(storage.remotes(keys)))
    if there:
        return f"; it configures {there}: add {remote}, or let --model-uri-map name another remote"
    return f": add the RCLONE_CONFIG_{remote.upper()}_… variables"


def _of_model(unit: Unit, model: MlModel | Unchecked | None, protocol: str) -> Iterator[str]:
    if isinstance(model, Unchecked):
        return
    if model is None:
        yield f"{unit.uri} has no MLmodel file, which MLFLOW_SERVER loads: log a whole MLflow model"
    elif model.problem:
        yield f"the MLmodel file of {unit.uri} cannot be read: {model.problem}"
    elif "python_function" not in model.flavors:
        flavors = ", ".join(model.flavors) or "none"
        yield (
            f"the model at {unit.uri} has no python_function flavour, which MLFLOW_SERVER loads "
            f"(it has {flavors}): log it with one that has, such as mlflow.pyfunc"
        )
    elif not unit.image and (misfit := mlflow_server.misfit(model, protocol)):
        yield f"{misfit}: name an image that can in componentSpecs, for {unit.label}"


def _protocol(body: Body) -> str:
    protocol = body["spec"].get("protocol")
    return protocol if isinstance(protocol, str) else ""


def _settled(manifest: Manifest, facts: Facts) -> Manifest:
    """Call Azure's remote what the Secrets call it; a Secret that is not known changes nothing."""

    def settle(unit: Unit) -> str:
        keys = facts.secrets.get(unit.secret)
        return storage.renamed(unit.uri, keys) if isinstance(keys, frozenset) else unit.uri

    pairs = [(unit, settle(unit)) for unit in units(manifest.body)]
    renamed = [(unit, uri) for unit, uri in pairs if uri != unit.uri]
    if not renamed:
        return manifest
    body = sealed(with_uris(manifest.body, {unit.path: uri for unit, uri in renamed}))
    uri = next((new for unit, new in renamed if unit.uri == manifest.uri), manifest.uri)
    return replace(manifest, body=body, uri=uri)
