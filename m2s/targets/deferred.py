"""A cluster that is connected to when somebody first asks it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

from m2s.targets.cluster import Cluster


def deferred(connect: Callable[[], Cluster]) -> Cluster:
    """Return what ``connect`` returns, called when it is first used, and once.

    So its client is imported while the registry's first answer is awaited. What ``connect`` raises,
    the first use does.
    """
    return cast(Cluster, _Deferred(connect))


class _Deferred:
    def __init__(self, connect: Callable[[], Cluster]) -> None:
        self._connect = connect
        self._connecting = threading.Lock()
        self._cluster: Cluster | None = None

    def __getattr__(self, name: str) -> Any:
        with self._connecting:
            if self._cluster is None:
                self._cluster = self._connect()
        return getattr(self._cluster, name)
