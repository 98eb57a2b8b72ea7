"""A status for people: tables that fit 80 columns, or Markdown; all passes :mod:`m2s.base.mask`."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from m2s.base import mask
from m2s.domain.serving import Serving
from m2s.engine import status
from m2s.engine.status import UNKNOWN, Overview
from m2s.output import words
from m2s.output.tables import WIDTH, folded, masked, room

_STYLES = {"Available": "green", "Creating": "yellow", "Failed": "bold red"}
_WIDEST = 20
"""Columns of a cell that is no name: a time has as many."""
_HEAD = ("Deployment", "Version", "State", "Since")
_WHY = "Why"
_MARKDOWN = (
    "Deployment", "Model", "Version", "Selector", "Owner", "State", "Since", _WHY, "Notes",
)  # fmt: skip


def table(found: Overview, width: int = WIDTH) -> RenderableType:
    """Return what is served, below its selector and owner, what is not, and the count line."""
    rows = (*found.deployments, *found.missing)
    if not rows:
        return Group(masked(f"{status.empty(found)} at {found.target}"), *_unread(found))
    parts: list[RenderableType] = [masked(status.place(found))]
    several = bool(words.platforms(one.key for one in found.deployments))
    whose = attrgetter("owner", "selector")  # the order of names is kept below that
    for (owner, selector), group in groupby(sorted(rows, key=whose), key=whose):
        title = ", ".join(filter(None, (selector, f"owner {owner}")))
        parts += [Text(), masked(title, "bold"), *_rows(tuple(group), width, several=several)]
    return Group(*parts, *_unread(found), Text(), Text(status.summary(found.deployments), "bold"))


def _unread(found: Overview) -> Iterator[RenderableType]:
    if found.unread:
        yield from (Text(), masked(found.unread))


def _rows(deployments: Sequence[Serving], width: int, *, several: bool) -> Iterator[RenderableType]:
    head = _headed(_HEAD, "Platform" if several else "")
    cells = [_headed(_cells(one), _platform(one) if several else "") for one in deployments]
    _, *columns = zip(head, *cells, strict=True)
    widths = [min(max(map(len, column)), width - WIDTH + _WIDEST) for column in columns]
    names = max(len(line) for title, *_ in (head, *cells) for line in title.splitlines())
    grid = (min(names, room((*widths, len(_WHY)), width)), *widths)
    yield folded(grid, *(Text(cell, "bold") for cell in (*head, _WHY)))
    for one, (title, *rest) in zip(deployments, cells, strict=True):
        *told, version, state, since = rest
        shown = Text(state, _STYLES.get(one.state, ""))
        below = [mask.text(line) for line in (*status.why(one), *status.notes(one))]
        fits = any(status.why(one)) and len(below[0]) <= room(grid, width)
        why = Text(below.pop(0) if fits else "")
        yield folded(grid, Text(title), *map(Text, told), masked(version), shown, Text(since), why)
        for line in below:
            yield Padding(Text(line), (0, 0, 0, 2), expand=False)


def _platform(one: Serving) -> str:
    """Return by which platform a deployment is served, ``-`` where there is none yet."""
    return words.platform(one.key) if one.served else UNKNOWN


def _headed(cells: tuple[str, ...], platform: str) -> tuple[str, ...]:
    """Return a row with the platform after the name, where that is told."""
    return (cells[0], platform, *cells[1:]) if platform else cells


def _cells(one: Serving) -> tuple[str, str, str, str]:
    title = words.title(one.key.name, one.served)
    version = words.versions(one.served) or UNKNOWN
    state, since = one.state or UNKNOWN, one.since
    if one.trouble and not one.served:
        state, since = one.trouble.state, one.trouble.told.first
    return title, version, mask.text(state), status.since(since)


def markdown(found: Overview) -> str:
    """Return what is served as GitHub-flavoured Markdown."""
    title = [f"### m2s status: {cell(status.place(found))}", ""]
    every = (*found.deployments, *found.missing)
    if not every:
        return "\n".join([*title, f"**{cell(status.empty(found))}**", ""])
    several = bool(words.platforms(one.key for one in found.deployments))
    head = _headed(_MARKDOWN, "Platform" if several else "")
    rows = (_headed(_markdown_row(one), _platform(one) if several else "") for one in every)
    count = f"**{status.summary(found.deployments)}**"
    return "\n".join([*title, *grid(head, rows), "", count, ""])


def _markdown_row(one: Serving) -> tuple[str, ...]:
    title, version, state, since = _cells(one)
    models = "\n".join(dict.fromkeys(served.model for served in one.served))
    said = ("\n".join(lines(one)) for lines in (status.why, status.notes))
    name = title.splitlines()[0]
    return name, models or UNKNOWN, version, one.selector, one.owner, state, since, *said


def grid(head: Sequence[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    """Yield the lines of a Markdown table."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(cell, row))} |"


def cell(text: str) -> str:
    """Return a text as a cell of a Markdown table, masked."""
    return words.cell(mask.text(text))
