"""The options that all commands share, added to each command's signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

from m2s.settings import OPTIONS

WHAT, WHERE, HOW = "What to serve", "Registry and cluster", "How"

# (option, its flags after the long one, panel, metavar, help)
_SHARED: tuple[tuple[str, tuple[str, ...], str, str | None, str], ...] = (
    ("stage", (), WHAT, "STAGE", "Serve the versions in this MLflow stage. Repeatable."),
    ("alias", (), WHAT, "ALIAS", "Serve the versions this alias points at. Repeatable."),
    (
        "model",
        (),
        WHAT,
        "PATTERN",
        "Look only at models matching PATTERN, as in a shell. Repeatable.",
    ),
    ("owner", (), WHAT, "NAME", "Whose objects these are (default: the selector)."),
    ("namespace", ("-n",), WHERE, "NAMESPACE", "Namespace (default: the context's)."),
    ("tracking-uri", (), WHERE, "URI", "MLflow tracking URI (default: MLFLOW_TRACKING_URI)."),
    ("target", (), WHERE, "TARGET", "kubernetes, or dir:PATH for a folder of manifests."),
    ("kubeconfig", (), WHERE, "PATH", "Kubeconfig (default: KUBECONFIG, else in-cluster)."),
    ("context", (), WHERE, "NAME", "Kubeconfig context."),
    ("request-timeout", (), WHERE, "DURATION", "Longest wait for one request (default: 30s)."),
    ("concurrency", (), WHERE, "N", "Requests under way at a time (default: 8)."),
    (
        "model-uri-map",
        (),
        HOW,
        "FROM=TO",
        "Replace a model URI's prefix; longest wins. Repeatable.",
    ),
    ("on-conflict", (), HOW, "WORD", "Several versions in a stage: highest (default) or block."),
    ("adopt", (), HOW, None, "Take over objects that m2s does not manage yet."),
    ("force-conflicts", (), HOW, None, "Take drifted fields back from others (default: yes)."),
    ("ignore", (), HOW, "POINTER", "Leave a path to others (default: /spec/replicas). Repeatable."),
    ("max-delete", (), HOW, "N,P%", "Deletion budget, the larger of both (default: 5,30%)."),
)
_APPLYING: tuple[tuple[str, tuple[str, ...], str, str | None, str], ...] = (
    ("prune", (), HOW, None, "Also delete what the selector no longer wants."),
    ("wait", (), HOW, None, "Follow the rollouts until the new generation serves."),
    ("timeout", (), HOW, "DURATION", "How long --wait waits (default: 10m)."),
)


def with_settings(
    *, applying: bool = False
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command the shared options; it receives them as one mapping, ``flags``.

    Values are raw, None where not given: :func:`m2s.settings.build` reads the environment and
    m2s.yaml too, and checks them all in one place.
    """

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        shared = [_parameter(*row) for row in (*_SHARED, *(_APPLYING if applying else ()))]
        names = {parameter.name for parameter in shared}

        def wrapped(**given: Any) -> None:
            flags = {
                name.replace("_", "-"): given.pop(name) for name in list(given) if name in names
            }
            command(flags=_not_empty(flags), **given)

        signature = inspect.signature(command, eval_str=True)
        own = [item for item in signature.parameters.values() if item.name != "flags"]
        own = [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in own]
        wrapped.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]  # read by typer
        wrapped.__doc__, wrapped.__name__ = command.__doc__, command.__name__
        return wrapped

    return decorate


def _not_empty(flags: Mapping[str, Any]) -> dict[str, Any]:
    """Drop what was not given; typer hands over an empty list for a repeatable flag."""
    return {name: raw for name, raw in flags.items() if raw not in (None, [])}


def _parameter(
    name: str, more: tuple[str, ...], panel: str, metavar: str | None, text: str
) -> inspect.Parameter:
    flags = (f"--{name}", *more) if metavar else (f"--{name}/--no-{name}",)
    option = typer.Option(
        *flags,
        help=text,
        metavar=metavar,
        rich_help_panel=panel,
        show_default=False,
    )
    kind: Any = bool | None if metavar is None else str | None
    if OPTIONS[name].many:
        kind = list[str] | None
    return inspect.Parameter(
        name.replace("-", "_"),
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind, option],
    )
