"""The options that all commands share, added to each command's signature."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any

import typer

REPEATABLE = "Repeatable."

# (option, its flags after the long one, metavar, help); no metavar makes it an on/off flag.
_SHARED: tuple[tuple[str, tuple[str, ...], str | None, str], ...] = (
    ("stage", (), "STAGE", "Serve the versions in this MLflow stage. Repeatable."),
    ("alias", (), "ALIAS", "Serve the versions this alias points at. Repeatable."),
    ("model", (), "PATTERN", "Look only at models matching PATTERN. Repeatable."),
    ("owner", (), "NAME", "Whose objects these are (default: the selector)."),
    ("namespace", ("-n",), "NAMESPACE", "Namespace (default: the context's)."),
    ("tracking-uri", (), "URI", "MLflow tracking URI (default: MLFLOW_TRACKING_URI)."),
    ("target", (), "TARGET", "kubernetes, or dir:PATH for a folder of manifests."),
    ("kubeconfig", (), "PATH", "Kubeconfig (default: KUBECONFIG, else in-cluster)."),
    ("context", (), "NAME", "Kubeconfig context."),
    ("request-timeout", (), "DURATION", "Longest wait for one request (default: 30s)."),
    ("concurrency", (), "N", "Requests under way at a time (default: 8)."),
    ("model-uri-map", (), "FROM=TO", "Replace a prefix of model URIs. Repeatable."),
    ("on-conflict", (), "WORD", "Several versions in a stage: highest (default) or block."),
    ("adopt", (), None, "Take over objects that m2s does not manage yet."),
    ("force-conflicts", (), None, "Take drifted fields back from others (default: yes)."),
    ("ignore", (), "POINTER", "Leave a path to others (default: /spec/replicas). Repeatable."),
    ("max-delete", (), "N,P%", "Deletion budget, the larger of both (default: 5,30%)."),
)
_APPLYING: tuple[tuple[str, tuple[str, ...], str | None, str], ...] = (
    ("prune", (), None, "Also delete what the selector no longer wants."),
    ("wait", (), None, "Follow the rollouts until the new generation serves."),
    ("timeout", (), "DURATION", "How long --wait waits (default: 10m)."),
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
    name: str, more: tuple[str, ...], metavar: str | None, text: str
) -> inspect.Parameter:
    flags = (f"--{name}", *more) if metavar else (f"--{name}/--no-{name}",)
    option = typer.Option(
        *flags,
        help=text,
        metavar=metavar,
        show_default=False,
    )
    kind: Any = bool | None if metavar is None else str | None
    if text.endswith(REPEATABLE):
        kind = list[str] | None
    return inspect.Parameter(
        name.replace("-", "_"),
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind, option],
    )
