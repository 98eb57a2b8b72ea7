"""Plan and outcomes for people, masked: a rich table that fits 80 columns, or Markdown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from m2s.base import mask, wording
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Manifest, Skipped
from m2s.domain.versions import Key, Served
from m2s.engine import skips
from m2s.engine.execute import Outcome, Status
from m2s.objects.diff import FieldChange, Step, steps
from m2s.output import words
from m2s.output.document import not_checked
from m2s.output.tables import WIDTH, folded, masked, room
from m2s.plan.changes import Action, Blocked, Change, Create, Delete, Unchanged, Update
from m2s.plan.plan import Plan, models_of, served_of, summary
from m2s.platforms import catalogue
from m2s.platforms.common import pod_security

_STYLES = {
    Action.CREATE: "green", Action.UPDATE: "yellow", Action.DELETE: "red",
    Action.UNCHANGED: "dim", Action.BLOCKED: "bold magenta",
}  # fmt: skip
MAX_FIELDS = 12
"""How many fields of one change the table lists; JSON lists them all."""
LONGEST = 120
"""Characters of a value that the table shows."""
_BESIDE_NAMES = 46
"""Columns that names leave for the rest of a row, at least."""
_INDENT = 3
"""Columns before the lines below a row."""


def plan_table(plan: Plan, width: int = WIDTH) -> RenderableType:
    """Return the plan as a table of so many columns, and the count line."""
    parts: list[RenderableType] = [Text(heading(plan))]
    shown = list(words.noteworthy(plan.changes))
    skipped = [_skipped(*pair) for pair in skips.of(plan)]
    rows = [_Row.of(change, plan.show_env, width) for change in shown]
    rows += skipped[: words.MAX_QUIET]
    if rows:
        parts += [Text(), *_table(rows, width)]
    if len(shown) < len(plan.changes):
        rest = len(plan.changes) - len(shown)
        parts.append(Text(f"= {rest} more unchanged, not listed (-o json lists them)", "dim"))
    if (more := len(skipped) - words.MAX_QUIET) > 0:
        parts.append(Text(f"? {more} more skipped, not listed (-o json lists them)"))
    if plan.unchecked:
        parts += [Text(), *map(masked, not_checked(plan))]
    return Group(*parts, Text(), Text(summary(plan), "bold"))


def heading(plan: Plan) -> str:
    """Return which registry's what is compared with which cluster."""
    where = f"namespace {plan.namespace} at {plan.target}"
    selectors = ", ".join(str(item) for item in plan.selectors)
    source = f"{selectors} of {plan.registry}" if plan.registry else selectors
    return mask.text(f"{source} → {where}" if source else where)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Row:
    """A row of the table, and the lines below it; all of it is masked."""

    symbol: str
    style: str
    title: str
    model: str
    version: str
    why: str
    below: Sequence[str] = ()
    platform: str = ""

    @classmethod
    def of(cls, change: Change, listed: Sequence[str], width: int = WIDTH) -> _Row:
        return cls(
            symbol=change.action.value,
            style=_STYLES[change.action],
            title=_title(change),
            model=models_of(change)[0],
            version=words.version(change),
            why=mask.text(change.reason),
            below=details(change, listed, width),
            platform=words.platform(change.key),
        )


def _skipped(key: Key, item: Skipped) -> _Row:
    version = item.version
    served = Served(version.model, str(version.version))
    return _Row(
        symbol="?",
        style="cyan",
        title=words.title(key.name, (served,)),
        model=version.model,
        version=words.versions((served,)),
        why=mask.text(f"skipped: {item.reason}"),
    )


def _table(rows: Sequence[_Row], width: int) -> Iterator[RenderableType]:
    """One row a change; what it does to the fields stands below its row, over the full width."""
    names = max(len(line) for row in rows for line in row.title.splitlines())
    versions = max(len("Version"), *(len(row.version) for row in rows))
    told = {row.platform for row in rows if row.platform}
    platforms = [max(map(len, ("Platform", *told)))] if len(told) > 1 else []
    beside = _BESIDE_NAMES + sum(platforms) + 2 * len(platforms)
    widths = (1, min(max(names, len("Deployment")), width - beside), *platforms, versions)
    space = room(widths, width)
    heads = ("Deployment", *(["Platform"] if platforms else []), "Version", "Why")
    yield _row(widths, space, "", *heads, style="bold")
    for row in rows:
        why, below = row.why, row.below
        if len(why) > space:
            why, below = "", [why, *below]  # a long reason reads better over the full width
        where = [row.platform] if platforms else []
        cells = (row.symbol, row.title, *where, row.version, why)
        yield _row(widths, space, *cells, style=row.style)
        yield from (_indented(line, width) for line in below)


def _indented(line: str, width: int) -> RenderableType:
    if cell_len(line) <= width - _INDENT:
        return Text(f"   {line}")  # which rich prints ten times as fast
    text = line.lstrip(" ")
    return Padding(Text(text), (0, 0, 0, 3 + len(line) - len(text)), expand=False)


def _row(widths: Sequence[int], space: int, *cells: str, style: str) -> RenderableType:
    *styled, last = cells
    most = zip(cells, (*widths, space), strict=True)
    if all("\n" not in cell and cell_len(cell) <= width for cell, width in most):
        pairs = zip(styled, widths, strict=True)
        columns = ((set_cell_size(cell, width + 2), style) for cell, width in pairs)
        return Text.assemble(*columns, last)
    return folded(widths, *(Text(cell, style) for cell in styled), Text(last))


def _title(change: Change) -> str:
    return words.title(change.key.name, served_of(change))


def details(change: Change, listed: Sequence[str] = (), width: int = WIDTH) -> list[str]:
    """Return the notes and the fields of one change, a line each; the reason is not among them.

    ``listed`` are the variables and arguments whose values may be shown. A line of more columns
    than ``width`` is told in several.
    """
    match change:
        case Create(manifest=manifest):
            lines = [*_notes(manifest), *_facts(change, listed, width)]
        case Update(manifest=manifest):
            lines = [*_notes(manifest), *_field_lines(change, listed, width)]
        case Unchanged(manifest=manifest):
            lines = [*manifest.notes, *_warnings(manifest)] if manifest else []
        case Blocked(live=live):
            lines = list(_kept(live)) if live else []
        case Delete():
            lines = []
        case _:
            assert_never(change)
    return [mask.text(line) for line in lines]


def _notes(manifest: Manifest) -> Iterator[str]:
    yield from manifest.notes
    yield from _warnings(manifest)
    for pointer in manifest.ignored:
        yield f"{'.'.join(steps(pointer))} is left to others (--ignore)"


def _kept(live: LiveDeployment) -> Iterator[str]:
    if len(live.served) > 1:
        yield f"held: {wording.told(map(str, live.served))} keep serving"
    elif live.version:
        yield f"held: v{live.version} keeps serving"


def _warnings(manifest: Manifest) -> Iterator[str]:
    return (f"warning: {warning}" for warning in manifest.warnings)


def _watched(manifest: Manifest) -> Mapping[tuple[Step, ...], Any]:
    parts = catalogue.of(manifest.key).pod_specs(manifest.body)
    return pod_security.watched(manifest.body, parts)


def _is_within(path: tuple[Step, ...], places: Container[tuple[Step, ...]]) -> bool:
    return any(path[:length] in places for length in range(1, len(path) + 1))


def _facts(change: Create, listed: Sequence[str], width: int) -> Iterator[str]:
    """What a data scientist looks for in a new deployment, and what a policy is about (law 13)."""
    watched, facts = _watched(change.manifest), catalogue.of(change.key).facts
    for field in change.fields:
        last = field.path[-2] if field.path[-1] == "value" else field.path[-1]
        fact = field.path[0] == "spec" and last in facts
        if fact or _is_within(field.path, watched):
            yield from _lines(field, listed, width, added="")


def _field_lines(change: Update, listed: Sequence[str], width: int) -> Iterator[str]:
    # m2s's own labels and annotations only say again what the row's version says.
    told = [field for field in change.fields if not field.bookkeeping]
    for field in told[:MAX_FIELDS]:
        yield from _lines(field, listed, width)
    # What a policy is about is seen, however much else there is (law 13).
    cut = [field for field in told if len(short(field.new)) == LONGEST] + told[MAX_FIELDS:]
    watched, places = _watched(change.manifest) if cut else {}, {field.path for field in cut}
    more = [field for field in cut if _is_within(field.path, watched)]
    more += [
        FieldChange(path, "added", None, value)
        for path, value in watched.items()
        if path not in places and _is_within(path, places)
    ]
    for field in more:
        yield from _lines(field, listed, width)
    if len(told) > MAX_FIELDS:
        yield f"and {len(told) - MAX_FIELDS} more fields (-o json lists them)"


def _lines(field: FieldChange, listed: Sequence[str], width: int, added: str = "+ ") -> list[str]:
    """Return a field on one line where it fits, else its path and then its values."""
    path = str(field)
    shown = field.shown(listed)
    hidden = shown[0] == shown[1] and field.old != field.new
    old, new = map(short, shown)
    match field.kind:
        case "added":
            values = [f"{added}{new}"]
        case "removed":
            values = [f"- {old}"]
        case "changed" | "reordered" if hidden:
            values = ["changed, value hidden" if old == mask.HIDDEN else f"{old}, the rest changed"]
        case "changed" | "reordered":
            values = [old, f"→ {new}"]
    joined, space = " ".join(values), width - _INDENT
    if len(path) + len(joined) < space:
        return [f"{path} {joined}"]
    return [path, *(f"  {line}" for line in ([joined] if len(joined) < space - 2 else values))]


def short(value: Any, limit: int = LONGEST) -> str:
    """Return a JSON value as text of so many characters at most."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def outcomes_table(outcomes: Sequence[Outcome], width: int = WIDTH) -> RenderableType:
    """Return what became of each change that was carried out, and the count line."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    table.add_column(width=8)
    table.add_column(overflow="fold", max_width=width - _BESIDE_NAMES - 4)
    table.add_column(overflow="fold")
    told = [outcome for outcome in outcomes if outcome.status is not Status.UNCHANGED]
    for outcome in told:
        style = _STYLES[outcome.change.action] if outcome.ok else "bold red"
        name, message = masked(outcome.change.key.name), masked(outcome.message)
        table.add_row(Text(outcome.status.value, style), name, message)
    last = Text(outcomes_summary(outcomes), "bold")
    return Group(table, Text(), last) if told else last


def outcomes_summary(outcomes: Iterable[Outcome]) -> str:
    """Return ``Done: 2 created, 1 updated, 1 failed``."""
    statuses = Counter(outcome.status for outcome in outcomes)
    counts = [(statuses[status], status.value) for status in Status]
    parts = [f"{count} {word}" for count, word in counts if count and word != "unchanged"]
    return f"Done: {', '.join(parts)}" if parts else "Done: nothing to do"


def plan_markdown(plan: Plan) -> str:
    """Return the plan as GitHub-flavoured Markdown, for a pull request's comment."""
    lines = [f"### m2s plan: {words.cell(heading(plan))}", ""]
    rows = [_Row.of(change, plan.show_env) for change in words.noteworthy(plan.changes)]
    rows += [_skipped(*pair) for pair in skips.of(plan)]
    if rows:
        several = len({row.platform for row in rows if row.platform}) > 1
        heads = ["", "Deployment", *(["Platform"] if several else []), "Model", "Version"]
        lines += [f"|{' | '.join(heads)} | Why and what |", "|---" * (len(heads) + 1) + "|"]
    for row in rows:
        name, _, _ = row.title.partition("\n")
        where = [row.platform] if several else []
        texts = (name, *where, row.model, row.version, "\n".join((row.why, *row.below)))
        lines.append(f"| `{row.symbol}` | {' | '.join(map(words.cell, texts))} |")
    lines += [""] if rows else []
    lines += [f"- {words.cell(mask.text(line))}" for line in not_checked(plan)]
    lines += [""] if plan.unchecked else []
    return "\n".join([*lines, f"**{summary(plan)}**", ""])


def outcomes_markdown(outcomes: Sequence[Outcome]) -> str:
    """Return what became of each change as a Markdown list."""
    told = [outcome for outcome in outcomes if outcome.status is not Status.UNCHANGED]
    lines = [
        f"- {outcome.status.value}: {words.cell(outcome.change.key.name)}"
        + (f": {words.cell(mask.text(outcome.message))}" if outcome.message else "")
        for outcome in told
    ]
    return "\n".join([*lines, *([""] if told else []), f"**{outcomes_summary(outcomes)}**", ""])
