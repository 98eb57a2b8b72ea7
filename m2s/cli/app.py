"""The commands: parse, hand over to :mod:`m2s.cli.run`, exit."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from m2s import __version__
from m2s.cli.late import Late
from m2s.cli.options import with_settings

app = typer.Typer(
    name="m2s",
    help="Make a Kubernetes cluster serve what an MLflow Model Registry says it should.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: importing rich would double the time it takes
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every option is also a variable M2S_… and a key of m2s.yaml. "
    "Exit codes: 0 done, 1 an error or a failed change, 2 changes pending "
    "(plan --detailed-exitcode), 3 refused by a safety check, 64 wrong usage.",
)


class Output(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    MARKDOWN = "markdown"


Config = Annotated[
    str | None,
    typer.Option(
        "--config", metavar="PATH", envvar="M2S_CONFIG", help="Settings (default: ./m2s.yaml)."
    ),
]
Format = Annotated[
    Output, typer.Option("--output", "-o", envvar="M2S_OUTPUT", help="How to print it.")
]
Accept = Annotated[
    bool,
    typer.Option(
        "--accept-registry", help="Go on though it is not the registry of what is deployed: once."
    ),
]
Yes = Annotated[bool, typer.Option("--yes", "-y", envvar="M2S_YES", help="Do not ask.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"m2s {__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
) -> None:
    pass


@app.command(cls=Late)
@with_settings()
def plan(
    flags: dict[str, Any],
    config: Config = None,
    output: Format = Output.TABLE,
    detailed_exitcode: Annotated[
        bool,
        typer.Option(
            "--detailed-exitcode", envvar="M2S_DETAILED_EXITCODE", help="Exit 2 on pending changes."
        ),
    ] = False,
    out: Annotated[
        str | None,
        typer.Option("--out", metavar="PATH", envvar="M2S_OUT", help="Save the plan for apply."),
    ] = None,
    explain: Annotated[
        str | None,
        typer.Option(
            "--explain", metavar="DEPLOYMENT", help="Show which layer gave each of its fields."
        ),
    ] = None,
    accept_registry: Accept = False,
) -> None:
    """Show what apply and prune would do, and why. Writes nothing."""
    from m2s.cli import run

    if explain is not None:
        raise typer.Exit(run.explain(flags, config, output.value, explain))
    code = run.plan(flags, config, output.value, detailed_exitcode, out, accept=accept_registry)
    raise typer.Exit(code)


@app.command(cls=Late)
@with_settings(applying=True)
def apply(
    flags: dict[str, Any],
    plan_file: Annotated[
        str | None, typer.Argument(metavar="[PLAN]", help="A plan saved by plan --out.")
    ] = None,
    config: Config = None,
    output: Format = Output.TABLE,
    yes: Yes = False,
    accept_registry: Accept = False,
) -> None:
    """Create and update what the plan shows; with --prune also delete."""
    from m2s.cli import run

    code = run.apply(flags, config, output.value, plan_file, yes=yes, accept=accept_registry)
    raise typer.Exit(code)


@app.command(cls=Late)
@with_settings(pruning=True)
def prune(
    flags: dict[str, Any],
    config: Config = None,
    output: Format = Output.TABLE,
    yes: Yes = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Delete everything of this owner: the teardown.")
    ] = False,
    accept_registry: Accept = False,
) -> None:
    """Delete what m2s deployed and the selector no longer wants."""
    from m2s.cli import run

    code = run.prune(
        flags, config, output.value, yes=yes, everything=everything, accept=accept_registry
    )
    raise typer.Exit(code)


Secret = Annotated[
    str | None,
    typer.Option(
        "--webhook-secret",
        metavar="TEXT",
        envvar="M2S_WEBHOOK_SECRET",
        show_envvar=False,
        help="Secret of MLflow's webhook; better M2S_WEBHOOK_SECRET or a file.",
    ),
]


@app.command(cls=Late)
@with_settings(watching=True)
def watch(
    flags: dict[str, Any],
    config: Config = None,
    once: Annotated[
        bool, typer.Option("--once", envvar="M2S_ONCE", help="Make one pass, then exit.")
    ] = False,
    webhook_secret: Secret = None,
) -> None:
    """Keep the cluster as the registry says: on an interval, and when either side changes."""
    from m2s.cli.watch import watch as run

    raise typer.Exit(run(flags, config, webhook_secret, once=once))


_ROLLBACK = (
    "stage", "alias", "owner", "namespace", "target", "kubeconfig", "context", "request-timeout",
    "concurrency", "qps", "burst", "force-conflicts", "ignore", "wait", "timeout",
)  # fmt: skip


@app.command(cls=Late)
@with_settings(applying=True, only=_ROLLBACK)
def rollback(
    flags: dict[str, Any],
    deployment: Annotated[str, typer.Argument(metavar="DEPLOYMENT", help="Which one.")],
    to: Annotated[
        str | None,
        typer.Option("--to", metavar="VERSION", help="Which version (default: the one before)."),
    ] = None,
    unpin: Annotated[bool, typer.Option("--unpin", help="Lift the pin again.")] = False,
    config: Config = None,
    output: Format = Output.TABLE,
    yes: Yes = False,
) -> None:
    """Bring back what a deployment served before, and pin it. The registry is not asked."""
    from m2s.cli.rollback import rollback as run

    raise typer.Exit(run(flags, config, output.value, deployment, to, unpin=unpin, yes=yes))


_STATUS = (
    "stage", "alias", "owner", "model", "namespace", "target", "kubeconfig", "context",
    "request-timeout", "qps", "burst",
)  # fmt: skip


@app.command(cls=Late)
@with_settings(only=_STATUS)
def status(
    flags: dict[str, Any],
    deployment: Annotated[
        str | None,
        typer.Argument(metavar="DEPLOYMENT", help="Only this one, with what it served before."),
    ] = None,
    config: Config = None,
    output: Format = Output.TABLE,
) -> None:
    """Show what is served, since when, and how it does. The registry is not asked."""
    from m2s.cli.status import show

    raise typer.Exit(show(flags, config, output.value, deployment))


webhook = typer.Typer(
    help="Set up MLflow's webhook that tells m2s watch of a change at once.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.add_typer(webhook, name="webhook")

_WEBHOOK = ("tracking-uri", "stage", "alias", "owner", "request-timeout", "webhook-secret-file")
Name = Annotated[
    str | None,
    typer.Option(
        "--name",
        envvar="M2S_WEBHOOK_NAME",
        metavar="NAME",
        help="The webhook's (default: m2s-<owner>).",
    ),
]


@webhook.command(cls=Late)
@with_settings(watching=True, only=_WEBHOOK)
def register(
    flags: dict[str, Any],
    url: Annotated[
        str,
        typer.Option(
            "--url", envvar="M2S_WEBHOOK_URL", metavar="URL", help="https://HOST/mlflow of watch."
        ),
    ],
    name: Name = None,
    config: Config = None,
    webhook_secret: Secret = None,
) -> None:
    """Create MLflow's webhook, or bring the one that is there up to date."""
    from m2s.cli.webhook import register as run

    raise typer.Exit(run(flags, config, webhook_secret, url=url, name=name))


@webhook.command(cls=Late)
@with_settings(watching=True, only=_WEBHOOK)
def unregister(
    flags: dict[str, Any],
    url: Annotated[
        str | None,
        typer.Option(
            "--url", envvar="M2S_WEBHOOK_URL", metavar="URL", help="The webhook of this URL."
        ),
    ] = None,
    name: Name = None,
    config: Config = None,
) -> None:
    """Delete MLflow's webhook."""
    from m2s.cli.webhook import unregister as run

    raise typer.Exit(run(flags, config, url=url, name=name))


@app.command()
def demo(
    folder: Annotated[
        str | None,
        typer.Option("--dir", metavar="PATH", help="Keep registry and manifests here."),
    ] = None,
) -> None:
    """Show the whole job on a local SQLite registry and a folder as the cluster."""
    from m2s.cli.demo import run

    raise typer.Exit(run(folder))
