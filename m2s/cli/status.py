"""``m2s status``: what is served, asked of the cluster alone."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import typer

from m2s import document, statusview, tables
from m2s.cli import connecting
from m2s.cli.run import STRUCTURED
from m2s.domain.scope import Scope
from m2s.engine import status
from m2s.settings import build


def show(flags: Mapping[str, Any], config: str | None, output: str, name: str | None) -> int:
    """Print what m2s serves, or all that is known of the deployment ``name``."""
    chosen = build.build(flags, os.environ, config)
    cluster = connecting.cluster(chosen)
    scope = Scope(chosen.owners, chosen.models)
    found = status.of(cluster.identity, cluster.namespace, cluster.list(), scope)
    if name is not None:
        found = status.only(found, name)
    if output in STRUCTURED:
        result = {"format_version": document.FORMAT_VERSION, **status.document(found)}
        typer.echo(document.text(result, output))
    elif output == "markdown":
        typer.echo((statusview.details_markdown if name else statusview.markdown)(found))
    else:
        tables.console().print((statusview.details if name else statusview.table)(found))
    return 0
