"""The settings of a command, and how much a person asked to see."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from m2s.base import mask, trace
from m2s.base.errors import UsageError
from m2s.platforms import catalogue
from m2s.settings import build
from m2s.settings.groups import Settings

_SHOW_VALUES = "show-values"


def everything_shown(wanted: bool, output: str, saved: str | None = None) -> dict[str, Any]:
    """Return the flag that has a table show what is hidden otherwise, secrets apart, if ``wanted``.

    Raises:
        UsageError: not only a person at a terminal would see it.
    """
    if wanted and (output != "table" or saved or not sys.stdout.isatty()):
        raise UsageError(
            "--show-values is for a table on a terminal: leave out -o, --out and redirections, or "
            "list with --show-env what may be shown"
        )
    return {_SHOW_VALUES: True} if wanted else {}


def chosen_by(flags: Mapping[str, Any], config: str | None) -> Settings:
    """Return the settings of a command, and tell its steps from here on where they ask for it.

    Raises:
        UsageError: as :func:`m2s.settings.build.build`.
    """
    known = {name: raw for name, raw in flags.items() if name != _SHOW_VALUES}
    chosen = build.build(known, os.environ, config)
    catalogue.resources(chosen.platform, chosen.platforms)
    if given := chosen.defaults:
        for path, words in catalogue.default(chosen.platform).default_faults(given.body):
            raise UsageError(f"{given.origin}:{given.line(*path)}: {words}")
    tell(verbose=chosen.verbose, debug=chosen.debug)
    if _SHOW_VALUES in flags:
        return replace(chosen, show_env=(*chosen.show_env, mask.EVERYTHING))
    return chosen


def tell(*, verbose: bool = False, debug: bool = False) -> None:
    """Tell each step, or each request too; what was to be told already is told in any case."""
    trace.begin(max(trace.level(), trace.STEPS * verbose, trace.REQUESTS * debug))
