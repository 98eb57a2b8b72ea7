"""The switches and arguments of commands that are no settings."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

from m2s.cli import completing


class Output(StrEnum):
    """How a result is printed."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"
    MARKDOWN = "markdown"


def own(about: str, *flags: str, variable: str = "", **more: Any) -> Any:
    """Return an option of some commands that is no setting; its help names its variable."""
    told = f"{about} [{variable}]" if variable else about
    more |= {"envvar": variable} if variable else {}
    return typer.Option(*flags, help=told, show_default=False, show_envvar=False, **more)


Config = Annotated[
    str | None,
    own(
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
    own(
        "table, json, yaml or markdown (default: table).",
        "--output",
        "-o",
        metavar="FORMAT",
        parser=_format,
        variable="M2S_OUTPUT",
    ),
]
Yes = Annotated[bool, own("Do not ask.", "--yes", "-y", variable="M2S_YES")]
THERE: Any = completing.of("deployment")
Which = Annotated[
    str, typer.Argument(metavar="DEPLOYMENT", help="Which one.", autocompletion=THERE)
]
Message = Annotated[
    str | None, own("Why; it is noted with who you are.", "--message", metavar="TEXT")
]
ShowValues = Annotated[
    bool, own("Show values of variables and arguments, on a terminal.", "--show-values")
]
Accept = Annotated[
    bool, own("Accept another registry than the deployments come from, once.", "--accept-registry")
]
Secret = Annotated[
    str | None,
    own(
        "Secret of MLflow's webhook; the variable is safer.",
        "--webhook-secret",
        metavar="TEXT",
        variable="M2S_WEBHOOK_SECRET",
    ),
]
Name = Annotated[
    str | None,
    own(
        "Name of the webhook (default: m2s-<owner>).",
        "--name",
        metavar="NAME",
        variable="M2S_WEBHOOK_NAME",
    ),
]
