"""The commands on all deployments, and those that only help."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from m2s.cli.arguments import Accept, Config, Format, Message, Output, Secret, ShowValues, Yes, own
from m2s.cli.options import with_settings


@with_settings("check")
def check(flags: dict[str, Any], config: Config = None, output: Format = Output.TABLE) -> None:
    """Show what is there on both sides, and what may be done.

    It is the first thing to run. It writes nothing, and exits 1 where something that is needed is
    missing.
    """
    from m2s.cli.check import check as run

    raise typer.Exit(run(flags, config, output.value))


@with_settings("plan")
def plan(
    flags: dict[str, Any],
    config: Config = None,
    output: Format = Output.TABLE,
    detailed_exitcode: Annotated[
        bool,
        own(
            "Exit 2 when changes are pending.",
            "--detailed-exitcode",
            variable="M2S_DETAILED_EXITCODE",
        ),
    ] = False,
    out: Annotated[
        str | None, own("Save the plan for apply.", "--out", metavar="PATH", variable="M2S_OUT")
    ] = None,
    explain: Annotated[
        str | None,
        own("Show which layer gave each of its fields.", "--explain", metavar="DEPLOYMENT"),
    ] = None,
    show_values: ShowValues = False,
    accept_registry: Accept = False,
) -> None:
    """Show what apply and prune would do. Writes nothing."""
    from m2s.cli import run
    from m2s.cli.choosing import everything_shown

    flags |= everything_shown(show_values, output.value, out)
    if explain is not None:
        raise typer.Exit(run.explain(flags, config, output.value, explain))
    how = {"detailed_exitcode": detailed_exitcode, "accept": accept_registry}
    raise typer.Exit(run.plan(flags, config, output.value, out, **how))


@with_settings("apply")
def apply(
    flags: dict[str, Any],
    plan_file: Annotated[
        str | None, typer.Argument(metavar="[PLAN]", help="A plan saved by plan --out.")
    ] = None,
    config: Config = None,
    output: Format = Output.TABLE,
    yes: Yes = False,
    show_values: ShowValues = False,
    accept_registry: Accept = False,
    message: Message = None,
) -> None:
    """Create and update what plan shows; --prune also deletes."""
    from m2s.cli import run
    from m2s.cli.choosing import everything_shown

    flags |= everything_shown(show_values, output.value)
    code = run.apply(
        flags, config, output.value, plan_file, yes=yes, accept=accept_registry, message=message
    )
    raise typer.Exit(code)


@with_settings("prune")
def prune(
    flags: dict[str, Any],
    config: Config = None,
    output: Format = Output.TABLE,
    yes: Yes = False,
    everything: Annotated[
        bool, own("Delete everything of this owner: the teardown.", "--all")
    ] = False,
    show_values: ShowValues = False,
    accept_registry: Accept = False,
    message: Message = None,
) -> None:
    """Delete deployments that the selector no longer wants."""
    from m2s.cli import run
    from m2s.cli.choosing import everything_shown

    flags |= everything_shown(show_values, output.value)
    how: dict[str, Any] = {"yes": yes, "everything": everything, "accept": accept_registry}
    code = run.prune(flags, config, output.value, message=message, **how)
    raise typer.Exit(code)


@with_settings("watch")
def watch(
    flags: dict[str, Any],
    config: Config = None,
    once: Annotated[bool, own("Make one pass, then exit.", "--once", variable="M2S_ONCE")] = False,
    webhook_secret: Secret = None,
) -> None:
    """Apply again and again: the controller in a cluster.

    A pass is made on an interval, and when the registry or the cluster changes.
    """
    from m2s.cli.watch import watch as run

    raise typer.Exit(run(flags, config, webhook_secret, once=once))


@with_settings("fetch")
def fetch(
    flags: dict[str, Any],
    uri: Annotated[str, typer.Argument(metavar="URI", help="models:/…, runs:/…, s3://…, …")],
    folder: Annotated[str, typer.Argument(metavar="DIR", help="A new or an empty folder.")],
    config: Config = None,
) -> None:
    """Bring a model into a folder: all of it, or nothing.

    It is what an init container of Seldon or KServe does; credentials come from the environment.
    """
    from m2s.cli.fetch import fetch as run

    raise typer.Exit(run(flags, config, uri, folder))


@with_settings("init")
def init(flags: dict[str, Any], config: Config = None) -> None:
    """Print a deploy.yaml that works, to begin with.

    Resources and a GPU are in it as comments.
    """
    from m2s.cli.init import show

    raise typer.Exit(show(flags, config))


@with_settings("demo")
def demo(
    flags: dict[str, Any],
    folder: Annotated[
        str | None, own("Keep registry and manifests here.", "--dir", metavar="PATH")
    ] = None,
) -> None:
    """Show the whole job on this machine, without a cluster.

    The registry is a local SQLite file, and a folder is the cluster.
    """
    from m2s.cli.choosing import tell
    from m2s.cli.demo import run

    tell(**flags)
    raise typer.Exit(run(folder))
