"""Pure: what a second look at the registered models says of the updates (law 10).

Lists can be short, or empty where there is something, without any error: what they would undo is
believed only if the model, looked up by its name, says the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from m2s.base.labels import PAUSED, is_set
from m2s.domain.manifests import Manifest
from m2s.domain.versions import Model, Selector, Served, Unreadable
from m2s.plan import holds
from m2s.plan.changes import Change, Unchanged, Update, blocked, judged
from m2s.plan.holds import Renamed

Looked = Mapping[str, Model | Unreadable | None]
"""What a look at each model came to; None where there is no such model."""


def names(changes: Iterable[Change], renamed: Renamed) -> tuple[str, ...]:
    """Return the models that are to be looked up: whatever is updated may have been paused."""
    found = (name for each in changes if isinstance(each, Update) for name in _names(each, renamed))
    return tuple(dict.fromkeys(found))


def _names(change: Update, renamed: Renamed) -> Iterator[str]:
    wanted = [one.model for one in change.manifest.models]
    yield from wanted
    for one in change.live.served:
        name = renamed.get(one.model, one.model)
        # Of a model that is no longer served there, other looks are taken: see m2s.plan.claims.
        if change.live.template and name not in wanted:
            yield name


def checked(changes: tuple[Change, ...], looked: Looked, renamed: Renamed) -> tuple[Change, ...]:
    """Return ``changes`` without the updates that a second look does not bear out."""
    done = judged(changes, lambda update: _checked(update, looked, renamed))
    return holds.keeping(done, renamed)


def _checked(change: Update, looked: Looked, renamed: Renamed) -> Change:
    found = {name: looked.get(name) for name in _names(change, renamed)}
    for name, model in found.items():
        if isinstance(model, Model) and is_set(model.tags.get(PAUSED)):
            why = f"paused by the tag {PAUSED} of {name}"
            return Unchanged(change.live, why, ordered=True)
    if change.manifest.pin:
        return change
    doubts = (*_unseen(change.manifest, found), *_not_borne_out(change, found, renamed))
    return blocked(change.manifest, doubts[0], change.live) if doubts else change


def _unseen(manifest: Manifest, found: Looked) -> Iterator[str]:
    for version in manifest.models:
        model = found[version.model]
        if isinstance(model, Unreadable):
            yield model.reason
        if model is None:
            seen = "a second look finds no such registered model"
            yield f"{version} is listed, and {seen}: held; plan again"


def _not_borne_out(change: Update, found: Looked, renamed: Renamed) -> Iterator[str]:
    for one, selector in _backwards(change, renamed):
        model = found[one.model]
        if not isinstance(model, Model):
            continue
        in_stage = selector.kind == "stage"
        now = (model.stages if in_stage else model.aliases).get(selector.name)
        if now != int(one.version):
            link, seen = "in" if in_stage else "as", "none" if now is None else f"v{now}"
            yield (
                f"{one} is listed {link} {selector.name}, and a second look finds {seen} there: "
                "held; plan again"
            )


def _backwards(change: Update, renamed: Renamed) -> Iterator[tuple[Served, Selector]]:
    """Yield each version that goes down, and what chose it."""
    manifest = change.manifest
    main = manifest.aliases[0] if manifest.aliases else ""
    before = {
        (renamed.get(one.model, one.model), one.alias or main): one.version
        for one in change.live.served
    }
    for one in manifest.served:
        old = before.get((one.model, one.alias), "")
        if old.isdecimal() and int(old) > int(one.version):
            yield one, Selector("alias", one.alias) if one.alias else manifest.selector
