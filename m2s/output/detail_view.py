"""All that is known of one deployment, for people: why it serves what it serves, or does not."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.text import Text

from m2s.domain.serving import Serving
from m2s.engine import status
from m2s.engine.detail import Detail
from m2s.engine.status import UNKNOWN, Overview
from m2s.output.status_view import cell, grid
from m2s.output.tables import WIDTH, folded, masked

_Section = tuple[tuple[str, ...], list[tuple[str, ...]]]
"""The heads of a table's columns, and its rows."""


def table(found: Overview, more: Detail, width: int = WIDTH) -> RenderableType:
    """Return the facts, the platform's conditions, the last Events and the history."""
    (one,) = (*found.deployments, *found.missing)
    title = masked(f"{one.key.name} in {status.place(found)}")
    facts = (folded((9,), Text(name, "bold"), masked(value)) for name, value in _facts(one, more))
    parts: list[RenderableType] = [title, Text(), *facts]
    for section in _sections(one, more):
        parts += _table(section, width)
    return Group(*parts, *([Text(), masked(more.unread)] if more.unread else []))


def _facts(one: Serving, more: Detail) -> Iterator[tuple[str, str]]:
    yield "Serves", status.told(one.served) or UNKNOWN
    if one.trouble:
        told = one.trouble.told
        yield "Wanted", f"v{told.version}" if told.version else UNKNOWN
        again = f", told {told.count} times, last {status.since(told.last)}"
        since = f"since {status.since(told.first)}{again if told.count > 1 else ''}"
        yield "Why", f"{one.trouble.state}: {told.message} ({since})"
    if more.waits:
        yield "Waits for", more.waits
    yield "Selector", one.selector or UNKNOWN
    yield "Owner", one.owner
    yield "State", ": ".join(filter(None, (one.state, one.message))) or UNKNOWN
    yield "Since", status.since(one.since)
    yield "Endpoint", one.endpoint or UNKNOWN
    if one.verified:
        yield "Answer", f"{one.verified} (asked {status.since(one.verified.at)})"
    for each in one.failed:
        yield "Gave way", str(each)
    for order in status.orders(one):
        yield "Order", order


def _sections(one: Serving, more: Detail) -> Iterator[_Section]:
    if more.conditions:
        rows = [
            (each.type, each.status, status.since(each.since), _joined(each.reason, each.message))
            for each in more.conditions
        ]
        yield ("Condition", "Status", "Since", "Reason"), [*rows]
    if more.events:
        told = [
            (each.reason, status.since(each.last), each.source or UNKNOWN, each.message)
            for each in reversed(more.events)
        ]
        yield ("Event", "Last", "From", "Message"), [*told]
    yield from _past(one)


def _past(one: Serving) -> Iterator[_Section]:
    if one.history:
        past = [(str(each), status.since(each.since), each.revision) for each in one.history]
        yield ("Version", "Since", "Revision"), [*past]
    if one.found:
        asked = [(one.version, status.since(one.at), one.revision, str(one)) for one in one.found]
        yield ("Asked", "At", "Revision", "Result"), [*asked]
    if one.notes:
        ordered = [
            (each.what, status.since(each.at), each.by or UNKNOWN, each.message or UNKNOWN)
            for each in one.notes
        ]
        yield ("Order", "At", "By", "Why"), [*ordered]


def history(found: Overview, width: int = WIDTH) -> RenderableType:
    """Return what a deployment served, and what people ordered for it."""
    (one,) = (*found.deployments, *found.missing)
    parts: list[RenderableType] = [masked(f"{one.key.name} in {status.place(found)}")]
    for section in _past(one):
        parts += _table(section, width)
    return Group(*parts)


def history_markdown(found: Overview) -> str:
    """Return the same as Markdown."""
    (one,) = (*found.deployments, *found.missing)
    lines = [f"### m2s history: {cell(f'{one.key.name} in {status.place(found)}')}"]
    for head, rows in _past(one):
        lines += ["", *grid(head, rows)]
    return "\n".join([*lines, ""])


def _joined(*texts: str) -> str:
    return ": ".join(filter(None, texts)) or UNKNOWN


def _table(section: _Section, width: int) -> Iterator[RenderableType]:
    head, rows = section
    *columns, _ = zip(head, *rows, strict=True)
    widths = [max(map(len, column)) for column in columns]
    widths[0] = min(widths[0], max(8, width - sum(widths[1:]) - 2 * len(head) - 12))
    yield Text()
    yield folded(widths, *(Text(text, "bold") for text in head))
    for row in rows:
        yield folded(widths, *map(masked, row))


def markdown(found: Overview, more: Detail) -> str:
    """Return the same as Markdown."""
    (one,) = (*found.deployments, *found.missing)
    lines = [f"### m2s status: {cell(f'{one.key.name} in {status.place(found)}')}", ""]
    lines += grid(("", ""), _facts(one, more))
    for head, rows in _sections(one, more):
        lines += ["", *grid(head, rows)]
    return "\n".join([*lines, *(["", cell(more.unread)] if more.unread else []), ""])
