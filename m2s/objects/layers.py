"""Partial objects, one over the other, by Kubernetes' strategic rules; pure.

The rules are those of "Update API Objects in Place Using kubectl patch" and of the Go tags
``patchMergeKey`` in k8s.io/api, as far as a deployment has such fields:

- mappings merge, to any depth; the higher layer wins a scalar; ``null`` removes what is lower;
- lists whose items have keys merge item by item: the lower layer's order stays, new ones follow;
- every other list is replaced whole, and so is one whose items cannot be told apart;
- ``$patch: replace`` in a mapping forgets the lower layers', ``$patch: delete`` removes it.

Two rules are m2s's own. Items without a name are told apart by what a platform says, such as their
containers' names; one without any is the first. An item named ``*`` is said of every item of its
list, whichever layer has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from m2s.objects.diff import FieldChange, Name, Step, named
from m2s.objects.list_keys import EVERY, KEYS, NAMELESS, ListKey, identities
from m2s.objects.origins import Source, Sources


@dataclass(frozen=True)
class Layer:
    """A partial object, and what to call it.

    ``line`` returns where in the layer's file the path of a value stands, in keys and indices;
    None for a layer that is no file. ``described`` tells of a path what
    :class:`~m2s.objects.origins.Source` has; ``notes`` say what of the file is left out, and why.
    """

    name: str
    body: Mapping[str, Any]
    line: Callable[..., int] | None = None
    described: Callable[..., bool] | bool = False
    notes: tuple[str, ...] = ()

    @cached_property
    def plain(self) -> bool:
        """Whether the body says just what it comes to alone: most do, and need no rules."""
        return _is_plain(self.body)


@dataclass(frozen=True)
class Merged:
    """What layers come to."""

    body: dict[str, Any]
    found: Mapping[_Path, _Given]
    notes: tuple[str, ...] = ()

    def sources(self) -> Sources:
        """Return where every leaf of ``body`` comes from; lines are looked up only here.

        Of what a description took out of a mapping it is told, too.
        """
        return {
            named_path(self.body, (*path, *below)): _below(given, below).source
            for path, given in self.found.items()
            for below in _leaves(given.value)
        }


def merge(layers: Sequence[Layer], keys: Mapping[str, ListKey] = KEYS) -> Merged:
    """Return ``layers``, the lowest first, as one object; none of them is changed.

    ``keys`` tell the items of lists apart, by the list's field.
    """
    found: dict[_Path, _Given] = {}
    givens = [_Given(layer, (), dict(layer.body), keys) for layer in layers]
    notes = tuple(note for layer in layers for note in layer.notes)
    if len(layers) == 1 and layers[0].plain:
        return Merged(givens[0].value, {(): givens[0]}, notes)
    body = _merged(givens, (), found) if givens else {}
    return Merged(body, found, notes)


def named_path(body: Any, path: Sequence[str | int]) -> tuple[Step, ...]:
    """Return a path of keys and indices with the names of named things, as a FieldChange has it."""
    result: list[Step] = []
    for step in path:
        by_name = isinstance(step, int) and named(body)
        body = body.get(step) if isinstance(body, Mapping) else body[step]
        result.append(Name(body["name"]) if by_name else step)
    return tuple(result)


def dotted(body: Any, path: Sequence[str | int]) -> str:
    """Return a path, the last step of which may be missing, as a person writes it."""
    return str(FieldChange((*named_path(body, path[:-1]), path[-1]), "added"))


_Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class _Given:
    """What one layer says of a place, and where in the layer it stands."""

    layer: Layer
    at: _Path
    value: Any
    keys: Mapping[str, ListKey]

    def child(self, step: str | int) -> _Given:
        return _Given(self.layer, (*self.at, step), self.value[step], self.keys)

    def without(self, key: str) -> _Given:
        kept = {name: value for name, value in self.value.items() if name != key}
        return _Given(self.layer, self.at, kept, self.keys)

    def name(self, field: str) -> str | None:
        """Return the field that names the items of a list, where there is one."""
        key = self.keys.get(field)
        return key if isinstance(key, str) else None

    def items(self, field: str) -> list[frozenset[Any]] | None:
        return identities(field, self.value, self.keys)

    @property
    def source(self) -> Source:
        line = self.layer.line
        where, own = line(*self.at) if line else None, self.layer.described
        return Source(self.layer.name, where, own(*self.at) if callable(own) else own)


def _merged(givens: Sequence[_Given], path: _Path, found: dict[_Path, _Given]) -> Any:
    """Return what ``givens``, the last of which stands, come to; their sources go to ``found``."""
    if len(givens) == 1 and _is_plain(givens[0].value):
        found[path] = givens[0]
        return givens[0].value
    field = str(path[-1]) if path else ""
    standing = _standing(givens, field)
    kind = _kind(standing[-1], field)
    result: Any
    if kind == "mapping":
        result = _mappings(standing, path, found)
    elif kind == "items":
        result = _items(standing, field, path, found)
    else:
        found[path] = standing[-1]
        return standing[-1].value
    if not result:
        found[path] = _below(standing[-1], ())
    return result


def _is_plain(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "$patch" not in value and all(map(_is_plain, value.values()))
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is not None and value != EVERY


def _below(given: _Given, path: _Path) -> _Given:
    return _Given(given.layer, (*given.at, *path), None, given.keys)


def _leaves(value: Any, path: _Path = ()) -> Iterator[_Path]:
    pairs: list[tuple[Any, Any]] = []
    if isinstance(value, Mapping):
        pairs = list(value.items())
    elif isinstance(value, list):
        pairs = list(enumerate(value))
    if not pairs:
        yield path
    for step, inner in pairs:
        yield from _leaves(inner, (*path, step))


_Kind = Literal["nothing", "mapping", "items", "whole"]


def _kind(given: _Given, field: str) -> _Kind:
    value = given.value
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "nothing" if value.get("$patch") == "delete" else "mapping"
    return "items" if given.items(field) is not None else "whole"


def _standing(givens: Sequence[_Given], field: str) -> list[_Given]:
    """Return the highest givens that merge with each other: what is below another kind is gone."""
    if len(givens) == 1:
        return list(givens)
    kind, result = _kind(givens[-1], field), list[_Given]()
    for given in reversed(givens):
        if _kind(given, field) != kind:
            break
        result.insert(0, given)
        if kind == "mapping" and given.value.get("$patch") == "replace":
            break
    return result


def _stands(givens: Sequence[_Given]) -> bool:
    value = givens[-1].value if givens else None
    return value is not None and not (isinstance(value, dict) and value.get("$patch") == "delete")


def _mappings(givens: Sequence[_Given], path: _Path, found: dict[_Path, _Given]) -> dict[str, Any]:
    result = {}
    for key in dict.fromkeys(key for given in givens for key in given.value if key != "$patch"):
        inner = [given.child(key) for given in givens if key in given.value]
        if not _stands(inner):
            if inner[-1].layer.described is True:
                found[*path, key] = _below(inner[-1], ())
        elif not _only_every(inner, key):
            result[key] = _merged(inner, (*path, key), found)
    return result


def _only_every(givens: Sequence[_Given], field: str) -> bool:
    """Whether lists have nothing but what is said of every item: of none, then."""
    if not isinstance(givens[-1].value, list):
        return False
    lists = [given.items(field) for given in _standing(givens, field)]
    return all(ids and all(names == {EVERY} for names in ids) for ids in lists)


def _items(
    givens: Sequence[_Given], field: str, path: _Path, found: dict[_Path, _Given]
) -> list[Any]:
    groups = [group for group in _groups(givens, field) if _stands(group)]
    named_once = [_named_once(_standing(group, ""), group[0].name(field)) for group in groups]
    return [_merged(group, (*path, index), found) for index, group in enumerate(named_once)]


def _named_once(group: Sequence[_Given], key: str | None) -> list[_Given]:
    """Leave an item's name to the lowest layer that has it: a higher one only points at it."""
    if key is None:
        return list(group)
    first = next((level for level, given in enumerate(group) if key in given.value), 0)
    return [given.without(key) if n > first else given for n, given in enumerate(group)]


_Group = tuple[set[Any], dict[int, list[_Given]]]


def _groups(givens: Sequence[_Given], field: str) -> list[list[_Given]]:
    """Return, for each item of the merged list, what the lists say of it, the lowest first."""
    every: dict[int, list[_Given]] = {}
    groups: list[_Group] = []
    for level, given in enumerate(givens):
        for index, names in enumerate(given.items(field) or ()):
            item = given.child(index)
            if names == {EVERY}:
                name = given.name(field)
                every[level] = [item.without(name) if name else item]
                continue
            group = next((one for one in groups if one[0] & names), None) or _first(groups, names)
            if group is None:
                groups.append(group := (set(), {}))
            group[0].update(names)
            group[1].setdefault(level, []).append(item)
    levels = range(len(givens))
    return [
        [item for level in levels for item in (*every.get(level, ()), *own.get(level, ()))]
        for _, own in groups
    ]


def _first(groups: list[_Group], names: frozenset[Any]) -> _Group | None:
    """Return the first group if either side has no names: no containers mean those of the graph."""
    nameless = groups and (names == NAMELESS or groups[0][0] == NAMELESS)
    return groups[0] if nameless else None
