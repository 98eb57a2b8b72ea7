"""Law 7 in one place: what must never be shown, and how it is shown instead.

Secrets are told by their names and by their form (:mod:`m2s.base.secretlike`). The values of
environment variables and arguments are hidden whatever they look like, unless they are numbers or
truth values under a name that promises no secret, or are under a name that the platform team lists
(``show-env``). A list of such names is called ``listed`` here. ``MODEL_URI`` is m2s's own.
"""

import fnmatch
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from m2s.base import printable, secretlike
from m2s.base.names import MODEL_URI

HIDDEN = secretlike.HIDDEN
EVERYTHING = "*"
"""The pattern that lists every name which promises no secret."""
LONGEST = 64 * 1024
"""Characters of one text that are looked through; what is behind them is not shown."""
_SHORTEST = 4  # a shorter secret would blank out half the line and hide nothing
_WORD = 8  # a secret shorter than this is looked for as a word of its own
# Kubernetes' and Seldon's own fields: they refer to a secret, or only sound like one. What is in
# them is shown, unless it looks like a secret itself.
_FIELDS = frozenset({
    "envSecretRefName", "secretKeyRef", "secretName", "secretRef", "certSecretName", "secretFile",
    "imagePullSecrets", "automountServiceAccountToken", "serviceAccountToken", "secret",
    "secrets", "nodePublishSecretRef", "key", "topologyKey", "keyring", "chapAuthDiscovery",
    "chapAuthSession", "gmsaCredentialSpec", "gmsaCredentialSpecName",
})  # fmt: skip
_GIVEN = ("annotations", "labels", "config")
"""Fields whose members people name, as they name parameters."""
_NAMELESS = "secret"
"""Stands for the name of a variable or a parameter of which only the number is known."""
# Annotations that hold the whole object, or a digest of it, by which a short secret can be guessed.
_WHOLE = frozenset({"kubectl.kubernetes.io/last-applied-configuration", "m2s.io/checksum"})
# Credentials that MLflow, the storage clients and the proxies read from the environment.
_SECRET_VARIABLES = (
    "MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN", "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN", "AZURE_STORAGE_ACCESS_KEY", "AZURE_STORAGE_CONNECTION_STRING",
    "AZURE_CLIENT_SECRET", "DATABRICKS_TOKEN", "M2S_WEBHOOK_SECRET",
)  # fmt: skip
_PLAIN = re.compile(r"(?i)[-+]?(?:\d{1,20}(?:\.\d{0,20})?|\.\d{1,20})(?:e[-+]?\d{1,3})?|true|false")
_OPTION = re.compile(r"(?P<name>--[A-Za-z][\w.-]{0,63}|-[A-Za-z])(?:=(?P<value>.*))?", re.DOTALL)


def text(value: str) -> str:
    """Return ``value`` as one line that may be shown: no secret in it, and no control character."""
    return printable.line(hidden(value))


def hidden(value: str) -> str:
    """Return ``value`` without secrets, its other characters as they are; at most 64 KiB of it."""
    more = len(value) - LONGEST
    shown = secretlike.hidden(_without_known(value[:LONGEST]))
    return f"{shown}… ({more} characters more)" if more > 0 else shown


def carries_secret(value: str) -> bool:
    """Whether a text of any length has a secret in it."""
    return secretlike.hidden(_without_known(value)) != value


def uri_carries_secret(uri: str) -> bool:
    """Whether a model's URI has a password or a signature in it, as no manifest may have."""
    return _without_known(uri) != uri or secretlike.in_uri(uri)


def _without_known(value: str) -> str:
    for variable in _SECRET_VARIABLES:
        secret = os.environ.get(variable, "")
        if len(secret) >= _SHORTEST:
            value = value.replace(secret, HIDDEN)
    return value


class _Place(NamedTuple):
    """Where in an object a value stands.

    ``kind``: ``field`` of a schema; ``given``, a value that is named by a person; ``env``, the
    list of environment variables; ``arguments``, a list of them; ``literal``, one value of either.
    """

    kind: str
    name: str


_ROOT = _Place("field", "")


def _inner(place: _Place, key: str, item: str) -> _Place:
    """Return the place of a mapping's member; ``item`` is the mapping's own name, if it has one."""
    if place.kind in ("literal", "arguments"):
        return place
    if place.kind == "env":  # of a variable, or of a mapping where there should be a list of them
        own = {"value": _Place("literal", item), "name": _ROOT, "valueFrom": _ROOT}
        return own.get(key) or _Place("literal", key)
    if key == "env":
        return _Place("env", "")
    if key in ("args", "command"):
        return _Place("arguments", "")
    if place.name in _GIVEN:
        return _Place("given", key)
    return _Place("given", item) if key == "value" and item else _Place("field", key)


def value(node: Any, listed: Sequence[str] = ()) -> Any:
    """Return a JSON value with every secret and every literal in it hidden; not changed itself."""
    return _value(node, _ROOT, listed)


def at(path: Sequence[str | int], node: Any, listed: Sequence[str] = ()) -> Any:
    """Return :func:`value` of what stands at ``path`` of an object.

    A step into a list is an index, or an item's name of a class of its own
    (:class:`m2s.objects.diff.Name`); a mapping's key is a plain str.
    """
    place, item, in_list = _ROOT, "", False
    for step in path:
        in_list = type(step) is not str
        if in_list:
            named = place.kind == "env" or place.name in ("parameters", "httpHeaders")
            item = step if isinstance(step, str) else _NAMELESS * named
        else:
            place, item = _inner(place, str(step), item), ""
    if in_list and not isinstance(node, Mapping | list | tuple):
        return _value([node], place, listed)[0]
    return _value(node, place, listed)


def _value(node: Any, place: _Place, listed: Sequence[str]) -> Any:
    if isinstance(node, Mapping):
        name = node.get("name")
        item = name if isinstance(name, str) else ""
        return {key: _value(node[key], _inner(place, key, item), listed) for key in node}
    if isinstance(node, list | tuple):
        if place.kind == "arguments":
            return list(_arguments(node, listed))
        inner = _Place("literal", "") if place.kind == "env" else place
        return [
            _value(item, place if isinstance(item, Mapping | list) else inner, listed)
            for item in node
        ]
    if place.kind == "arguments":
        return next(_arguments([node], listed))
    if place.kind == "literal":
        return _literal(node, place.name, listed)
    return _field(node, place)


def _field(node: Any, place: _Place) -> Any:
    own = place.kind == "field" and place.name in _FIELDS
    secret = place.name in _WHOLE or (not own and secretlike.name(place.name))
    if secret and node not in (None, ""):
        return HIDDEN
    return hidden(node) if isinstance(node, str) else node


def _literal(node: Any, name: str, listed: Sequence[str]) -> Any:
    """Return the value of the variable or the argument ``name``, "" where it has no name."""
    plain = name.lstrip("-")
    if node in (None, "") or name == MODEL_URI or name in listed or (plain and plain in listed):
        shown = True
    elif secretlike.name(name):
        shown = False
    else:
        number = isinstance(node, bool | int | float) or bool(_PLAIN.fullmatch(str(node)))
        shown = (number and bool(name)) or any(fnmatch.fnmatchcase(plain, one) for one in listed)
    if not shown:
        return HIDDEN
    return hidden(node) if isinstance(node, str) else node


def _arguments(items: Sequence[Any], listed: Sequence[str]) -> Iterator[Any]:
    """Yield a program's arguments: options by their names, and all values hidden as literals."""
    name = ""  # of the option that the item before was, where that has no value yet
    for item in items:
        if isinstance(item, Mapping | list | tuple):  # which is nothing that Kubernetes takes
            yield _value(item, _Place("literal", ""), listed)
            continue
        option = _OPTION.fullmatch(item) if isinstance(item, str) else None
        if option is None or secretlike.name(name):
            yield _literal(item, name, listed)
            name = ""
        elif option["value"] is None:
            yield item
            name = option["name"]
        else:
            shown = _literal(option["value"], option["name"], listed)
            yield f"{option['name']}={shown}"
            name = ""


def within(line: str, *nodes: Any, listed: Sequence[str] = ()) -> str:
    """Return ``line`` without what is hidden in some JSON values: a server repeats what it refuses.

    The line may have been cut short, and then ends with "…".
    """
    found = {text for node in nodes for text in _differences(node, value(node, listed)) if text}
    forms = {
        form
        for text in found
        for form in (text, json.dumps(text, ensure_ascii=False)[1:-1], " ".join(text.split()))
    }
    for form in sorted(forms, key=len, reverse=True):
        line = _without(line, form)
        line = _without_beginning(line, form)
    return line


def _differences(node: Any, shown: Any) -> Iterator[str]:
    if isinstance(node, Mapping):
        for key in node:
            yield from _differences(node[key], shown[key])
    elif isinstance(node, list | tuple):
        for item, other in zip(node, shown, strict=True):
            yield from _differences(item, other)
    elif node != shown and not isinstance(node, bool):
        yield str(node)


def _without(line: str, secret: str) -> str:
    if secret not in line:
        return line
    for quote in ('"', "'"):
        line = line.replace(f"{quote}{secret}{quote}", f"{quote}{HIDDEN}{quote}")
    if len(secret) < _SHORTEST:
        return line
    bounds = (r"(?<!\w)", r"(?!\w)") if len(secret) < _WORD else ("", "")
    return re.sub(re.escape(secret).join(bounds), HIDDEN, line)


def _without_beginning(line: str, secret: str) -> str:
    """Hide what is left of a secret where the line was cut."""
    cut = line.removesuffix("…")
    for length in range(min(len(secret), len(cut)), _SHORTEST - 1, -1) if cut != line else ():
        if cut.endswith(secret[:length]):
            return f"{cut[:-length]}{HIDDEN}…"
    return line
