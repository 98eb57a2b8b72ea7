"""The settings of a command, with what only a serving platform can judge of them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from m2s.base.errors import UsageError
from m2s.platforms import catalogue
from m2s.settings import build
from m2s.settings.build import Settings
from m2s.settings.defaults import Fragment


def settings(flags: Mapping[str, Any], config: str | None = None) -> Settings:
    """Return a command's settings; arguments and errors are :func:`m2s.settings.build.build`'s."""
    chosen = build.build(flags, os.environ, config)
    if chosen.defaults:
        _check(chosen.defaults)
    return chosen


def _check(given: Fragment) -> None:
    for path, words in catalogue.default().default_faults(given.body):
        raise UsageError(f"{given.origin}:{given.line(*path)}: {words}")
