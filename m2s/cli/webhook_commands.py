"""The commands on MLflow's webhook."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from m2s.cli.arguments import Config, Name, Secret, own
from m2s.cli.options import with_settings


@with_settings("webhook")
def register(
    flags: dict[str, Any],
    url: Annotated[
        str,
        own(
            "Where m2s watch listens: https://HOST/mlflow.",
            "--url",
            metavar="URL",
            variable="M2S_WEBHOOK_URL",
        ),
    ],
    name: Name = None,
    config: Config = None,
    webhook_secret: Secret = None,
) -> None:
    """Create the webhook in MLflow, or bring it up to date."""
    from m2s.cli.webhook import register as run

    raise typer.Exit(run(flags, config, webhook_secret, url=url, name=name))


@with_settings("webhook")
def unregister(
    flags: dict[str, Any],
    url: Annotated[
        str | None,
        own("The webhook of this URL.", "--url", metavar="URL", variable="M2S_WEBHOOK_URL"),
    ] = None,
    name: Name = None,
    config: Config = None,
) -> None:
    """Delete MLflow's webhook."""
    from m2s.cli.webhook import unregister as run

    raise typer.Exit(run(flags, config, url=url, name=name))
