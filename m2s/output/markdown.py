"""A plan as Markdown for a pull request's comment: a summary, and details that fold; masked."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence

from m2s.base import mask
from m2s.engine import skips
from m2s.output import changes_view, plan_view, words
from m2s.output.document import not_checked
from m2s.output.plan_view import Row
from m2s.output.tables import WIDTH
from m2s.plan.changes import Change
from m2s.plan.plan import Plan

ROOM = 65_536
"""Characters that a comment of GitHub may have."""
_TABLE, _MARGIN = 40_000, 1_000
"""Characters for the rows, and those that the last lines may take."""


def plan_markdown(plan: Plan) -> str:
    """Return the plan: the count line, a row a deployment, and a diff each that folds.

    What does not fit into a comment is left out, and counted.
    """
    shown = list(words.noteworthy(plan.changes))
    shared = plan_view.shared_by(shown)
    rows = [Row.of(change, plan.show_env, WIDTH, shared) for change in shown]
    rows += [plan_view.skipped_row(*pair) for pair in skips.of(plan)]
    below = [*plan_view.told_once(shared), *not_checked(plan)]
    lines = [
        f"### m2s plan: {words.cell(plan_view.heading(plan))}",
        "",
        f"**{plan_view.counts(plan, shared)}**",
        *([""] if rows else []),
        *_fitting(_rows(rows), _TABLE, "rows"),
        *([""] if below else []),
        *(f"- {words.cell(mask.text(line))}" for line in below[: words.MAX_QUIET]),
        "",
    ]
    used = sum(len(line) + 1 for line in lines)
    folds = list(filter(None, (_fold(change, plan.show_env, shared) for change in shown)))
    lines += _fitting(folds, ROOM - _MARGIN - used, "details of deployments")
    return "\n".join(lines).rstrip("\n") + "\n"


def _rows(rows: Sequence[Row]) -> list[str]:
    if not rows:
        return []
    several = len({row.platform for row in rows if row.platform}) > 1
    heads = ["", "Deployment", *(["Platform"] if several else []), "Model", "Version"]
    lines = [f"|{' | '.join(heads)} | Why |\n{'|---' * (len(heads) + 1)}|"]
    for row in rows:
        name, _, _ = row.title.partition("\n")
        where = [row.platform] if several else []
        cells = " | ".join(map(words.cell, (name, *where, row.model, row.version, row.why)))
        lines.append(f"| `{row.symbol}` | {cells} |")
    return lines


def _fitting(texts: Sequence[str], room: int, what: str) -> Iterator[str]:
    """Yield as many texts as there is room for, and how many are left out."""
    for number, text in enumerate(texts):
        room -= len(text) + 1
        if room < 0:
            yield f"\n{len(texts) - number} more {what} are left out; `m2s plan` has them all."
            return
        yield text


def _fold(change: Change, listed: Sequence[str], shared: changes_view.Shared) -> str:
    """Return what a change brings as a block that folds, "" where there is nothing to tell."""
    lines = changes_view.diff(change, listed, shared)
    if not lines:
        return ""
    runs = [len(run) for line in lines for run in re.findall("`+", line)]
    fence = "`" * max(3, *(run + 1 for run in (0, *runs)))
    title = html.escape(f"{change.action.value} {mask.text(change.key.name)}")
    body = "\n".join(lines)
    head = f"<details><summary><code>{title}</code></summary>"
    return f"{head}\n\n{fence}diff\n{body}\n{fence}\n\n</details>"
