"""``m2s status``: what is served, asked of the cluster alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2s.cli import connect, streams
from m2s.cli.choosing import chosen_by
from m2s.domain.scope import Scope
from m2s.engine import status
from m2s.output import status_view, tables
from m2s.platforms import catalogue


def show(flags: Mapping[str, Any], config: str | None, output: str, name: str | None) -> int:
    """Print what m2s serves, or all that is known of the deployment ``name``."""
    chosen = chosen_by(flags, config)
    cluster = connect.cluster(chosen)
    kinds = catalogue.kinds_in(name or "")
    scope = Scope(chosen.owners, chosen.models)
    found = status.of(cluster.identity, cluster.namespace, cluster.list(kinds), scope)
    if name is not None:
        found = status.only(found, name)
    streams.put(
        output,
        lambda: status.document(found),
        lambda: (status_view.details_markdown if name else status_view.markdown)(found),
        lambda: (status_view.details if name else status_view.table)(found, tables.width()),
    )
    return 0
