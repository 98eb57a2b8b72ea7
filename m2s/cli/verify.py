"""``m2s verify`` asks one deployment, and ``m2s retry`` lets what failed be tried again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import typer

from m2s.base import mask
from m2s.base.errors import ClusterError, M2sError
from m2s.cli import connect, streams
from m2s.cli.choosing import chosen_by
from m2s.domain import verification
from m2s.engine.proving import Prover
from m2s.engine.rollback import found


def verify(flags: Mapping[str, Any], config: str | None, output: str, name: str) -> int:
    """Ask a deployment, print what it came to and note that on it; 1 where it does not answer."""
    chosen = chosen_by(flags, config)
    connect.check_follows(chosen, always=True)
    cluster = connect.cluster(chosen)
    live = found(cluster, chosen, name)
    result = Prover(connect.registry(chosen), cluster, chosen).verify(live)
    if not verification.is_followed(live):  # whoever follows it notes what is to be done as well
        try:
            cluster.mark(live, verification.noted(live, result))
        except ClusterError as error:
            typer.echo(f"Warning: not noted on {name}: {mask.text(str(error))}", err=True)
    which = "" if result.result == "failed" else f" {result.version}"
    line = mask.text(f"{name}{which}: {result}")
    streams.put(
        output,
        lambda: mask.value({"name": name, **asdict(result)}),
        lambda: line,
        lambda: line,
    )
    return M2sError.exit_code if result.result == "failed" else 0


def retry(flags: Mapping[str, Any], config: str | None, name: str) -> int:
    """Forget what failed of a deployment, so that the next apply or pass tries it again."""
    chosen = chosen_by(flags, config)
    connect.check_follows(chosen, always=True)
    cluster = connect.cluster(chosen)
    live = found(cluster, chosen, name)
    failed = verification.failures(live)
    if failed:
        cluster.mark(live, verification.forgiven(live))
    versions = " and ".join(each.version for each in failed)
    again = f"the next apply or pass tries {versions} again" if failed else "nothing of it failed"
    typer.echo(f"{name}: {again}")
    return 0
