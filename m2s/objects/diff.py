"""Pure: two objects become the list of fields in which they differ.

The only importer of deepdiff; its objects do not leave this room.
"""

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
        """The path as a person writes it: ``spec.containers[server].image``."""
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
    found = _compared(list(_pairs(_keyed(old), _keyed(new), ())))
    return tuple(sorted([*found, *_reordered(old, new, ())], key=_rank))


def leaves(body: Body, kind: Literal["added", "removed"]) -> tuple[FieldChange, ...]:
    """Return every value of an object that comes or goes as a whole, facts first."""
    found = _leaves(comparable(body), ())
    pairs = (
        (path, None, value) if kind == "added" else (path, value, None) for path, value in found
    )
    return tuple(sorted((FieldChange(p, kind, old, new) for p, old, new in pairs), key=_rank))


def _leaves(value: Any, path: tuple[Step, ...]) -> Iterator[tuple[tuple[Step, ...], Any]]:
    inner: list[tuple[Step, Any]] = []
    if isinstance(value, Mapping):
        inner = list(value.items())
    elif named(value):
        inner = [(Name(item["name"]), item) for item in value]
    elif isinstance(value, list):
        inner = list(enumerate(value))
    if not inner:
        if path[0] != "metadata" or len(path) > 2:  # an empty map of labels is no field
            yield path, value
        return
    for step, item in inner:
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


_MISSING = object()
_Pair = tuple[tuple[Any, ...], Any, Any]


def _pairs(old: Any, new: Any, path: tuple[Any, ...]) -> Iterator[_Pair]:
    """Yield the smallest parts that differ, and where they are.

    Only so that the library, which takes its time over each value, has little to look at.
    """
    if isinstance(old, dict) and type(old) is type(new):
        for key in {**old, **new}:
            yield from _pairs(old.get(key, _MISSING), new.get(key, _MISSING), (*path, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from _pairs(left, right, (*path, index))
    elif type(old) is not type(new) or old != new:
        yield path, old, new


def _compared(pairs: Sequence[_Pair]) -> Iterator[FieldChange]:
    from deepdiff import DeepDiff  # dear to import, and mostly nothing differs

    tree = DeepDiff(
        {number: old for number, (_, old, _) in enumerate(pairs) if old is not _MISSING},
        {number: new for number, (_, _, new) in enumerate(pairs) if new is not _MISSING},
        view="tree",
        verbose_level=2,
        threshold_to_diff_deeper=0,  # else two mappings with little in common count as replaced
        zip_ordered_iterables=True,  # lists of unnamed things are compared by position
    )
    for levels in tree.values():
        for level in levels:
            number, *rest = level.path(output_format="list")
            yield _change(level, (*pairs[number][0], *rest))


def _change(level: Any, steps: tuple[Any, ...]) -> FieldChange:
    from deepdiff.helper import NotPresent

    path = tuple(map(_step, steps))
    if isinstance(level.t1, NotPresent):
        return FieldChange(path, "added", None, _unkeyed(level.t2))
    if isinstance(level.t2, NotPresent):
        return FieldChange(path, "removed", _unkeyed(level.t1), None)
    return FieldChange(path, "changed", _unkeyed(level.t1), _unkeyed(level.t2))


class _Keyed(dict[str, Any]):
    """A list of named things as a mapping by name, for the library to match by."""


def named(value: Any) -> bool:
    """Whether a value is a list of things with names of their own, which stand for its indices."""
    if not isinstance(value, list) or not value:
        return False
    names = [item.get("name") if isinstance(item, Mapping) else None for item in value]
    return all(isinstance(name, str) for name in names) and len(set(names)) == len(names)


def _keyed(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _keyed(item) for key, item in value.items()}
    if named(value):
        return _Keyed({"\0" + item["name"]: _keyed(item) for item in value})
    return [_keyed(item) for item in value] if isinstance(value, list) else value


def _unkeyed(value: Any) -> Any:
    if isinstance(value, _Keyed):
        return [_unkeyed(item) for item in value.values()]
    if isinstance(value, Mapping):
        return {key: _unkeyed(item) for key, item in value.items()}
    return [_unkeyed(item) for item in value] if isinstance(value, list) else value


def _step(step: Any) -> Step:
    if isinstance(step, str) and step.startswith("\0"):
        return Name(step[1:])
    return step if isinstance(step, int) else str(step)


def _reordered(old: Any, new: Any, path: tuple[Step, ...]) -> Iterator[FieldChange]:
    """Matching by name would hide that the order changed, which a router's children feel."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in old.keys() & new.keys():
            yield from _reordered(old[key], new[key], (*path, key))
    elif named(old) and named(new):
        before, after = ({item["name"]: item for item in items} for items in (old, new))
        common = [name for name in before if name in after]
        if common != [name for name in after if name in before]:
            yield FieldChange(path, "reordered", list(before), list(after))
        for name in common:
            yield from _reordered(before[name], after[name], (*path, Name(name)))
    elif isinstance(old, list) and isinstance(new, list):
        for index, (left, right) in enumerate(zip(old, new, strict=False)):
            yield from _reordered(left, right, (*path, index))


def _rank(change: FieldChange) -> tuple[int, str]:
    """Model-level facts first: version, image, replicas, model URI; then spec, then metadata."""
    last = str(change.path[-1])
    if change.path[0] != "metadata":
        order = {"image": 1, "replicas": 2}.get(last, 3 if last.endswith("Uri") else 4)
    else:
        order = 0 if change.path[-2:] == ("annotations", MODEL_VERSION) else 5
    return order, str(change)
