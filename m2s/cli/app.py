"""The commands: parse, hand over to :mod:`m2s.cli.run`, exit."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated, Any

import typer

from m2s import __version__
from m2s.base.errors import UsageError
from m2s.cli import completing
from m2s.cli.lazy_options import Late
from m2s.cli.options import with_settings

_UNWRAPPED = 1000
"""Columns of a help that goes to no terminal: a line an option."""

app = typer.Typer(
    name="m2s",
    help="Make a Kubernetes cluster serve what an MLflow Model Registry says it should.",
    invoke_without_command=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help: importing rich would double the time it takes
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Every option is also a variable M2S_… and a key of m2s.yaml. "
    "Exit codes: 0 done, 1 an error or a failed change, 2 changes pending "
    "(plan --detailed-exitcode), 3 refused by a safety check, 64 wrong usage.",
)


def invoke(argv: Sequence[str] | None) -> int:
    """Run one command and return its exit code; raises what typer, or the command, raises."""
    width = {} if sys.stdout.isatty() else {"terminal_width": _UNWRAPPED}
    return int(app(args=argv, prog_name="m2s", standalone_mode=False, **width) or 0)


class Output(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    MARKDOWN = "markdown"


def _own(about: str, *flags: str, variable: str = "", **more: Any) -> Any:
    """Return an option of some commands that is no setting; its help names its variable."""
    told = f"{about} [{variable}]" if variable else about
    more |= {"envvar": variable} if variable else {}
    return typer.Option(*flags, help=told, show_default=False, show_envvar=False, **more)


Config = Annotated[
    str | None,
    _own(
        "File of settings (default: ./m2s.yaml).", "--config", metavar="PATH", variable="M2S_CONFIG"
    ),
]


def _format(raw: str) -> Output:
    from m2s.base.names import meant

    if raw not in tuple(Output):
        raise typer.BadParameter(f"there is no format {raw!r}; {meant(raw, tuple(Output))}")
    return Output(raw)


Format = Annotated[
    Output,
    _own(
        "table, json, yaml or markdown (default: table).",
        "--output",
        "-o",
        metavar="FORMAT",
        parser=_format,
        variable="M2S_OUTPUT",
    ),
]
Yes = Annotated[bool, _own("Do not ask.", "--yes", "-y", variable="M2S_YES")]
_THERE: Any = completing.of("deployment")
Which = Annotated[
    str, typer.Argument(metavar="DEPLOYMENT", help="Which one.", autocompletion=_THERE)
]
Message = Annotated[
    str | None, _own("Why; it is noted with who you are.", "--message", metavar="TEXT")
]
ShowValues = Annotated[
    bool, _own("Show values of variables and arguments, on a terminal.", "--show-values")
]
Accept = Annotated[
    bool, _own("Accept another registry than the deployments come from, once.", "--accept-registry")
]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"m2s {__version__}")
        raise typer.Exit


def _help_without_command(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(UsageError.exit_code)


@app.callback()
def _main(
    context: typer.Context,
    version: Annotated[  # noqa: ARG001 - its callback prints
        bool,
        typer.Option(
            "--version", callback=_print_version, is_eager=True, help="Print the version."
        ),
    ] = False,
    verbose: Annotated[bool, _own("Tell each step.", "--verbose", "-v")] = False,
    debug: Annotated[bool, _own("Tell each request too.", "--debug")] = False,
) -> None:
    if verbose or debug:
        from m2s.base import trace

        trace.begin(trace.REQUESTS if debug else trace.STEPS)
    _help_without_command(context)


@app.command(cls=Late)
@with_settings("check")
def check(flags: dict[str, Any], config: Config = None, output: Format = Output.TABLE) -> None:
    """Show what is there on both sides, and what may be done.

    It is the first thing to run. It writes nothing, and exits 1 where something that is needed is
    missing.
    """
    from m2s.cli.check import check as run

    raise typer.Exit(run(flags, config, output.value))


@app.command(cls=Late)
@with_settings("plan")
def plan(
    flags: dict[str, Any],
    config: Config = None,
    output: Format = Output.TABLE,
    detailed_exitcode: Annotated[
        bool,
        _own(
            "Exit 2 when changes are pending.",
            "--detailed-exitcode",
            variable="M2S_DETAILED_EXITCODE",
        ),
    ] = False,
    out: Annotated[
        str | None, _own("Save the plan for apply.", "--out", metavar="PATH", variable="M2S_OUT")
    ] = None,
    explain: Annotated[
        str | None,
        _own("Show which layer gave each of its fields.", "--explain", metavar="DEPLOYMENT"),
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
    code = run.plan(flags, config, output.value, detailed_exitcode, out, accept=accept_registry)
    raise typer.Exit(code)


@app.command(cls=Late)
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


@app.command(cls=Late)
@with_settings("prune")
def prune(
    flags: dict[str, Any],
    config: Config = None,
    output: Format = Output.TABLE,
    yes: Yes = False,
    everything: Annotated[
        bool, _own("Delete everything of this owner: the teardown.", "--all")
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


Secret = Annotated[
    str | None,
    _own(
        "Secret of MLflow's webhook; the variable is safer.",
        "--webhook-secret",
        metavar="TEXT",
        variable="M2S_WEBHOOK_SECRET",
    ),
]


@app.command(cls=Late)
@with_settings("watch")
def watch(
    flags: dict[str, Any],
    config: Config = None,
    once: Annotated[bool, _own("Make one pass, then exit.", "--once", variable="M2S_ONCE")] = False,
    webhook_secret: Secret = None,
) -> None:
    """Apply again and again: the controller in a cluster.

    A pass is made on an interval, and when the registry or the cluster changes.
    """
    from m2s.cli.watch import watch as run

    raise typer.Exit(run(flags, config, webhook_secret, once=once))


@app.command(cls=Late)
@with_settings("rollback")
def rollback(
    flags: dict[str, Any],
    deployment: Which,
    to: Annotated[
        str | None, _own("Which version (default: the one before).", "--to", metavar="VERSION")
    ] = None,
    unpin: Annotated[bool, _own("Lift the pin again.", "--unpin")] = False,
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


@app.command(cls=Late)
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


@app.command(cls=Late)
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


@app.command(cls=Late)
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


@app.command(cls=Late)
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


@app.command(cls=Late)
@with_settings("retry")
def retry(
    flags: dict[str, Any],
    deployment: Which,
    config: Config = None,
) -> None:
    """Let the next apply or pass try again what was rolled back."""
    from m2s.cli.verify import retry as run

    raise typer.Exit(run(flags, config, deployment))


@app.command(cls=Late)
@with_settings("status")
def status(
    flags: dict[str, Any],
    deployment: Annotated[
        str | None,
        typer.Argument(
            metavar="DEPLOYMENT",
            help="Only this one, with what it served before.",
            autocompletion=_THERE,
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


@app.command(cls=Late)
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


@app.command(cls=Late)
@with_settings("init")
def init(flags: dict[str, Any], config: Config = None) -> None:
    """Print a deploy.yaml that works, to begin with.

    Resources and a GPU are in it as comments.
    """
    from m2s.cli.init import show

    raise typer.Exit(show(flags, config))


webhook = typer.Typer(
    help="Set up the webhook that tells m2s watch of a change.",
    callback=_help_without_command,
    invoke_without_command=True,
    rich_markup_mode=None,
)
app.add_typer(webhook, name="webhook")

Name = Annotated[
    str | None,
    _own(
        "Name of the webhook (default: m2s-<owner>).",
        "--name",
        metavar="NAME",
        variable="M2S_WEBHOOK_NAME",
    ),
]


@webhook.command(cls=Late)
@with_settings("webhook")
def register(
    flags: dict[str, Any],
    url: Annotated[
        str,
        _own(
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


@webhook.command(cls=Late)
@with_settings("webhook")
def unregister(
    flags: dict[str, Any],
    url: Annotated[
        str | None,
        _own("The webhook of this URL.", "--url", metavar="URL", variable="M2S_WEBHOOK_URL"),
    ] = None,
    name: Name = None,
    config: Config = None,
) -> None:
    """Delete MLflow's webhook."""
    from m2s.cli.webhook import unregister as run

    raise typer.Exit(run(flags, config, url=url, name=name))


@app.command(cls=Late)
@with_settings("demo")
def demo(
    flags: dict[str, Any],
    folder: Annotated[
        str | None, _own("Keep registry and manifests here.", "--dir", metavar="PATH")
    ] = None,
) -> None:
    """Show the whole job on this machine, without a cluster.

    The registry is a local SQLite file, and a folder is the cluster.
    """
    from m2s.cli.choosing import tell
    from m2s.cli.demo import run

    tell(**flags)
    raise typer.Exit(run(folder))


@app.command(name="help", cls=Late)
def show_help(
    command: Annotated[
        list[str] | None, typer.Argument(metavar="[COMMAND]", help="Of this command.")
    ] = None,
) -> None:
    """Show this list of commands, or the help of one."""
    raise typer.Exit(invoke([*(command or ()), "--help"]))


@app.command(name="version", cls=Late)
def show_version() -> None:
    """Print the version."""
    _print_version(True)
