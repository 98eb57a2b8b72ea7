"""The lines below a row of a plan: notes, warnings, and the fields that a change moves; masked."""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, assert_never

from m2s.base import mask, wording
from m2s.domain.deployments import LiveDeployment
from m2s.domain.manifests import Manifest
from m2s.objects.diff import FieldChange, Step, steps
from m2s.output.tables import WIDTH
from m2s.plan.changes import Blocked, Change, Create, Delete, Unchanged, Update
from m2s.platforms import catalogue
from m2s.platforms.common import pod_security

MAX_FIELDS = 12
"""How many fields of one change the table lists; JSON lists them all."""
LONGEST = 120
"""Characters of a value that the table shows."""
_BEFORE = 20
"""Characters before the first one that differs."""
INDENT = 3
"""Columns before the lines below a row."""
Shared = Mapping[str, Sequence[str]]
"""Warnings that many rows share, each with the names of their deployments."""
NONE_SHARED: Shared = MappingProxyType({})


def details(
    change: Change,
    listed: Sequence[str] = (),
    width: int = WIDTH,
    shared: Shared = NONE_SHARED,
) -> list[str]:
    """Return the notes and the fields of one change, a line each; the reason is not among them.

    ``listed`` are the variables and arguments whose values may be shown. A line of more columns
    than ``width`` is told in several. ``shared`` warnings are told elsewhere.
    """
    return _details(change, shared, _Table(listed, width))


def diff(change: Change, listed: Sequence[str] = (), shared: Shared = NONE_SHARED) -> list[str]:
    """Return the same as the lines of a diff: ``- `` was, ``+ `` will be."""
    lines = _details(change, shared, _Diff(listed))
    return [line if line[:2] in ("- ", "+ ", "! ") else f"  {line}" for line in lines]


def _details(change: Change, shared: Shared, lay: _Lay) -> list[str]:
    match change:
        case Create(manifest=manifest):
            lines = [*_notes(manifest, shared), *_facts(change, lay)]
        case Update(manifest=manifest):
            lines = [*_notes(manifest, shared), *_field_lines(change, lay)]
        case Unchanged(manifest=manifest):
            lines = [*manifest.notes, *_warnings(manifest, shared)] if manifest else []
        case Blocked(live=live):
            lines = list(_kept(live)) if live else []
        case Delete():
            lines = []
        case _:
            assert_never(change)
    return [mask.text(line) for line in lines]


def _notes(manifest: Manifest, shared: Shared) -> Iterator[str]:
    yield from manifest.notes
    yield from _warnings(manifest, shared)
    for pointer in manifest.ignored:
        yield f"{'.'.join(steps(pointer))} is left to others (--ignore)"


def _kept(live: LiveDeployment) -> Iterator[str]:
    if len(live.served) > 1:
        yield f"held: {wording.told(map(str, live.served))} keep serving"
    elif live.version:
        yield f"held: v{live.version} keeps serving"


def _warnings(manifest: Manifest, shared: Shared) -> Iterator[str]:
    return (f"warning: {warning}" for warning in manifest.warnings if warning not in shared)


def _watched(manifest: Manifest) -> Mapping[tuple[Step, ...], Any]:
    parts = catalogue.of(manifest.key).pod_specs(manifest.body)
    return pod_security.watched(manifest.body, parts)


def _is_within(path: tuple[Step, ...], places: Container[tuple[Step, ...]]) -> bool:
    return any(path[:length] in places for length in range(1, len(path) + 1))


def _facts(change: Create, lay: _Lay) -> Iterator[str]:
    """What a data scientist looks for in a new deployment, and what a policy is about (law 13)."""
    watched, facts = _watched(change.manifest), catalogue.of(change.key).facts
    for field in change.fields:
        last = field.path[-2] if field.path[-1] == "value" else field.path[-1]
        fact = field.path[0] == "spec" and last in facts
        if fact or _is_within(field.path, watched):
            yield from lay.lines(field, added="")
    for field in _resources(change.fields):
        yield from lay.lines(field, added="")


def _resources(fields: Iterable[FieldChange]) -> Iterator[FieldChange]:
    """Yield the resources of each container as one field: ``limits.memory 1Gi, requests.cpu 1``."""
    found: dict[tuple[Step, ...], list[str]] = {}
    for field in fields:
        if "resources" in field.path[:-1]:  # an empty one says nothing
            cut = field.path.index("resources") + 1
            name = ".".join(map(str, field.path[cut:]))
            found.setdefault(field.path[:cut], []).append(f"{name} {field.new}")
    for path, told in found.items():
        yield FieldChange(path, "added", None, ", ".join(told))


def _field_lines(change: Update, lay: _Lay) -> Iterator[str]:
    # m2s's own labels and annotations only say again what the row's version says.
    told = [field for field in change.fields if not field.bookkeeping]
    for field in told[:MAX_FIELDS]:
        yield from lay.lines(field)
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
        yield from lay.lines(field)
    if len(told) > MAX_FIELDS:
        yield f"and {len(told) - MAX_FIELDS} more fields (-o json lists them)"


class _Lay(Protocol):
    """How the lines of a field are laid out; ``added`` stands before what was not there."""

    def lines(self, field: FieldChange, added: str = "+ ") -> list[str]: ...


@dataclass(frozen=True, slots=True)
class _Table:
    listed: Sequence[str]
    width: int

    def lines(self, field: FieldChange, added: str = "+ ") -> list[str]:
        """Return a field on one line where it fits, else its path and then its values."""
        path, (old, new, hidden) = str(field), _shown(field, self.listed)
        match field.kind:
            case "added":
                values = [f"{added}{new}"]
            case "removed":
                values = [f"- {old}"]
            case "changed" | "reordered":
                values = [hidden] if hidden else [old, f"→ {new}"]
        joined, space = " ".join(values), self.width - INDENT
        if len(path) + len(joined) < space:
            return [f"{path} {joined}"]
        return [path, *(f"  {line}" for line in ([joined] if len(joined) < space - 2 else values))]


@dataclass(frozen=True, slots=True)
class _Diff:
    listed: Sequence[str]

    def lines(self, field: FieldChange, added: str = "+ ") -> list[str]:  # noqa: ARG002 - _Lay's
        """Return a line for what was and one for what will be."""
        path, (old, new, hidden) = str(field), _shown(field, self.listed)
        if hidden:
            return [f"! {path} {hidden}"]
        was = [] if field.kind == "added" else [f"- {path} {old}"]
        return was if field.kind == "removed" else [*was, f"+ {path} {new}"]


def _shown(field: FieldChange, listed: Sequence[str]) -> tuple[str, str, str]:
    """Return old and new as text, and what is said instead where both would look alike."""
    shown = field.shown(listed)
    if shown[0] != shown[1] or field.old == field.new:
        pair = differing(*shown) if field.kind == "changed" else tuple(map(short, shown))
        return pair[0], pair[1], ""
    old = short(shown[0])
    return old, old, "changed, value hidden" if old == mask.HIDDEN else f"{old}, the rest changed"


def _text(value: Any) -> str:
    """Return a JSON value as text, without any secret: what is cut could no longer be told one."""
    return mask.text(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def short(value: Any, limit: int = LONGEST) -> str:
    """Return a JSON value as text of so many characters at most."""
    text = _text(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def differing(old: Any, new: Any, limit: int = LONGEST) -> tuple[str, str]:
    """Return two values as text of so many characters at most, each with the part that differs."""
    texts = [_text(old), _text(new)]
    if max(map(len, texts)) <= limit:
        return texts[0], texts[1]
    pairs = enumerate(zip(*texts, strict=False))
    same = next((place for place, (one, other) in pairs if one != other), min(map(len, texts)))
    start = max(0, same - _BEFORE)
    cut = [f"…{text[start:]}" if start else text for text in texts]
    return short(cut[0], limit), short(cut[1], limit)
