"""Pure: two objects become the list of fields in which they differ."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from m2s.base import mask
from m2s.base.labels import MODEL_VERSION
from m2s.objects.body import Body, comparable, digest

Kind = Literal["added", "removed", "changed", "reordered"]


class Name(str):
    """A step into a list of named things, by the item's name instead of its index."""

    __slots__ = ()


Step = str | int


@dataclass(frozen=True)
class FieldChange:
    """One field that differs.

    ``path`` holds mapping keys (str), names of named list items (:class:`Name`) and indices
    (int). ``old`` is None where ``kind`` is added, ``new`` where it is removed. A reordered list
    of named things has the names, in order, as ``old`` and ``new``.
    """

    path: tuple[Step, ...]
    kind: Kind
    old: Any = None
    new: Any = None

    def __str__(self) -> str:
        """The path as a person writes it: ``spec.predictors[default].graph.modelUri``."""
        text = ""
        for step in self.path:
            plain = not isinstance(step, Name | int) and re.fullmatch(r"[A-Za-z_][\w-]*", step)
            text += (f".{step}" if text else str(step)) if plain else f"[{step}]"
        return text

    def shown(self, listed: Sequence[str] = ()) -> tuple[Any, Any]:
        """Return ``old`` and ``new`` as they may be shown (law 7).

        ``listed`` are the variables and arguments whose values may be shown.
        """
        if self.kind == "reordered":  # these are names
            return self.old, self.new
        return mask.at(self.path, self.old, listed), mask.at(self.path, self.new, listed)

    @property
    def bookkeeping(self) -> bool:
        """Whether it is one of m2s's own labels or annotations."""
        return self.path[0] == "metadata" and str(self.path[-1]).startswith("m2s.io/")


def fields(live: Body, merged: Body, ignore: Sequence[str] = ()) -> tuple[FieldChange, ...]:
    """Return how ``merged`` differs from ``live``, model-level facts first; empty means in sync.

    ``live`` is an object as the cluster has it, ``{}`` for none, ``merged`` the same as it would
    have it; ``ignore`` are JSON pointers (RFC 6901) that are not compared.
    """
    if live is merged:
        return ()
    old, new = (dropped(comparable(body), ignore) for body in (live, merged))
    if digest(old) == digest(new):
        return ()
    return tuple(sorted(_changes(old, new, ()), key=_rank))


def leaves(body: Body, kind: Literal["added", "removed"]) -> tuple[FieldChange, ...]:
    """Return every value of an object that comes or goes as a whole, facts first."""
    found = _leaves(comparable(body), ())
    pairs = (
        (path, None, value) if kind == "added" else (path, value, None) for path, value in found
    )
    return tuple(sorted((FieldChange(p, kind, old, new) for p, old, new in pairs), key=_rank))


def _leaves(value: Any, path: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], Any]]:
    _, inner = _members(value)
    if not inner and (path[0] != "metadata" or len(path) > 2):  # an empty map of labels is no field
        yield path, value
    for step, item in inner.items():
        yield from _leaves(item, (*path, step))


def dropped(body: Mapping[str, Any], pointers: Sequence[str]) -> dict[str, Any]:
    """Return ``body`` without what the JSON pointers name; shares what is not changed."""
    result = dict(body)
    for pointer in pointers:
        result = _without(result, steps(pointer))
    return result


def steps(pointer: str) -> list[str]:
    """Split a JSON pointer (RFC 6901, section 4) into its reference tokens."""
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _without(node: Any, path: list[str]) -> Any:
    head, *rest = path
    if isinstance(node, Mapping) and head in node:
        if not rest:
            return {key: value for key, value in node.items() if key != head}
        return {**node, head: _without(node[head], rest)}
    if isinstance(node, list) and head.isdecimal() and int(head) < len(node):
        index = int(head)
        inner = [_without(node[index], rest)] if rest else []
        return [*node[:index], *inner, *node[index + 1 :]]
    return node


def has(body: Body, pointer: str) -> bool:
    """Whether a JSON pointer leads to anything, be it null."""
    *_, (_, found) = _way(body, pointer)
    return found is not _NOTHING


def carried(body: Body, live: Body, pointers: Sequence[str]) -> dict[str, Any]:
    """Return ``body``, without its values at ``pointers``, with the live object's instead."""
    result = dict(body)
    for pointer in pointers:
        *_, (_, value) = walked(live, pointer)
        if value is not None:
            result = _with(result, steps(pointer), value)
    return result


def walked(body: Body, pointer: str) -> Iterator[tuple[str, Any]]:
    """Yield each step of a JSON pointer and what it leads to; None from where there is nothing."""
    for step, node in _way(body, pointer):
        yield step, None if node is _NOTHING else node


_NOTHING = object()


def _way(body: Body, pointer: str) -> Iterator[tuple[str, Any]]:
    node: Any = body
    for step in steps(pointer):
        if isinstance(node, list):
            node = node[int(step)] if step.isdecimal() and int(step) < len(node) else _NOTHING
        else:
            node = node.get(step, _NOTHING) if isinstance(node, Mapping) else _NOTHING
        yield step, node


def _with(node: Any, path: list[str], value: Any) -> Any:
    head, *rest = path
    if isinstance(node, list):
        index = int(head)
        if rest and index < len(node):
            return [*node[:index], _with(node[index], rest, value), *node[index + 1 :]]
        return node if rest else [*node[:index], value, *node[index:]]
    inner = node if isinstance(node, Mapping) else {}
    return {**inner, head: _with(inner.get(head), rest, value) if rest else value}


def _changes(old: Any, new: Any, path: tuple[Step, ...]) -> Iterator[FieldChange]:
    """Yield the smallest parts that differ: named things by name, other items by position."""
    (kind, left), (other, right) = _members(old), _members(new)
    if kind is other is not None:
        # Matching by name would hide that the order changed, which a router's children feel.
        if kind is Name and [n for n in left if n in right] != [n for n in right if n in left]:
            yield FieldChange(path, "reordered", list(map(str, left)), list(map(str, right)))
        for step in {**left, **right}:
            inner = left.get(step, _NOTHING), right.get(step, _NOTHING)
            yield from _changes(*inner, (*path, step))
    elif old is _NOTHING:
        yield FieldChange(path, "added", None, new)
    elif new is _NOTHING:
        yield FieldChange(path, "removed", old, None)
    elif type(old) is not type(new) or old != new:
        yield FieldChange(path, "changed", old, new)


def _members(value: Any) -> tuple[type | None, dict[Any, Any]]:
    """Return what kind of steps lead into a value, None where none do, and what is there."""
    if isinstance(value, Mapping):
        return str, dict(value)
    if named(value):
        return Name, {Name(item["name"]): item for item in value}
    return (int, dict(enumerate(value))) if isinstance(value, list) else (None, {})


def named(value: Any) -> bool:
    """Whether a value is a list of things with names of their own, which stand for its indices."""
    if not isinstance(value, list) or not value:
        return False
    names = [item.get("name") if isinstance(item, Mapping) else None for item in value]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _rank(change: FieldChange) -> tuple[int, str]:
    """Model-level facts first: version, image, replicas, model URI; then spec, then metadata."""
    last = str(change.path[-1])
    if change.path[0] != "metadata":
        order = {"image": 1, "replicas": 2, "modelUri": 3}.get(last, 4)
    else:
        order = 0 if change.path[-2:] == ("annotations", MODEL_VERSION) else 5
    return order, str(change)
