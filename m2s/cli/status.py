"""``m2s status`` and ``m2s history``: what is served, and what was, asked of the cluster alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from m2s.cli import connect, streams
from m2s.cli.choosing import chosen_by
from m2s.domain.scope import Scope
from m2s.engine import detail, status
from m2s.engine.status import Overview
from m2s.output import detail_view, status_view, tables
from m2s.platforms import catalogue
from m2s.targets.cluster import Cluster


def show(flags: Mapping[str, Any], config: str | None, output: str, name: str | None) -> int:
    """Print what m2s serves, or all that is known of the deployment ``name``."""
    cluster, found = _overview(flags, config, name or "")
    if name is None:
        streams.put(
            output,
            lambda: status.document(found),
            lambda: status_view.markdown(found),
            lambda: status_view.table(found, tables.width()),
        )
        return 0
    one = status.only(found, name)
    more = detail.of(cluster, one)
    streams.put(
        output,
        lambda: status.document(one, detail.document(more)),
        lambda: detail_view.markdown(one, more),
        lambda: detail_view.table(one, more, tables.width()),
    )
    return 0


def history(flags: Mapping[str, Any], config: str | None, output: str, name: str) -> int:
    """Print what a deployment served, and what people ordered for it."""
    _, found = _overview(flags, config, name)
    one = status.only(found, name)
    streams.put(
        output,
        lambda: status.document(one),
        lambda: detail_view.history_markdown(one),
        lambda: detail_view.history(one, tables.width()),
    )
    return 0


def _overview(flags: Mapping[str, Any], config: str | None, name: str) -> tuple[Cluster, Overview]:
    """Return the cluster and what it serves, of the kind that ``name`` begins with, if any."""
    chosen = chosen_by(flags, config)
    cluster, scope = connect.cluster(chosen), Scope(chosen.owners, chosen.models)
    return cluster, detail.overview(cluster, scope, catalogue.kinds_in(name))
