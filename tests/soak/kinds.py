"""Kinds of requests: what is asked for, without the names and numbers of one run."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from tests.servers import Recorded

_NAMED = re.compile(
    r"(?<=namespaces/)[^/]+|(?<=seldondeployments/)[^/]+|(?<=secrets/)[^/]+"
    r"|(?<=serviceaccounts/)[^/]+|(?<=mlflow-artifacts/artifacts/).+|(?<=logged-models/)m-\w+"
)
_SHOWN = ("dryRun", "force", "watch")
"""Parameters of Kubernetes whose values make another request of it."""


@dataclass(frozen=True, order=True)
class Kind:
    """One kind of request to one of the two servers, ``mlflow`` or ``kubernetes``."""

    edge: str
    method: str
    path: str
    query: str

    def __str__(self) -> str:
        return f"{self.edge}: {self.method} {self.path}{self.query and '?'}{self.query}"

    @property
    def writes(self) -> bool:
        """Whether it changes something."""
        asks = ("selfsubject" in self.path, "dryRun" in self.query)
        return self.method != "GET" and not any(asks)


def kind_of(edge: str, request: Recorded) -> Kind:
    """Return a request's kind."""
    parts = urlsplit(request.path)
    query = [_shape(name, value) for name, value in parse_qsl(parts.query)]
    if edge == "kubernetes" and request.method == "PATCH":
        query.append("of-one-that-is-there" if _precondition(request) else "of-a-new-one")
    path = _NAMED.sub("*", parts.path)
    return Kind(edge, request.method, path, "&".join(sorted(set(query))))


def _shape(name: str, value: str) -> str:
    if name in _SHOWN:
        return f"{name}={value}"
    if name == "filter":
        about = re.search(r"m2s\.io/[a-z]+|[a-z_]+(?= *(=|IN))", value)
        return f"filter-by-{about[0] if about else value}"
    return name


def _precondition(request: Recorded) -> bool:
    try:
        metadata = json.loads(request.body)["metadata"]
    except (ValueError, KeyError, TypeError):
        return False
    return "resourceVersion" in metadata or "uid" in metadata
