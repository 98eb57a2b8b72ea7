"""Descriptors of this process: a worker of pytest runs hundreds of commands, and may open 1,024."""

from __future__ import annotations

import gc
import os
import sys

_STORES = ("tracking", "model_registry")
_MORE = 150
_left = 0


def spare() -> None:
    """Close what a test has left open: files of registries, and what waits for the collector.

    MLflow keeps an engine for each database that a process ever used, and an engine its
    connections. And m2s keeps the collector from looking through what imports made, and so through
    what a command before this one left: connections, which end with a process of its own. To look
    through all that takes a second, so it is done where many more are open than after the last
    time.
    """
    global _left  # noqa: PLW0603 - of this process, as the descriptors are
    for kind in _STORES:
        store = sys.modules.get(f"mlflow.store.{kind}.sqlalchemy_store")
        engines = store.SqlAlchemyStore._engine_map if store else {}
        for engine in list(engines.values()):
            engine.dispose()
    if _open() > _left + _MORE:
        gc.unfreeze()
        gc.collect()
        _left = _open()


def _open() -> int:
    return len(os.listdir("/dev/fd"))  # noqa: PTH208 - only how many
