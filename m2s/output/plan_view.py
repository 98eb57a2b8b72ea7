"""Plan and outcomes for people, masked: a rich table that fits 80 columns, or Markdown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from m2s.base import mask, wording
from m2s.domain.manifests import Skipped
from m2s.domain.versions import Key, Served
from m2s.engine import skips
from m2s.engine.outcomes import Outcome, Status
from m2s.output import words
from m2s.output.changes_view import INDENT, NONE_SHARED, Shared, details
from m2s.output.document import not_checked
from m2s.output.tables import WIDTH, folded, masked, room
from m2s.plan.changes import Action, Change, Delete
from m2s.plan.plan import Plan, models_of, served_of, summary

_STYLES = {
    Action.CREATE: "green", Action.UPDATE: "yellow", Action.DELETE: "red",
    Action.UNCHANGED: "dim", Action.BLOCKED: "bold magenta",
}  # fmt: skip
MANY = 4
"""Rows that share a warning; of so many it is said once, below the table."""
_BESIDE_NAMES = 46
"""Columns that names leave for the rest of a row, at least."""


def plan_table(plan: Plan, width: int = WIDTH) -> RenderableType:
    """Return the plan as a table of so many columns, and the count line."""
    parts: list[RenderableType] = [Text(heading(plan))]
    shown = list(words.noteworthy(plan.changes))
    skipped = [skipped_row(*pair) for pair in skips.of(plan)]
    shared = shared_by(shown)
    rows = [Row.of(change, plan.show_env, width, shared) for change in shown]
    rows += skipped[: words.MAX_QUIET]
    if rows:
        parts += [Text(), *_table(rows, width)]
    if len(shown) < len(plan.changes):
        rest = len(plan.changes) - len(shown)
        parts.append(Text(f"= {rest} more unchanged, not listed (-o json lists them)", "dim"))
    if (more := len(skipped) - words.MAX_QUIET) > 0:
        parts.append(Text(f"? {more} more skipped, not listed (-o json lists them)"))
    if plan.unchecked or shared:
        parts += [Text(), *map(masked, (*told_once(shared), *not_checked(plan)))]
    return Group(*parts, Text(), Text(counts(plan, shared), "bold"))


def shared_by(changes: Iterable[Change]) -> Shared:
    """Return the warnings that are told once, below the rows."""
    found: dict[str, list[str]] = {}
    for change in changes:
        manifest = None if isinstance(change, Delete) else change.manifest
        for warning in manifest.warnings if manifest else ():
            found.setdefault(warning, []).append(change.key.name)
    return {warning: names for warning, names in found.items() if len(names) >= MANY}


def told_once(shared: Shared) -> Iterator[str]:
    """Yield a line for each warning that many rows share."""
    for warning, names in shared.items():
        yield f"warning for {len(names)} deployments ({wording.told(names)}): {warning}"


def counts(plan: Plan, shared: Shared) -> str:
    """Return the count line, with how many deployments share warnings that are told once."""
    warned = len({name for names in shared.values() for name in names})
    return f"{summary(plan)}, {warned} with a warning" if warned else summary(plan)


def heading(plan: Plan) -> str:
    """Return which registry's what is compared with which cluster."""
    where = f"namespace {plan.namespace} at {plan.target}"
    selectors = ", ".join(str(item) for item in plan.selectors)
    source = f"{selectors} of {plan.registry}" if plan.registry else selectors
    return mask.text(f"{source} → {where}" if source else where)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
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
    def of(
        cls, change: Change, listed: Sequence[str], width: int = WIDTH, shared: Shared = NONE_SHARED
    ) -> Row:
        """Return the row of a change."""
        return cls(
            symbol=change.action.value,
            style=_STYLES[change.action],
            title=_title(change),
            model=models_of(change)[0],
            version=words.version(change),
            why=mask.text(change.reason),
            below=details(change, listed, width, shared),
            platform=words.platform(change.key),
        )


def skipped_row(key: Key, item: Skipped) -> Row:
    """Return the row of a version that is selected and not served."""
    version = item.version
    served = Served(version.model, str(version.version))
    return Row(
        symbol="?",
        style="cyan",
        title=words.title(key.name, (served,)),
        model=version.model,
        version=words.versions((served,)),
        why=mask.text(f"skipped: {item.reason}"),
    )


def _table(rows: Sequence[Row], width: int) -> Iterator[RenderableType]:
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
    if cell_len(line) <= width - INDENT:
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


def outcomes_markdown(outcomes: Sequence[Outcome]) -> str:
    """Return what became of each change as a Markdown list."""
    told = [outcome for outcome in outcomes if outcome.status is not Status.UNCHANGED]
    lines = [
        f"- {outcome.status.value}: {words.cell(outcome.change.key.name)}"
        + (f": {words.cell(mask.text(outcome.message))}" if outcome.message else "")
        for outcome in told
    ]
    return "\n".join([*lines, *([""] if told else []), f"**{outcomes_summary(outcomes)}**", ""])
