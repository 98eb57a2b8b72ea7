"""Pure: what will keep a deployment from serving, whatever platform it is on.

Each finding is one line, a warning on its manifest. What could not be read is no finding: see
:func:`m2s.platforms.findings.unchecked`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace

from m2s.domain.manifests import Manifest
from m2s.domain.versions import MlModel, Unchecked
from m2s.objects.body import replaced, sealed
from m2s.platforms.common import rclone
from m2s.platforms.common.pods import Path
from m2s.platforms.findings import UNKNOWN, Facts, SecretKeys

Version = tuple[int, ...]
NEVER: Version = (10**6,)
"""Later than every version."""


def of_secret(keys: SecretKeys, label: str, uri: str, field: str, namespace: str) -> Iterator[str]:
    """Yield what is wrong with a Secret of rclone's variables, of whose data the names are known.

    ``label`` says whose it is, and ``field`` is what names it; ``uri`` is read by it, "" where
    something else than rclone reads.
    """
    if isinstance(keys, Unchecked):
        return
    if keys is None:
        yield f"{label} does not exist in namespace {namespace}: create it, or correct {field}"
        return
    remote = rclone.remote(rclone.renamed(uri, keys))
    if remote and not rclone.configures(keys, remote):
        yield f"{label} has no {rclone.type_key(remote)} for {uri}{_instead(keys, remote)}"


def _instead(keys: Collection[str], remote: str) -> str:
    there = ", ".join(sorted(rclone.remotes(keys)))
    if there:
        return f"; it configures {there}: add {remote}, or let --model-uri-map name another remote"
    return f": add the RCLONE_CONFIG_{remote.upper()}_… variables"


def renamed(manifest: Manifest, facts: Facts, places: Iterable[tuple[Path, str, str]]) -> Manifest:
    """Return ``manifest`` with Azure's remote as the Secrets call it.

    ``places``: where a URI stands, the URI, and the Secret it is read with. A Secret that is not
    known changes nothing.
    """
    known = [(path, uri, facts.secrets.get(secret)) for path, uri, secret in places]
    uris = {
        path: (uri, new)
        for path, uri, keys in known
        if isinstance(keys, frozenset) and (new := rclone.renamed(uri, keys)) != uri
    }
    if not uris:
        return manifest
    body = sealed(replaced(manifest.body, {path: new for path, (_, new) in uris.items()}))
    uri = next((new for old, new in uris.values() if old == manifest.uri), manifest.uri)
    return replace(manifest, body=body, uri=uri)


def of_accounts(users: Iterable[tuple[str, str]], facts: Facts, namespace: str) -> Iterator[str]:
    """Yield which ServiceAccounts are missing; ``users``: an account, and who runs as it."""
    for account, user in users:
        if facts.accounts.get(account) is False:
            yield (
                f"ServiceAccount {account}, which {user} runs as, does not exist in namespace "
                f"{namespace}: create it, or correct serviceAccountName"
            )


def of_model(
    uri: str, facts: Facts, server: str, misfit: Callable[[MlModel], str | None]
) -> Iterator[str]:
    """Yield why ``server`` cannot load the model at ``uri``; ``misfit`` judges a whole one."""
    model = facts.models.get(uri, UNKNOWN)
    if isinstance(model, Unchecked):
        return
    if model is None:
        yield f"{uri} has no MLmodel file, which {server} loads: log a whole MLflow model"
    elif model.problem:
        yield f"the MLmodel file of {uri} cannot be read: {model.problem}"
    elif "python_function" not in model.flavors:
        flavors = ", ".join(model.flavors) or "none"
        yield (
            f"the model at {uri} has no python_function flavour, which {server} loads "
            f"(it has {flavors}): log it with one that has, such as mlflow.pyfunc"
        )
    elif why := misfit(model):
        yield why


@dataclass(frozen=True, slots=True)
class Server:
    """What one image line loads.

    ``mlflow`` is the newest minor release whose models it loads, None where any is; ``python``
    the first minor release of Python that it runs on, and the first that it does not.
    """

    name: str
    mlflow: Version | None
    python: tuple[Version, Version]

    def loads(self, model: MlModel) -> bool:
        """Whether a model fits; versions that its MLmodel file does not tell are no obstacle."""
        mlflow, python = _version(model.mlflow_version), _version(model.python_version)
        first, beyond = self.python
        if python is not None and not first <= python < beyond:
            return False
        return mlflow is None or self.mlflow is None or mlflow <= self.mlflow


def _version(text: str) -> Version | None:
    """Return major and minor, which decide; None for what is not a version."""
    found = re.match(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def logged_with(model: MlModel) -> str:
    """Return the releases that a model was logged with: ``MLflow 3.1.0 and Python 3.12.1``."""
    made = (("MLflow", model.mlflow_version), ("Python", model.python_version))
    return " and ".join(f"{what} {version}" for what, version in made if version)
