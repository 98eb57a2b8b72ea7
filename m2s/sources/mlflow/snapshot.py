"""What a registry had when it was last looked at, kept up to date from what changed since.

A registered model has a stamp of its last change, and MLflow lists the last changed first. A change
of any version's stage, a new version and a deleted version show in it; aliases, tags and the
deletion of a model do not (mlflow/store/model_registry/sqlalchemy_store.py).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from m2s.domain.versions import Census, Model, ModelVersion

SLACK = 60_000
"""Milliseconds. A change is stamped before it is committed, and the clocks of two servers of one
registry differ: so much older than the newest may the stamp of a change be that is news."""
FEW = 100
"""Up to so many changed models are read by their names, more with the whole listing."""


@dataclass(frozen=True)
class ModelReader:
    """How to read the registry; each raises RegistryError when its answer would be incomplete.

    ``newest`` yields pages of models, the last changed first. ``clock`` is in seconds since 1970.
    ``unaliased`` is called where no model has an alias, and raises UsageError where none can have;
    ``unstaged`` where no version has a stage, which raises one. ``forget`` has the next answers
    read anew where they are kept for others.
    """

    models: Callable[[], Iterable[Model]]
    newest: Callable[[], Iterator[list[Model]]]
    versions: Callable[[], Iterable[ModelVersion]]
    versions_of: Callable[[Collection[str]], Iterable[ModelVersion]]
    clock: Callable[[], float] = time.time
    unaliased: Callable[[], None] = lambda: None
    unstaged: Callable[[], None] = lambda: None
    forget: Callable[[], None] = lambda: None


class OutOfDate(Exception):
    """What changed cannot be told from the stamps: everything is to be read again."""


@dataclass(frozen=True)
class Snapshot:
    """Every model and every version, by model.

    ``unsettled`` are the models that may have changed once more in the very millisecond of the
    stamp they were read with. ``newest`` is the newest stamp, first seen at ``since`` on the clock.
    """

    models: Mapping[str, Model]
    versions: Mapping[str, tuple[ModelVersion, ...]]
    unsettled: frozenset[str]
    newest: int
    since: float

    @classmethod
    def read(cls, reader: ModelReader) -> Snapshot:
        """Read everything. The stamps come first: what changes meanwhile is newer than them."""
        models = {model.name: model for model in reader.models()}
        newest, since = _newest(models), reader.clock()
        unsettled = {model.name for model in models.values() if model.updated == newest}
        versions = _by_model(reader.versions())
        return cls(models, versions, frozenset(unsettled), newest, since)

    def refreshed(self, reader: ModelReader, *, listing: bool) -> Snapshot:
        """Return what there is now, reading only what changed; OutOfDate: this cannot be done.

        ``listing`` lists every model, which shows aliases, tags and deletions as well.
        """
        found = {model.name: model for model in (reader.models() if listing else self._new(reader))}
        changed = {name for name, model in found.items() if self._moved(model)}
        again = changed | (self.unsettled & (found.keys() if listing else self.models.keys()))
        if not (again or listing) and all(self.models[name] == found[name] for name in found):
            return self
        if len(again) > FEW:
            raise OutOfDate
        read = _by_model(reader.versions_of(again)) if again else {}
        models = found if listing else {**self.models, **found}
        versions = {**self.versions, **{name: read.get(name, ()) for name in again}}
        kept = {name: each for name, each in versions.items() if name in models}
        newest = _newest(models)
        since = self.since if newest == self.newest else reader.clock()
        return Snapshot(models, kept, frozenset(changed), newest, since)

    @cached_property
    def census(self) -> Census:
        """All of it, by name."""
        every = (version for each in self.versions.values() for version in each)
        return Census(self.models, {(one.model, one.version): one for one in every}, whole=True)

    def staged(self, stage: str) -> tuple[ModelVersion, ...]:
        """Return the versions in a stage, by model and version."""
        every = (version for _, each in sorted(self.versions.items()) for version in each)
        return tuple(version for version in every if version.stage == stage)

    def aliased(self, alias: str) -> tuple[ModelVersion, ...]:
        """Return what an alias points at, by model; a version that is not there is ``MISSING``."""
        return tuple(
            self._version(name, model.aliases[alias], alias)
            for name, model in sorted(self.models.items())
            if alias in model.aliases
        )

    def _version(self, name: str, number: int, alias: str) -> ModelVersion:
        known = (each for each in self.versions.get(name, ()) if each.version == number)
        return next(known, None) or missing(alias, name, number)

    def _moved(self, model: Model) -> bool:
        known = self.models.get(model.name)
        return known is None or (known.created, known.updated) != (model.created, model.updated)

    def _new(self, reader: ModelReader) -> Iterator[Model]:
        """Yield the models on top, down to a page whose last one is old and no news."""
        last, old, seen = sys.maxsize, self._old(reader.clock()), set[str]()
        for page in reader.newest():
            for model in page:
                seen.add(model.name)
                if not 0 < model.updated <= last or self._is_renamed(model):
                    raise OutOfDate  # where a server does not order them, nor fill the stamps in
                if self.models.get(model.name, model).created != model.created:
                    raise OutOfDate  # of another registry, maybe: what else is known may be gone
                last = model.updated
                yield model
            if last < old and not self._moved(page[-1]):
                return
        if not self.models.keys() <= seen:
            raise OutOfDate  # these are all there are, and known ones are not among them

    def _old(self, now: float) -> int:
        """Return the stamp below which nothing can be news any more.

        It goes with the time: what is committed now has been stamped SLACK ago at the earliest. Of
        a clock that is ahead of ours nobody knows how time goes by on it.
        """
        ahead = self.newest > 1000 * now + SLACK
        passed = 0 if ahead else int(1000 * max(now - self.since, 0))
        return self.newest + passed - SLACK

    def _is_renamed(self, model: Model) -> bool:
        """Whether a name that is new here is that of a model which is not: its old one is gone.

        A model keeps the time of its creation. One that was created lately may just not have been
        seen before, unless a known one has that time to the millisecond.
        """
        if model.name in self.models:
            return False
        return model.created < self.newest - SLACK or model.created in self._created

    @cached_property
    def _created(self) -> frozenset[int]:
        return frozenset(model.created for model in self.models.values())


def _newest(models: Mapping[str, Model]) -> int:
    return max((model.updated for model in models.values()), default=0)


def has_no_stages(versions: Iterable[ModelVersion]) -> bool:
    """Whether there are versions, and none has a stage, not even ``None``."""
    return {version.stage for version in versions} == {""}


def missing(alias: str, model: str, version: int) -> ModelVersion:
    """Return what stands for a version that an alias points at and that is not there."""
    message = f"alias {alias} points at v{version}, which does not exist"
    return ModelVersion(model, version, status="MISSING", status_message=message)


def _by_model(versions: Iterable[ModelVersion]) -> dict[str, tuple[ModelVersion, ...]]:
    found: dict[str, list[ModelVersion]] = {}
    for version in versions:
        found.setdefault(version.model, []).append(version)
    return {name: tuple(each) for name, each in found.items()}
