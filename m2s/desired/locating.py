"""Where a model lies, as the model server in the cluster can read it."""

from __future__ import annotations

import re
from collections.abc import Iterable

from m2s.base import mask
from m2s.platforms.problem import Problem
from m2s.platforms.seldon import storage

# Schemes that name a place only an MLflow client, or only one machine, can read from.
_UNSERVABLE = frozenset({"mlflow-artifacts", "models", "runs", "file", "dbfs", ""})


def servable(
    uri: str,
    uri_map: Iterable[tuple[str, str]],
    root: str | None = None,
    run_id: str | None = None,
) -> str:
    """Return a resolved model URI after the user's prefix map, as Seldon Core's rclone reads it.

    Args:
        uri: where the registry has the model.
        uri_map: prefixes and their replacements; the longest matching one counts.
        root: the artifact root as the cluster reaches it, for what no prefix matches.
        run_id: the run whose folder marks where the artifact root ends.

    Raises:
        Problem: no model server can read it, or it carries a secret.
    """
    mapped = map_uri(uri, uri_map)
    if root and mapped == uri:
        mapped = rooted(uri, root, run_id)
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
    try:
        return storage.readable(mapped)
    except ValueError as error:
        raise Problem(mask.text(str(error))) from error


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


def rooted(uri: str, root: str, run_id: str | None) -> str:
    """Put ``root`` in the place of the artifact root: of all before EXPERIMENT/RUN.

    MLflow lays artifacts out as ``ROOT/EXPERIMENT/RUN/artifacts/…``, and since release 3 models as
    ``ROOT/EXPERIMENT/models/m-…/artifacts``. A URI of neither form comes back unchanged.
    """
    steps = uri.split("/")
    logged = [index for index in range(len(steps) - 1) if _is_logged(steps, index)]
    runs = [index for index, step in enumerate(steps) if run_id and step == run_id]
    found = runs[-1:] or logged[-1:]
    if not found or found[0] == 0:
        return uri
    return "/".join((root.rstrip("/"), *steps[found[0] - 1 :]))


def _is_logged(steps: list[str], index: int) -> bool:
    return steps[index] == "models" and steps[index + 1].startswith("m-")
