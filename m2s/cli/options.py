"""The options of the table, added to each command's signature, and the help in groups."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from m2s.cli import completing
from m2s.cli.lazy_options import late

if TYPE_CHECKING:
    from m2s.settings.options import Option


def with_settings(command: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a ``Late`` command the options that the table has for it, as one mapping ``flags``.

    Values are raw, None where not given: :func:`m2s.settings.build.build` reads the environment and
    m2s.yaml too, and checks them all in one place.
    """

    def complete(function: Callable[..., None]) -> Callable[..., None]:
        from m2s.settings import options

        shared = [_parameter(option) for option in options.of(command)]
        names = {parameter.name for parameter in shared}

        def wrapped(**given: Any) -> None:
            raws = {name: given.pop(name) for name in list(given) if name in names}
            # typer hands over an empty list for a repeatable flag that is not given
            flags = {
                name.replace("_", "-"): raw for name, raw in raws.items() if raw not in (None, [])
            }
            if "environment" not in names:
                function(flags=flags, **given)
                return
            from m2s.cli import environments

            environments.run(command, function, flags, given)

        signature = inspect.signature(function, eval_str=True)
        own = [item for item in signature.parameters.values() if item.name != "flags"]
        own = [item.replace(kind=inspect.Parameter.KEYWORD_ONLY) for item in own]
        wrapped.__signature__ = inspect.Signature([*own, *shared])  # type: ignore[attr-defined]  # read by typer
        return wrapped

    return lambda function: late(function.__name__, function.__doc__, lambda: complete(function))


def _parameter(option: Option) -> inspect.Parameter:
    switch = option.metavar is None
    flags = [f"--{option.name}/--no-{option.name}" if switch else f"--{option.name}"]
    told = typer.Option(
        *flags,
        *filter(None, [option.short]),
        help=f"{option.described} [{option.variable}]",
        metavar=option.metavar,
        show_default=False,
        autocompletion=completing.of(option.name),
    )
    kind: Any = list[str] | None if option.many else bool | None if switch else str | None
    return inspect.Parameter(
        option.name.replace("-", "_"),
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind, told],
    )
