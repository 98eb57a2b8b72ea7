"""A command whose options are made when it is called: those of all commands take half of a help."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import typer
from typer.core import TyperCommand
from typer.main import get_command

Callback = Callable[..., None]


def late(name: str, help_text: str | None, complete: Callable[[], Callback]) -> Callback:
    """Return the callback of a :class:`Late` command; ``complete`` returns the one with options."""

    def callback() -> None:
        raise AssertionError(f"{name} was not completed")

    callback.__name__, callback.__doc__ = name, help_text
    callback.__dict__["complete"] = complete
    return callback


class Late(TyperCommand):
    """The class of a command that has a callback of :func:`late`."""

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
        return super().make_context(info_name, args, parent, **extra)
