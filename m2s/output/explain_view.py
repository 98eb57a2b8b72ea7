"""An explanation for people: a table, or Markdown; all passes :mod:`m2s.base.mask`."""

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from m2s.base import mask, printable
from m2s.output import words
from m2s.output.changes_view import short
from m2s.output.tables import masked
from m2s.plan.explain import Explanation


def table(explained: Explanation) -> RenderableType:
    """Return the fields of one deployment below the layer that gave them, each with its line."""
    parts: list[RenderableType] = [Text(_explained(explained))]
    for layer, fields in explained.by_layer().items():
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(justify="right", width=5)
        grid.add_column(overflow="fold")
        for field in fields:
            line = "" if field.source.line is None else f":{field.source.line}"
            grid.add_row(line, Text(printable.line(f"{field.path}: {short(field.value)}")))
        parts += [Text(), masked(layer, "bold"), grid]
    return Group(*parts)


def _explained(explained: Explanation) -> str:
    change = explained.change
    return mask.text(f"{change.key.name} ({change.action.word}): {change.reason or 'as wanted'}")


def markdown(explained: Explanation) -> str:
    """Return the same as GitHub-flavoured Markdown."""
    lines = [f"### m2s plan: {words.cell(_explained(explained))}", ""]
    lines += ["| Field | Value | From |", "|---|---|---|"]
    for field in explained.fields:
        cells = (field.path, short(field.value), str(field.source))
        lines.append(f"| {' | '.join(map(words.cell, cells))} |")
    return "\n".join([*lines, ""])
