"""What the tables share: rows that fold, the console and the bar that shows how far it is."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress
from rich.table import Table
from rich.text import Text

from m2s.base.workers import Begin, silently
from m2s.engine.execute import Outcome, Status

WIDTH = 80
"""Columns that a table has."""


def room(widths: Sequence[int]) -> int:
    """Return how many columns are left beside cells of these ``widths``."""
    return WIDTH - sum(widths) - 2 * len(widths)


def folded(widths: Sequence[int], *cells: Text) -> Table:
    """Return a row whose cells fold within ``widths``, columns each; the last has the rest."""
    grid = Table.grid(padding=(0, 2, 0, 0))
    for width in widths:
        grid.add_column(width=width, overflow="fold")
    grid.add_column(overflow="fold")
    grid.add_row(*cells)
    return grid


@contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[Outcome], None]]:
    """Show a bar on standard error, on a terminal only; yields what to call with each outcome."""
    with _bar() as bar:
        task = bar.add_task(title, total=total)
        yield lambda outcome: bar.advance(task, outcome.status is not Status.UNCHANGED)


@contextmanager
def stages(title: str) -> Iterator[Begin]:
    """Show the same for work in stages, of which the first is of nobody knows how many things."""
    if not sys.stderr.isatty():
        yield silently
        return
    with _bar() as bar:
        task = bar.add_task(title, total=None)

        def begin(title: str, total: int) -> Callable[[], None]:
            bar.reset(task, description=title, total=total)
            return lambda: bar.advance(task)

        yield begin


def _bar() -> Progress:
    return Progress(console=console(stderr=True), transient=True, disable=not sys.stderr.isatty())


def console(*, stderr: bool = False) -> Console:
    """Return a console that reads without colour in a pipe and under ``NO_COLOR``."""
    return Console(stderr=stderr, highlight=False, soft_wrap=False, emoji=False, markup=False)
