"""Law 7 in one place: what must never be shown, and how it is shown instead."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

HIDDEN = "***"
_SHORTEST = 4  # a shorter secret would blank out half the line and hide nothing

# RFC 3986's userinfo, tokens without a user name included; in the URIs of Azure, Cloudflare R2 and
# Backblaze B2 it is the container or the bucket, in Databricks' a profile.
_USERINFO = re.compile(
    r"\b(?!(?:wasbs?|abfss?|r2|b2|dbfs)://[^:/@]+@)(?P<scheme>[a-zA-Z][a-zA-Z0-9+.-]*://)[^/\s?#\"']+@"
)
# Storage signatures (AWS SigV4, Azure SAS, Google), and the query names people put tokens under.
_QUERY = re.compile(
    r"(?i)(?P<name>[?&](?:sig|[\w.-]*(?:signature|token|api_?key|password|secret|credential)"
    r"[\w.-]*)=)[^&\s\"']+"
)
_BEARER = re.compile(r"(?i)(?P<name>\b(?:bearer|basic)\s+)[A-Za-z0-9._~+/=-]{8,}")
_SECRET_NAME = re.compile(
    r"(?i)(passw(or)?d|passphrase|secret|token(?!s|iz)|credential|api[_-]?key|access[_-]?key"
    r"|private[_-]?key|connection[_-]?string|sas[_-]?url)"
)
# Names that hold a reference to a secret, not the secret: Kubernetes' and Seldon's own fields.
_REFERENCE = frozenset({
    "envSecretRefName", "secretKeyRef", "secretName", "secretRef", "certSecretName",
    "imagePullSecrets", "automountServiceAccountToken", "serviceAccountToken", "secret",
    "secrets", "nodePublishSecretRef",
})  # fmt: skip
# Credentials that MLflow, the storage clients and the proxies read from the environment.
_SECRET_VARIABLES = (
    "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_CLIENT_SECRET", "M2S_WEBHOOK_SECRET",
)  # fmt: skip


def text(value: str) -> str:
    """Return ``value`` without passwords in URIs, signatures, bearer tokens and known secrets."""
    for variable in _SECRET_VARIABLES:
        secret = os.environ.get(variable, "")
        if len(secret) >= _SHORTEST:
            value = value.replace(secret, HIDDEN)
    value = _USERINFO.sub(rf"\g<scheme>{HIDDEN}@", value)
    value = _QUERY.sub(rf"\g<name>{HIDDEN}", value)
    return _BEARER.sub(rf"\g<name>{HIDDEN}", value)


def has_password(uri: str) -> bool:
    """Whether a URI carries a secret that a manifest must not."""
    return text(uri) != uri


def names_secret(name: str) -> bool:
    """Whether a field or an environment variable of this name holds a secret value."""
    return name not in _REFERENCE and bool(_SECRET_NAME.search(name))


def value(node: Any, name: str = "") -> Any:
    """Return a JSON value with every secret in it hidden.

    Args:
        node: any JSON value; not changed.
        name: the name of the field that holds it, "" at the root.
    """
    if isinstance(node, Mapping):
        return {key: value(node[key], _named(node, key)) for key in node}
    if isinstance(node, list | tuple):
        return [value(item, name) for item in node]
    if names_secret(name) and node not in (None, ""):
        return HIDDEN
    return text(node) if isinstance(node, str) else node


def _named(node: Mapping[str, Any], key: str) -> str:
    # An EnvVar or a Seldon Parameter: {name: DB_PASSWORD, value: …}.
    name = node.get("name")
    return name if key == "value" and isinstance(name, str) else key


def within(line: str, node: Any) -> str:
    """Return ``line`` without the secrets of a JSON value: a server repeats what it refuses."""
    for secret in sorted(set(_secrets(node, "")), key=len, reverse=True):
        line = line.replace(secret, HIDDEN)
    return line


def _secrets(node: Any, name: str) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key in node:
            yield from _secrets(node[key], _named(node, key))
    elif isinstance(node, list | tuple):
        for item in node:
            yield from _secrets(item, name)
    elif names_secret(name) and not isinstance(node, bool) and len(str(node)) >= _SHORTEST:
        yield str(node)


def at(path: Sequence[str | int], node: Any) -> Any:
    """Return :func:`value` of what stands at ``path``, a secret by the name of any step near it."""
    names = [str(step) for step in path]
    if len(names) > 1 and names[-1] == "value":
        return value(node, names[-2])
    return value(node, names[-1] if names else "")
