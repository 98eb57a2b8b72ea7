"""``m2s init``: a deploy.yaml to begin with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from m2s.cli.choosing import chosen_by
from m2s.platforms import catalogue


def show(flags: Mapping[str, Any], config: str | None) -> int:
    """Print a deploy.yaml that works, of the platform that is asked for.

    Raises:
        UsageError: there is no such platform.
    """
    typer.echo(catalogue.default(chosen_by(flags, config).platform).starter, nl=False)
    return 0
