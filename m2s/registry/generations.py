"""MLflow's generations: what a server can do, which it is asked once, by its version."""

from __future__ import annotations

import re
from threading import Lock
from typing import NamedTuple

from m2s.registry import client as mlflow
from m2s.registry.server import Server

_ENDPOINT = "/version"
"""What MLflow answers with its version as plain text; 1.11 and some proxies do not know of it."""
_LONGEST = 100
"""Bytes of the answer that are looked at."""
_PATTERN = re.compile(r"(\d{1,4})\.(\d{1,4})([.+\w-]{0,40})", re.ASCII)
_PASSING = frozenset({408, 429})
"""Statuses that say nothing of the server, as those from 500 on do not: it is asked again."""


class Feature(NamedTuple):
    """What not every MLflow server can do: ``name`` in the plural, ``since`` which version."""

    name: str
    since: tuple[int, int]


ALIASES = Feature("aliases", (2, 3))
WEBHOOKS = Feature("webhooks", (3, 3))
WORKSPACES = Feature("workspaces", (3, 10))
FEATURES = (ALIASES, WEBHOOKS, WORKSPACES)
"""What a user may miss."""
NAME_LISTS = Feature("filters with several names", (3, 17))
"""``name IN (…)`` in a search for model versions."""


class Generation(NamedTuple):
    """What one MLflow server can do; ``version`` is in its own words, "" where it does not tell.

    Such a server is neither known to have a feature nor known to lack it: ask :meth:`has` before
    a request that an older server would refuse, and :meth:`lack` before telling a user so.
    """

    version: str = ""

    def has(self, feature: Feature) -> bool:
        """Whether it is known to have the feature."""
        return bool(self.version) and self._number >= feature.since

    def lack(self, feature: Feature) -> str:
        """Say that it does not have the feature and which version does, or return ""."""
        if not self.version or self._number >= feature.since:
            return ""
        since = ".".join(map(str, feature.since))
        return f"{feature.name} are from MLflow {since} on, and this is MLflow {self.version}"

    @property
    def _number(self) -> tuple[int, int]:
        major, minor = self.version.split(".")[:2]
        return int(major), int(re.split(r"\D", minor)[0])


UNKNOWN = Generation()


def parse(text: str) -> Generation:
    """Return the generation of a version such as ``3.17.2``; anything else is :data:`UNKNOWN`."""
    found = _PATTERN.fullmatch(text.strip().strip('"'))
    return Generation(found.group()) if found else UNKNOWN


class Learned:
    """The generation of one registry: asked when it is first needed, and kept; safe to share.

    Args:
        server: a database is what the installed mlflow is.
    """

    def __init__(self, server: Server) -> None:
        self._server, self._lock = server, Lock()
        self._known: Generation | None = None

    @property
    def generation(self) -> Generation:
        """What the server can do.

        Raises:
            RegistryError: the server cannot be reached.
        """
        with self._lock:
            if self._known is None:
                found, lasting = self._ask()
                if not lasting:
                    return found
                self._known = found
            return self._known

    def forget(self) -> None:
        """Have it asked again: the server may have become another one."""
        with self._lock:
            self._known = None

    def _ask(self) -> tuple[Generation, bool]:
        """Return the answer, and whether it is to be kept."""
        if self._server.is_database:
            return parse(mlflow.VERSION), True
        if not self._server.is_http:
            return UNKNOWN, True
        with self._server.asking("ask for its version"):
            status, text = mlflow.get(self._server.uri, _ENDPOINT, _LONGEST)
        if status == 200:
            return parse(text), True
        return UNKNOWN, status < 500 and status not in _PASSING
