"""``m2s status``: what is served, asked of the cluster alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2s.cli import connect, streams
from m2s.cli.choosing import chosen_by
from m2s.domain.scope import Scope
from m2s.engine import detail, status
from m2s.output import detail_view, status_view, tables
from m2s.platforms import catalogue


def show(flags: Mapping[str, Any], config: str | None, output: str, name: str | None) -> int:
    """Print what m2s serves, or all that is known of the deployment ``name``."""
    chosen = chosen_by(flags, config)
    cluster = connect.cluster(chosen)
    kinds = catalogue.kinds_in(name or "")
    scope = Scope(chosen.owners, chosen.models)
    found = detail.overview(cluster, scope, kinds)
    if name is None:
        streams.put(
            output,
            lambda: status.document(found),
            lambda: status_view.markdown(found),
            lambda: status_view.table(found, tables.width()),
        )
        return 0
    found = status.only(found, name)
    more = detail.of(cluster, found)
    streams.put(
        output,
        lambda: status.document(found, detail.document(more)),
        lambda: detail_view.markdown(found, more),
        lambda: detail_view.table(found, more, tables.width()),
    )
    return 0
