"""A checkup for people: one screen of 80 columns, or Markdown; all passes :mod:`m2s.base.mask`."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from rich.console import Group, RenderableType
from rich.text import Text

from m2s.base import mask
from m2s.domain.rights import told
from m2s.engine.check import Checkup, ClusterSide, CommandRights, RegistrySide
from m2s.output import words
from m2s.output.tables import folded, masked

_GOOD, _BAD, _MINOR = "green", "bold red", "yellow"


class _Row(NamedTuple):
    name: str
    text: str
    style: str = ""


def table(checkup: Checkup) -> RenderableType:
    """Return both sides, every command, and the last line that says what it comes to."""
    rows = [row for block in _blocks(checkup) for row in (*block, None)]
    width = max(len(row.name) for row in rows if row)
    shown = (
        folded((width,), Text(row.name, "bold"), masked(row.text, row.style)) if row else Text()
        for row in rows
    )
    return Group(*shown, masked(verdict(checkup), "bold"))


def markdown(checkup: Checkup) -> str:
    """Return the same as GitHub-flavoured Markdown."""
    lines = ["### m2s check", "", "| | |", "|---|---|"]
    for block in _blocks(checkup):
        lines += [f"| {row.name} | {words.cell(mask.text(row.text))} |" for row in block]
    return "\n".join([*lines, "", f"**{verdict(checkup)}**", ""])


def verdict(checkup: Checkup) -> str:
    """Return the last line."""
    count = len(checkup.problems)
    found = f"{count} problem{'s' * (count > 1)}" if count else "all that is needed is there"
    return f"Check: {found}"


def _blocks(checkup: Checkup) -> Iterator[list[_Row]]:
    yield list(_source(checkup.source))
    yield list(_target(checkup.target))
    if checkup.parts:
        lacking = [_Row("Problem", checkup.lacking, _BAD)] if checkup.lacking else []
        yield [*map(_part, checkup.parts), *lacking]


def _source(source: RegistrySide) -> Iterator[_Row]:
    yield _Row("Registry", source.identity or "none")
    if source.version or source.offers:
        yield _Row("Version", f"MLflow {source.version or 'of unknown version'}")
    if source.workspace or source.workspaces:
        there = f"; the server has {', '.join(source.workspaces)}" if source.workspaces else ""
        yield _Row("Workspace", f"{source.workspace or 'none is asked for'}{there}")
    if source.offers:
        yield _Row("Stages", _counts(source.offers.stages))
        yield _Row("Aliases", _counts(source.offers.aliases))
    if source.works:
        yield _Row("Works", ", ".join(("stages", *source.works)))
    for line in source.lacks:
        yield _Row("Lacks", line, _MINOR)
    if source.problem:
        yield _Row("Problem", source.problem, _BAD)


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({count})" for name, count in counts.items()) or "none"


def _target(target: ClusterSide) -> Iterator[_Row]:
    yield _Row("Target", target.identity or "none")
    access = target.access
    if access and access.version:
        yield _Row("Version", f"Kubernetes {access.version}")
    if access and access.account:
        yield _Row("Account", access.account)
    if target.namespace:
        yield _Row("Namespace", target.namespace)
    for problem in target.problems:
        yield _Row("Problem", problem, _BAD)


def _part(part: CommandRights) -> _Row:
    if not part.missing:
        return _Row(part.need.what, "works", _GOOD)
    missing = f"may not {told(part.missing)}"
    if part.need.needed:
        return _Row(part.need.what, missing, _BAD)
    return _Row(part.need.what, f"{missing} (not needed: {part.need.without})", _MINOR)
