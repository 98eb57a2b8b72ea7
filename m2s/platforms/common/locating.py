"""Where a model lies, as the model server in the cluster can read it; pure.

One function decides, for whatever MLflow or a person writes as a model's location: it is mapped by
``--model-uri-map``, put into the words of the platform that reads it, or refused with what to type.
MLflow's own kinds of location are those of its ``artifact_repository_registry.py``.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterable
from itertools import pairwise
from urllib.parse import unquote

from m2s.base import mask
from m2s.platforms.problem import Problem

UNRESOLVED = frozenset({"models", "runs"})
"""Schemes of which only the registry knows what they mean."""
_FETCHED = frozenset({"mlflow-artifacts", *UNRESOLVED})
"""Schemes that no platform's own initializer reads, but ``m2s fetch`` does."""

# Schemes that name a place only an MLflow client, or only one machine, can read from.
_UNSERVABLE = frozenset({"mlflow-artifacts", *UNRESOLVED, "file", "dbfs", ""})
# Schemes that no storage initializer has a name for.
_FOREIGN = frozenset({"uc", "databricks", "databricks-uc", "viewfs"})
_WITH_HOST = frozenset({"http", "https", "hdfs", "ftp", "sftp"})
# What stands behind the slashes of these is no part of the path.
_AUTHORITIES = _WITH_HOST | _FOREIGN | {"mlflow-artifacts", "dbfs", "file"}

_WINDOWS = re.compile(r"[a-zA-Z]:(?:[^/]*\\|/(?!/))")
_BACKSLASHED = re.compile(r"\\|\.{1,2}\\|[^/]*\\[^/]*$")
_SCHEME = re.compile(r"([a-zA-Z][a-zA-Z0-9+.-]*):")
_PROXIED = re.compile(
    r"(?i:https?)://[^?#]*?/(?:ajax-)?api/2\.0/mlflow-artifacts/artifacts(?:/(.*))?"
)
_ELSEWHERE = re.compile(
    r"(mlflow-artifacts(?=://.)|dbfs(?=://.)|file(?=://localhost/))://[^/]+(?:/(.*))?"
)

UriMap = Iterable[tuple[str, str]]


class Unfamiliar(ValueError):
    """That a platform's storage initializer, as it is installed, reads no such URI.

    Another initializer may read it, so the user's map may name it.
    """


def servable(
    uri: str,
    uri_map: UriMap,
    root: str | None,
    run_id: str | None,
    readable: Callable[[str], str],
    *,
    fetches: bool = False,
    secret: str = "",
) -> str:
    """Return a location after the user's prefix map, as a platform's initializer reads it.

    Args:
        uri: where the registry has the model, or what a person wrote.
        uri_map: prefixes and their replacements; the longest matching one counts.
        root: the artifact root as the cluster reaches it, for what no prefix matches.
        run_id: the run whose folder marks where the artifact root ends.
        readable: puts a storage URI into the platform's words.
        fetches: whether something there reads what only a client of MLflow can (``m2s fetch``).
        secret: the field of a description that leads to a store's credentials.

    Raises:
        Problem: no model server can read it, or it carries a secret.
    """
    found = _mapped(uri, uri_map)
    if found is None and root:
        found = _rooted(_spelled(uri), root, run_id)
    mapped = uri if found is None else found
    name, fetched = scheme(mapped), fetches and is_fetched(mapped)
    if name in _UNSERVABLE and not fetched:
        raise Problem(_refusal(uri, found))
    if mask.uri_carries_secret(mapped):
        raise Problem(
            f"the model URI {mask.text(mapped)} carries a secret; name a Secret with "
            f"{secret} in deploy.yaml instead"
        )
    if fetched:
        return mapped
    try:
        return readable(mapped)
    except Unfamiliar as error:
        if found is None:
            raise Problem(_refusal(uri, None)) from error
        return mapped
    except ValueError as error:
        raise Problem(mask.text(str(error))) from error


def scheme(uri: str) -> str:
    """Return a location's scheme in lower case, "" for a path of whatever operating system."""
    found = None if _WINDOWS.match(uri) else _SCHEME.match(uri)
    return found[1].lower() if found else ""


def has_own_host(uri: str) -> bool:
    """Whether only a location itself tells where its store is: rclone takes such for a folder."""
    name = scheme(uri)
    return name in _FOREIGN or (name in _WITH_HOST and bool(_authority(uri)))


def is_servable(uri: str) -> bool:
    """Whether a location is of a kind that a model server may read without any map."""
    return scheme(uri) not in _UNSERVABLE


def is_fetched(uri: str) -> bool:
    """Whether ``m2s fetch`` brings a model from there, and no initializer of a platform can."""
    return scheme(uri) in _FETCHED or bool(_PROXIED.fullmatch(uri))


def raise_if_fetched(uri: str) -> None:
    """Raise Problem for a location that only ``m2s fetch`` reads."""
    if is_fetched(uri):
        raise Problem(f"{_refusal(uri, None)}, or bring it with --fetch-image")


def _refusal(uri: str, mapped: str | None) -> str:
    if mapped is not None:
        line = f"no model server can read {mask.text(mapped)}"
        return f"{line}, which --model-uri-map or --artifact-root makes of {mask.text(uri)}"
    typed = mask.text(replacement(_start(_forms(uri)[-1])))
    return f"no model server can read {mask.text(uri)}; map it to the store behind it with {typed}"


def replacement(prefix: str, to: str = "s3://BUCKET/PATH") -> str:
    """Return what to type, in a shell, to have ``prefix`` of model URIs replaced."""
    return f"--model-uri-map {shlex.quote(f'{prefix}={to}')}"


def _start(uri: str) -> str:
    """Return the prefix of a location that is best replaced: all that tells the machine."""
    name = scheme(uri)
    head = uri[: len(name) + 1] if name else ""
    path = uri[len(head) :]
    found = re.match(r"//[^/]+/?|/+[a-zA-Z]:/|/|[^/]+/", path)
    return head + (found[0] if found else path)


def map_uri(uri: str, uri_map: UriMap) -> str:
    """Replace the longest matching prefix of ``uri``; an unmatched one comes back unchanged."""
    found = _mapped(uri, uri_map)
    return uri if found is None else found


def _mapped(uri: str, uri_map: UriMap) -> str | None:
    """Replace the longest matching prefix of ``uri``; None where none does."""
    pairs = [(_spelled(prefix), to) for prefix, to in uri_map]
    for form in _forms(uri):
        matching = [(prefix, to) for prefix, to in pairs if _begins(form, prefix)]
        if not matching:
            continue
        prefix, to = max(matching, key=lambda pair: len(pair[0]))
        rest = form[len(prefix) :]
        # "mlflow-artifacts:/=s3://b/m" and "…/m/" both mean a folder: exactly one slash between.
        if prefix.endswith("/") or rest.startswith("/"):
            return f"{to.rstrip('/')}/{rest.lstrip('/')}"
        return to + rest
    return None


def _forms(uri: str) -> tuple[str, ...]:
    """Return how a location may be written: as it is, then without the door that leads to it.

    ``https://HOST/api/2.0/mlflow-artifacts/artifacts/PATH`` and ``mlflow-artifacts://HOST/PATH``
    are ``mlflow-artifacts:/PATH``, ``dbfs://PROFILE@databricks/PATH`` is ``dbfs:/PATH``.
    """
    as_it_is = _spelled(uri)
    if found := _PROXIED.fullmatch(uri):
        return as_it_is, f"mlflow-artifacts:/{_decoded(found[1] or '')}"
    if found := _ELSEWHERE.fullmatch(as_it_is):
        return as_it_is, f"{found[1]}:/{found[2] or ''}"
    return (as_it_is,)


def _spelled(text: str) -> str:
    """Return a location with slashes for Windows' backslashes, and without percent-encoding."""
    name = scheme(text)
    if name == "file" or (not name and (_WINDOWS.match(text) or _BACKSLASHED.match(text))):
        text = text.replace("\\", "/")
    if name in ("file", "mlflow-artifacts"):
        text = _decoded(text)
    return text[0].upper() + text[1:] if re.match("[a-zA-Z]:/", text) else text


def _decoded(text: str) -> str:
    decoded = unquote(text)
    return decoded if decoded.isprintable() and "\ufffd" not in decoded else text


def _begins(uri: str, prefix: str) -> bool:
    """Whether ``prefix`` is one of ``uri`` that ends before a host or after it."""
    if not uri.startswith(prefix):
        return False
    name = scheme(uri)
    short = prefix == "/" if not name else prefix in (f"{name}:", f"{name}:/")
    return not (short and (not name or name in _AUTHORITIES) and _authority(uri))


def _authority(uri: str) -> str:
    """Return the host in a location, "" where it has none."""
    found = re.match(r"(?:[^:/]+:)?//([^/]+)", uri)
    return found[1] if found else ""


def _rooted(uri: str, root: str, run_id: str | None) -> str | None:
    """Put ``root`` in the place of the artifact root: of all before EXPERIMENT/RUN.

    MLflow lays artifacts out as ``ROOT/EXPERIMENT/RUN/artifacts/…``, and since release 3 models as
    ``ROOT/EXPERIMENT/models/m-…/artifacts``. None for a URI of neither form.
    """
    steps = uri.split("/")
    logged = [
        index
        for index, (step, after) in enumerate(pairwise(steps))
        if step == "models" and after.startswith("m-")
    ]
    runs = [index for index, step in enumerate(steps) if run_id and step == run_id]
    found = runs[-1:] or logged[-1:]
    if not found or found[0] == 0:
        return None
    return "/".join((root.rstrip("/"), *steps[found[0] - 1 :]))
