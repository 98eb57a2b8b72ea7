"""``m2s webhook``: sets up MLflow's side of the webhook."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import typer

from m2s.base import mask
from m2s.base.errors import UsageError
from m2s.cli.choosing import chosen_by
from m2s.cli.connect import registry_uri
from m2s.cli.webhook_secret import secret_reader
from m2s.settings.groups import Settings
from m2s.sources.mlflow.webhooks import Webhooks


def register(
    flags: Mapping[str, Any],
    config: str | None,
    secret: str | None,
    *,
    url: str,
    name: str | None,
) -> int:
    """Create the webhook, or bring it up to date."""
    chosen = chosen_by(flags, config)
    read = secret_reader(secret, chosen)
    if read is None:
        raise UsageError(
            "register wants the secret that m2s watch has: set M2S_WEBHOOK_SECRET, "
            "or give --webhook-secret-file"
        )
    called = name or chosen.lease
    done = _webhooks(chosen).register(called, url, read())
    typer.echo(mask.text(f"webhook {called} {done}: {url}"))
    return 0


def unregister(
    flags: Mapping[str, Any], config: str | None, *, url: str | None, name: str | None
) -> int:
    """Delete the webhook, if there is one."""
    chosen = chosen_by(flags, config)
    called = name or chosen.lease
    gone = _webhooks(chosen).unregister(called, url)
    typer.echo(mask.text(f"webhook {called} {'deleted' if gone else 'is not there'}"))
    return 0


def _webhooks(chosen: Settings) -> Webhooks:
    limit, workspace = chosen.request_timeout, chosen.workspace
    return Webhooks(registry_uri(chosen), request_timeout=limit, workspace=workspace)
