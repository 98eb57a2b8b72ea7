"""``m2s check``: whether both sides are there, and what may be done. Writes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import Any

from m2s.base.errors import M2sError
from m2s.cli import connect, streams
from m2s.cli.choosing import chosen_by
from m2s.domain import rights
from m2s.domain.rights import Need
from m2s.engine import check as checking
from m2s.engine.check import Checkup, Source, Target
from m2s.engine.needs import needs
from m2s.output import check_view
from m2s.settings.groups import Settings


def check(flags: Mapping[str, Any], config: str | None, output: str) -> int:
    """Print what m2s finds on both sides; return 1 if something that it needs is missing."""
    chosen = chosen_by(flags, config)
    wanted = needs(chosen)
    with ThreadPoolExecutor() as pool:  # a side that does not answer takes its time
        source = pool.submit(_source, chosen)
        found = Checkup(needs=wanted, target=_target(chosen, wanted), source=source.result())
    streams.put(
        output,
        lambda: checking.document(found),
        lambda: check_view.markdown(found),
        lambda: check_view.table(found),
    )
    return 0 if found.ok else M2sError.exit_code


def _source(chosen: Settings) -> Source:
    found = Source()
    try:
        registry = connect.registry(chosen)
        found = replace(found, identity=registry.identity, workspace=registry.workspace)
        found = replace(found, **asdict(registry.about()))
        return replace(found, offers=registry.offers())
    except M2sError as error:
        return replace(found, problem=str(error))


def _target(chosen: Settings, wanted: tuple[Need, ...]) -> Target:
    found = Target(namespace=chosen.namespace or "")
    try:
        cluster = connect.cluster(chosen)
        found = Target(cluster.identity, cluster.namespace)
        return replace(found, access=cluster.access(rights.every(wanted)))
    except M2sError as error:
        return replace(found, problem=str(error))
