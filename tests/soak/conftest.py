"""`make soak` sets M2S_SOAK=1; without it the tests marked ``soak`` are left out."""

from __future__ import annotations

import os
from typing import Any

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes minutes, unless it is asked for."""
    if os.environ.get("M2S_SOAK") == "1":
        return
    left = [item for item in items if item.get_closest_marker("soak")]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say how much was tried, and what was violated."""
    reports = [each for kind in ("passed", "failed") for each in terminalreporter.getreports(kind)]
    told = [dict(each.user_properties) for each in reports if each.when == "call"]
    parts = [each for each in told if "cells" in each]
    if parts:
        kinds = {kind for part in parts for kind in part["kinds"]}
        faults = {fault for part in parts for fault in part["faults"]}
        cells, bad = (sum(part[name] for part in parts) for name in ("cells", "violations"))
        terminalreporter.write_line(
            f"soak: {len(kinds)} requests x {len(faults)} faults, once and always: "
            f"{cells} cells, {bad} violations"
        )
