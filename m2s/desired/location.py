"""Where a model lies, as the model server in the cluster can read it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from m2s import mask
from m2s.desired.problem import Problem

# Schemes that name a place only an MLflow client, or only one machine, can read from.
_UNSERVABLE = frozenset({"mlflow-artifacts", "models", "runs", "file", "dbfs", ""})


def servable(uri: str, uri_map: Iterable[tuple[str, str]]) -> str:
    """Return a resolved model URI after the user's prefix map.

    Raises:
        Problem: no model server can read it, or it carries a secret.
    """
    mapped = map_uri(uri, uri_map)
    scheme = re.match(r"([a-zA-Z][a-zA-Z0-9+.-]*):", mapped)
    name = scheme[1].lower() if scheme else ""
    if name in _UNSERVABLE:
        start = f"{name}:/" if name else "/"
        raise Problem(
            f"no model server can read {mask.text(mapped)}; map it to the store behind it with "
            f"--model-uri-map {start}=s3://BUCKET/PATH"
        )
    if mask.has_password(mapped):
        raise Problem(
            f"the model URI {mask.text(mapped)} carries a secret; name a Secret with "
            "envSecretRefName in deploy.yaml instead"
        )
    return mapped


def map_uri(uri: str, uri_map: Iterable[tuple[str, str]]) -> str:
    """Replace the longest matching prefix of ``uri``; an unmatched one comes back unchanged."""
    matching = [(prefix, to) for prefix, to in uri_map if uri.startswith(prefix)]
    if not matching:
        return uri
    prefix, to = max(matching, key=lambda pair: len(pair[0]))
    rest = uri[len(prefix) :]
    # "mlflow-artifacts:/=s3://b/m" and "…/m/" both mean a folder: exactly one slash between.
    if prefix.endswith("/") or rest.startswith("/"):
        return f"{to.rstrip('/')}/{rest.lstrip('/')}"
    return to + rest
