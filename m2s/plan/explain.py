"""Pure: each field of one planned deployment, and which layer of its description gave it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from m2s.base import mask
from m2s.base.errors import M2sError, UsageError
from m2s.base.names import near
from m2s.domain.manifests import Manifest
from m2s.objects import diff
from m2s.objects.body import Body
from m2s.objects.diff import FieldChange
from m2s.objects.origins import Source
from m2s.plan.changes import Blocked, Change, Create, Delete, Unchanged, Update
from m2s.plan.plan import Plan
from m2s.platforms import catalogue

_CLUSTER = Source("the cluster's default")
_OTHERS = Source("left to others by --ignore")


@dataclass(frozen=True, slots=True)
class Explained:
    """One field: its path and its value, masked, and where it comes from."""

    path: str
    value: Any
    source: Source


@dataclass(frozen=True, slots=True)
class Explanation:
    """A deployment's fields, the model-level facts first."""

    change: Change
    fields: tuple[Explained, ...]

    def by_layer(self) -> dict[str, list[Explained]]:
        """Return the fields by their layer, in the order of its lines."""
        layers: dict[str, list[Explained]] = {}
        for field in self.fields:
            layers.setdefault(field.source.layer, []).append(field)
        return {
            layer: sorted(fields, key=lambda field: field.source.line or 0)
            for layer, fields in layers.items()
        }


def of(plan: Plan, name: str) -> Explanation:
    """Return where the fields of the deployment ``name`` come from.

    Raises:
        UsageError: the plan has no such deployment.
        M2sError: it has, but there is no manifest of it.
    """
    key = catalogue.called(name, (change.key for change in plan.changes))
    named = [change for change in plan.changes if change.key == key]
    for change in named:
        if found := _object(change):
            return Explanation(change, tuple(_fields(*found, plan.show_env)))
    if named:
        first, why = named[0], mask.text(named[0].reason)
        why = f"it is to be deleted: {why}" if isinstance(first, Delete) else why
        raise M2sError(f"{name} has no description to explain: {why}")
    others = near(name, (change.key.name for change in plan.changes))
    hint = f"; did you mean {others}?" if others else ", which is empty"
    raise UsageError(f"--explain {name}: no such deployment in the plan{hint}")


def document(explanation: Explanation) -> dict[str, Any]:
    """Return an explanation as JSON values."""
    return {
        "name": explanation.change.key.name,
        "namespace": explanation.change.key.namespace,
        "action": explanation.change.action.word,
        "fields": [
            {
                "path": field.path,
                "value": field.value,
                "layer": field.source.layer,
                "line": field.source.line,
            }
            for field in explanation.fields
        ],
    }


def _fields(manifest: Manifest, body: Body, listed: Sequence[str]) -> Iterator[Explained]:
    sources = manifest.sources()
    for leaf in diff.leaves(body, "added"):
        source = _OTHERS if _left(leaf, manifest.ignored) else sources.get(leaf.path, _CLUSTER)
        yield Explained(str(leaf), mask.at(leaf.path, leaf.new, listed), source)


def _left(leaf: FieldChange, ignored: Iterable[str]) -> bool:
    path = [str(step) for step in leaf.path]
    return any(path[: len(steps)] == steps for steps in map(diff.steps, ignored))


def _object(change: Change) -> tuple[Manifest, Body] | None:
    """Return the manifest and the object that the change comes to; None without a manifest."""
    match change:
        case Create(manifest=manifest, merged=merged) | Update(manifest=manifest, merged=merged):
            return manifest, merged
        case Unchanged(manifest=Manifest() as manifest, live=live):
            return manifest, live.body
        case Blocked(manifest=Manifest() as manifest):
            return manifest, manifest.body
        case _:
            return None
