"""The commands on one deployment."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from m2s.cli.arguments import THERE, Config, Format, Message, Output, ShowValues, Which, Yes, own
from m2s.cli.options import with_settings


@with_settings("rollback")
def rollback(
    flags: dict[str, Any],
    deployment: Which,
    to: Annotated[
        str | None, own("Which version (default: the one before).", "--to", metavar="VERSION")
    ] = None,
    unpin: Annotated[bool, own("Lift the pin again.", "--unpin")] = False,
    config: Config = None,
    output: Format = Output.TABLE,
    yes: Yes = False,
    show_values: ShowValues = False,
    message: Message = None,
) -> None:
    """Bring back what a deployment served before, and pin it.

    Only the cluster is asked, not the registry.
    """
    from m2s.cli.choosing import everything_shown
    from m2s.cli.rollback import rollback as run

    flags |= everything_shown(show_values, output.value)
    how: dict[str, Any] = {"unpin": unpin, "yes": yes, "message": message}
    raise typer.Exit(run(flags, config, output.value, deployment, to, **how))


@with_settings("pause")
def pause(
    flags: dict[str, Any],
    deployment: Which,
    config: Config = None,
    output: Format = Output.TABLE,
    yes: Yes = False,
    message: Message = None,
) -> None:
    """Leave a deployment as it is until it is resumed.

    Only the cluster is asked, not the registry.
    """
    from m2s.cli.rollback import pause as run

    how: dict[str, Any] = {"resume": False, "yes": yes, "message": message}
    raise typer.Exit(run(flags, config, output.value, deployment, **how))


@with_settings("resume")
def resume(
    flags: dict[str, Any],
    deployment: Which,
    config: Config = None,
    output: Format = Output.TABLE,
    yes: Yes = False,
    message: Message = None,
) -> None:
    """Lift the pause of a deployment.

    Only the cluster is asked, not the registry.
    """
    from m2s.cli.rollback import pause as run

    how: dict[str, Any] = {"resume": True, "yes": yes, "message": message}
    raise typer.Exit(run(flags, config, output.value, deployment, **how))


@with_settings("history")
def history(
    flags: dict[str, Any],
    deployment: Which,
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """Show what a deployment served, and who ordered what.

    Only the cluster is asked, not the registry.
    """
    from m2s.cli.status import history as run

    raise typer.Exit(run(flags, config, output.value, deployment))


@with_settings("verify")
def verify(
    flags: dict[str, Any],
    deployment: Which,
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """Ask a deployment with the example logged with its model.

    Exits 1 if it does not answer; 0 if it does, or if there is nothing to ask it.
    """
    from m2s.cli.verify import verify as run

    raise typer.Exit(run(flags, config, output.value, deployment))


@with_settings("retry")
def retry(
    flags: dict[str, Any],
    deployment: Which,
    config: Config = None,
) -> None:
    """Let the next apply or pass try again what was rolled back."""
    from m2s.cli.verify import retry as run

    raise typer.Exit(run(flags, config, deployment))


@with_settings("status")
def status(
    flags: dict[str, Any],
    deployment: Annotated[
        str | None,
        typer.Argument(
            metavar="DEPLOYMENT",
            help="Only this one, with what it served before.",
            autocompletion=THERE,
        ),
    ] = None,
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """Show what is served, since when, and in which state.

    Only the cluster is asked, not the registry.
    """
    from m2s.cli.status import show

    raise typer.Exit(show(flags, config, output.value, deployment))
