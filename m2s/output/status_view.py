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
_MARKDOWN = ("Deployment", "Model", "Version", "Selector", "Owner", "State", "Since", "Notes")
_PAST = ("Version", "Since", "Revision")


def table(found: Overview, width: int = WIDTH) -> RenderableType:
    """Return what is served, below its selector and owner, and the count line."""
    if not found.deployments:
        return masked(f"{status.empty(found)} at {found.target}")
    parts: list[RenderableType] = [masked(status.place(found))]
    several = bool(words.platforms(one.key for one in found.deployments))
    whose = attrgetter("owner", "selector")  # the order of names is kept below that
    for (owner, selector), group in groupby(sorted(found.deployments, key=whose), key=whose):
        title = ", ".join(filter(None, (selector, f"owner {owner}")))
        parts += [Text(), masked(title, "bold"), *_rows(tuple(group), width, several=several)]
    return Group(*parts, Text(), Text(status.summary(found.deployments), "bold"))


def _rows(deployments: Sequence[Serving], width: int, *, several: bool) -> Iterator[RenderableType]:
    head = _headed(_HEAD, "Platform" if several else "")
    cells = [_headed(_cells(one), words.platform(one.key) * several) for one in deployments]
    _, *columns = zip(head, *cells, strict=True)
    widths = [min(max(map(len, column)), width - WIDTH + _WIDEST) for column in columns]
    names = max(len(line) for title, *_ in (head, *cells) for line in title.splitlines())
    grid = (min(names, room(widths, width)), *widths[:-1])
    yield folded(grid, *(Text(cell, "bold") for cell in head))
    for one, (title, *rest) in zip(deployments, cells, strict=True):
        *told, version, state, since = rest
        shown = Text(state, _STYLES.get(one.state, ""))
        yield folded(grid, Text(title), *map(Text, told), masked(version), shown, Text(since))
        for line in status.notes(one):
            yield Padding(masked(line), (0, 0, 0, 2), expand=False)


def _headed(cells: tuple[str, ...], platform: str) -> tuple[str, ...]:
    """Return a row with the platform after the name, where that is told."""
    return (cells[0], platform, *cells[1:]) if platform else cells


def _cells(one: Serving) -> tuple[str, str, str, str]:
    title = words.title(one.key.name, one.served)
    version = words.versions(one.served) or UNKNOWN
    return title, version, mask.text(one.state) or UNKNOWN, status.since(one.since)


def details(found: Overview, width: int = WIDTH) -> RenderableType:
    """Return all that is known of the only deployment of a status, and its history."""
    (one,) = found.deployments
    title = masked(f"{one.key.name} in {status.place(found)}")
    facts = (folded((8,), Text(name, "bold"), masked(value)) for name, value in _facts(one))
    return Group(title, Text(), *facts, *_history(one, width))


def _facts(one: Serving) -> Iterator[tuple[str, str]]:
    yield "Serves", status.told(one.served) or UNKNOWN
    yield "Selector", one.selector or UNKNOWN
    yield "Owner", one.owner
    yield "State", ": ".join(filter(None, (one.state, one.message))) or UNKNOWN
    yield "Since", status.since(one.since)
    yield "Endpoint", one.endpoint or UNKNOWN
    for order in status.orders(one):
        yield "Order", order


def _history(one: Serving, width: int) -> Iterator[RenderableType]:
    if not one.history:
        return
    rows = [(str(entry), status.since(entry.since), entry.revision) for entry in one.history]
    widths = [max(map(len, column)) for column in zip(_PAST, *rows, strict=True)]
    widths[0] = min(widths[0], width - sum(widths[1:]) - 6)
    widths.pop()
    yield Text()
    yield folded(widths, *(Text(cell, "bold") for cell in _PAST))
    for row in rows:
        yield folded(widths, *map(masked, row))


def markdown(found: Overview) -> str:
    """Return what is served as GitHub-flavoured Markdown."""
    title = [f"### m2s status: {_cell(status.place(found))}", ""]
    if not found.deployments:
        return "\n".join([*title, f"**{_cell(status.empty(found))}**", ""])
    several = bool(words.platforms(one.key for one in found.deployments))
    head = _headed(_MARKDOWN, "Platform" if several else "")
    rows = (
        _headed(_markdown_row(one), words.platform(one.key) * several) for one in found.deployments
    )
    count = f"**{status.summary(found.deployments)}**"
    return "\n".join([*title, *_grid(head, rows), "", count, ""])


def _markdown_row(one: Serving) -> tuple[str, ...]:
    title, version, state, since = _cells(one)
    models = "\n".join(dict.fromkeys(served.model for served in one.served))
    said = "\n".join(status.notes(one))
    name = title.splitlines()[0]
    return name, models or UNKNOWN, version, one.selector, one.owner, state, since, said


def details_markdown(found: Overview) -> str:
    """Return the same of the only deployment of a status, with its history."""
    (one,) = found.deployments
    lines = [f"### m2s status: {_cell(f'{one.key.name} in {status.place(found)}')}", ""]
    lines += _grid(("", ""), _facts(one))
    if one.history:
        past = ((str(entry), status.since(entry.since), entry.revision) for entry in one.history)
        lines += ["", *_grid(_PAST, past)]
    return "\n".join([*lines, ""])


def _grid(head: Sequence[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(_cell, row))} |"


def _cell(text: str) -> str:
    return words.cell(mask.text(text))
