"""What the tables share: rows that fold, the console and the bar that shows how far it is."""

import io
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.progress import DownloadColumn, Progress, ProgressColumn, TransferSpeedColumn
from rich.table import Table
from rich.text import Text

from m2s.base import mask, trace
from m2s.base.workers import Begin, silently
from m2s.engine.outcomes import Outcome, Status

WIDTH = 80
"""Columns that a table has on a terminal."""
_ENDLESS = 1_000_000
"""Columns that a line has elsewhere, where nothing is folded: more than it has characters."""


def width() -> int:
    """Return how many columns a table may have on standard output."""
    return WIDTH if sys.stdout.isatty() else _ENDLESS


def show(renderable: RenderableType) -> None:
    """Print on standard output; what is no terminal gets plain lines without spaces at their ends.

    OSError: it cannot be written to.
    """
    if sys.stdout.isatty():
        console().print(renderable)
        return
    coloured = console().is_terminal  # by FORCE_COLOR
    plain = Console(file=io.StringIO(), width=_ENDLESS, force_terminal=coloured, **_PLAIN)
    with plain.capture() as captured:
        plain.print(renderable)
    for line in captured.get().splitlines():
        sys.stdout.write(f"{line.rstrip()}\n")
    sys.stdout.flush()


def masked(text: str, style: str = "") -> Text:
    """Return a text without any secret (law 7)."""
    return Text(mask.text(text), style)


def room(widths: Sequence[int], width: int = WIDTH) -> int:
    """Return how many of ``width`` columns are left beside cells of these ``widths``."""
    return width - sum(widths) - 2 * len(widths)


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
    if not _has_bar():
        yield silently
        return
    with _bar() as bar:
        task = bar.add_task(title, total=None)

        def begin(title: str, total: int) -> Callable[[], None]:
            bar.reset(task, description=title, total=total)
            return lambda: bar.advance(task)

        yield begin


@contextmanager
def arriving(folder: Path, total: int) -> Iterator[None]:
    """Show on a terminal how many bytes of ``total`` are in a folder, as long as the block runs."""
    done = threading.Event()
    with _bar(DownloadColumn(), TransferSpeedColumn()) as bar:
        task = bar.add_task("Fetching", total=total)

        def look() -> None:
            while not done.wait(0.2):
                with suppress(OSError):  # some clients rename a file once it is whole
                    files = (path for path in folder.rglob("*") if path.is_file())
                    bar.update(task, completed=sum(path.stat().st_size for path in files))

        if _has_bar():
            threading.Thread(target=look, daemon=True).start()
        try:
            yield
        finally:
            done.set()


def _bar(*columns: ProgressColumn) -> Progress:
    shown = (*Progress.get_default_columns(), *columns)
    return Progress(*shown, console=console(stderr=True), transient=True, disable=not _has_bar())


def _has_bar() -> bool:
    """Whether standard error can show a bar: a terminal on which nothing else is told meanwhile."""
    return sys.stderr.isatty() and not trace.level()


_PLAIN: Mapping[str, Any] = {
    "highlight": False, "soft_wrap": False, "emoji": False, "markup": False,
}  # fmt: skip


def console(*, stderr: bool = False) -> Console:
    """Return a console that reads without colour in a pipe and under ``NO_COLOR``."""
    return Console(stderr=stderr, **_PLAIN)
