"""The program: its commands in their order, its help, its version."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from m2s import __version__
from m2s.base.errors import UsageError
from m2s.cli import commands, single_commands, webhook_commands
from m2s.cli.arguments import own
from m2s.cli.lazy_options import Late

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
    verbose: Annotated[bool, own("Tell each step.", "--verbose", "-v")] = False,
    debug: Annotated[bool, own("Tell each request too.", "--debug")] = False,
) -> None:
    if verbose or debug:
        from m2s.base import trace

        trace.begin(trace.REQUESTS if debug else trace.STEPS)
    _help_without_command(context)


for _command in (
    commands.check, commands.plan, commands.apply, commands.prune, commands.watch,
    single_commands.rollback, single_commands.pause, single_commands.resume,
    single_commands.history, single_commands.verify, single_commands.retry, single_commands.status,
    commands.fetch, commands.init, commands.demo,
):  # fmt: skip
    app.command(cls=Late)(_command)  # in the order of the help

webhook = typer.Typer(
    help="Set up the webhook that tells m2s watch of a change.",
    callback=_help_without_command,
    invoke_without_command=True,
    rich_markup_mode=None,
)
app.add_typer(webhook, name="webhook")
for _command in (webhook_commands.register, webhook_commands.unregister):
    webhook.command(cls=Late)(_command)


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
