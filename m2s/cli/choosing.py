"""The settings of a command that shows a plan, and whether a person asked to see hidden values."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from m2s.base import mask
from m2s.base.errors import UsageError
from m2s.cli.given import settings
from m2s.settings.build import Settings

_SHOW_VALUES = "show-values"


def everything_shown(output: str, saved: str | None = None) -> dict[str, Any]:
    """Return the flag that has a table show what is hidden otherwise, secrets apart.

    Raises:
        UsageError: not only a person at a terminal would see it.
    """
    if output != "table" or saved or not sys.stdout.isatty():
        raise UsageError(
            "--show-values is for a table on a terminal: leave out -o, --out and redirections, or "
            "list with --show-env what may be shown"
        )
    return {_SHOW_VALUES: True}


def chosen_by(flags: Mapping[str, Any], config: str | None) -> Settings:
    """Return the settings of a command; raises a UsageError as :func:`m2s.settings.build.build`."""
    given = {name: raw for name, raw in flags.items() if name != _SHOW_VALUES}
    chosen = settings(given, config)
    if _SHOW_VALUES in flags:
        return replace(chosen, show_env=(*chosen.show_env, mask.EVERYTHING))
    return chosen
