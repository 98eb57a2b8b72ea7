"""``m2s check``: whether both sides are there, and what may be done. Writes nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import typer

from m2s import check as checking
from m2s import checkview, document, rights, settings, tables
from m2s.check import Checkup, Source, Target
from m2s.cli import connecting
from m2s.cli.run import STRUCTURED
from m2s.errors import M2sError
from m2s.rights import Need
from m2s.settings import Settings


def check(flags: Mapping[str, Any], config: str | None, output: str) -> int:
    """Print what there is on both sides; return 1 where something that is needed is not."""
    chosen = settings.build(flags, os.environ, config)
    needs = rights.needs(chosen)
    with ThreadPoolExecutor() as pool:  # a side that does not answer takes its time
        source = pool.submit(_source, chosen)
        found = Checkup(needs=needs, target=_target(chosen, needs), source=source.result())
    if output in STRUCTURED:
        result = {"format_version": document.FORMAT_VERSION, **checking.document(found)}
        typer.echo(document.text(result, output))
    elif output == "markdown":
        typer.echo(checkview.markdown(found))
    else:
        tables.console().print(checkview.table(found))
    return 0 if found.ok else M2sError.exit_code


def _source(chosen: Settings) -> Source:
    found = Source()
    try:
        registry = connecting.registry(chosen)
        found = replace(found, identity=registry.identity, workspace=registry.workspace)
        lacks = registry.lacks()
        found = replace(found, version=registry.generation.version, lacks=lacks)
        found = replace(found, workspaces=registry.workspaces())
        return replace(found, offers=registry.offers())
    except M2sError as error:
        return replace(found, problem=str(error))


def _target(chosen: Settings, needs: tuple[Need, ...]) -> Target:
    found = Target(namespace=chosen.namespace or "")
    try:
        cluster = connecting.cluster(chosen)
        found = Target(cluster.identity, cluster.namespace)
        return replace(found, access=cluster.access(rights.every(needs)))
    except M2sError as error:
        return replace(found, problem=str(error))
