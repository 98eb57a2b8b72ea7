"""Descriptors of this process: a worker of pytest runs hundreds of commands, and may open 1,024."""

from __future__ import annotations

import gc
import os

_MANY = 200


def spare() -> None:
    """Close what earlier commands have left to the garbage collector, where that is much.

    m2s keeps the collector from looking through what imports made, and so through what a command
    before this one left: connections, which end with a process of its own.
    """
    if len(os.listdir("/dev/fd")) > _MANY:  # noqa: PTH208 - only how many
        gc.unfreeze()
        gc.collect()
