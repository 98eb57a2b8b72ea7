"""Commands whose options are made only when the command is called, and help in groups.

Making the options of all commands takes half of the time of ``m2s --help``, which shows none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

from m2s.base.errors import UsageError

Callback = Callable[..., None]

_RARE = frozenset({"webhook_secret"})
GENERAL = "General"
"""The group of what is no setting: the command's own switches, and help."""


def late(name: str, help_text: str | None, complete: Callable[[], Callback]) -> Callback:
    """Return the callback of a :class:`Late` command; ``complete`` returns the one with options."""

    def callback() -> None:
        raise AssertionError(f"{name} was not completed")

    callback.__name__, callback.__doc__ = name, help_text
    callback.__dict__["complete"] = complete
    return callback


class Late(TyperCommand):
    """The class of a command that has a callback of :func:`late`.

    Its help shows the options of :mod:`m2s.settings.options` in their groups, and the rare ones
    only with ``--help-all``.
    """

    def make_context(
        self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any
    ) -> Any:
        """Complete the command, and parse its arguments into a context."""
        complete = getattr(self.callback, "complete", None)
        if complete:
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            alone.command()(complete())
            whole = get_command(alone)
            self.params, self.callback = whole.params, whole.callback
        self._whole = "--help-all" in args
        if self._whole:
            args = ["--help" if arg == "--help-all" else arg for arg in args]
        if not extra.get("resilient_parsing"):
            _raise_if_repeated(args)
        return super().make_context(info_name, args, parent, **extra)

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then each group of options."""
        from m2s.settings.options import GROUPS, OPTIONS

        groups: dict[str, list[tuple[str, str]]] = {name: [] for name in ("", *GROUPS, GENERAL)}
        hidden = 0
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            option = OPTIONS.get((param.name or "").replace("_", "-"))
            rare = option.rare if option else param.name in _RARE
            if rare and not self._whole:
                hidden += 1
            elif record:
                own = "" if param.param_type_name == "argument" else GENERAL
                groups[option.group if option else own].append(record)
        _write(formatter, groups.items())
        if hidden:
            formatter.write_paragraph()
            formatter.write_text(f"{hidden} more options, rarely needed: --help-all")


_ONCE = ("-n", "--namespace")


def _raise_if_repeated(args: Iterable[str]) -> None:
    """Refuse a second namespace: the last one would win, and the first be forgotten unseen."""
    given: list[str] = []
    rest = iter(args)
    for arg in rest:
        flag, attached, value = arg.partition("=")
        if arg == "--":
            return
        if flag in _ONCE:
            given.append(value if attached else next(rest, ""))
    if len(given) > 1:
        raise UsageError(f"--namespace is given twice: {given[0]} and {given[1]}; give it once")


def _write(formatter: Any, groups: Iterable[tuple[str, list[tuple[str, str]]]]) -> None:
    for name, records in groups:
        if records:
            with formatter.section(name or "Arguments"):
                formatter.write_dl(records, col_max=26)
