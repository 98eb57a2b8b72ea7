"""``m2s rollback``: an earlier version of one deployment, from the cluster's own record."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from m2s.base.errors import UsageError
from m2s.cli import connect, run
from m2s.engine.rollback import make_rollback, make_unpin
from m2s.settings import build


def rollback(
    flags: Mapping[str, Any],
    config: str | None,
    output: str,
    name: str,
    to: str | None,
    *,
    unpin: bool,
    yes: bool,
) -> int:
    """Pin a deployment to a version it served, or with ``unpin`` lift the pin."""
    if unpin and to:
        raise UsageError("--unpin and --to exclude each other")
    chosen = build.build(flags, os.environ, config)
    cluster = connect.cluster(chosen)
    lifted = make_unpin(cluster, chosen, name) if unpin else None
    made = lifted or make_rollback(cluster, chosen, name, to)
    run.show(made, output)
    return run.carry_out(made, cluster, chosen, output, yes=yes)
