"""A registry for repeated passes: it reads what changed, and from time to time everything."""

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from itertools import chain, islice
from typing import Generic, TypeVar

from m2s.domain.versions import (
    Census,
    Description,
    MlModel,
    ModelVersion,
    Selector,
    Unchecked,
    Unreadable,
)
from m2s.sources.mlflow.snapshot import ModelReader, OutOfDate, Snapshot, has_no_stages
from m2s.sources.source import Registry

_Key = tuple[ModelVersion, int, bool]
_MlModel = MlModel | Unchecked | None
_K = TypeVar("_K")
_V = TypeVar("_V")

DOUBTS = 20
"""How many of the things that were not there are looked for again in each pass."""


class _Memory(Generic[_K, _V]):
    """Values by key, of which some are doubtful: they say that something was not there."""

    def __init__(self) -> None:
        self._values: dict[_K, _V] = {}
        self._used: set[_K] = set()
        self._doubtful: dict[_K, None] = {}

    def __contains__(self, key: _K) -> bool:
        return key in self._values

    def __getitem__(self, key: _K) -> _V:
        self._used.add(key)
        return self._values[key]

    def put(self, key: _K, value: _V, *, doubtful: bool) -> None:
        """Keep a value; a doubtful one is doubted after all that are so already."""
        self._values[key] = value
        if doubtful:
            self._doubtful[key] = None

    def doubt(self, count: int | None) -> dict[_K, _V]:
        """Forget and return up to ``count`` doubtful values, the oldest first; with None all."""
        keys = list(islice(self._doubtful, count))
        for key in keys:
            del self._doubtful[key]
        return {key: self._values.pop(key) for key in keys}

    def drop_unused(self) -> None:
        """Forget what nobody asked for since this was last said."""
        for key in self._values.keys() - self._used:
            del self._values[key]
            self._doubtful.pop(key, None)
        self._used.clear()


class IncrementalRegistry:
    """:class:`~m2s.sources.source.Registry` for ``watch``; ``select`` is for one thread at a time.

    Asking for a selector for the second time begins a new pass. A pass reads what changed since
    the last one. It reads everything when ``resync`` seconds have gone by, when it was told to by
    :meth:`forget`, or where the registry does not say what changed. Until then a tag, and a model
    that was deleted as a whole, may go unnoticed, which only keeps what is there.

    ``reader`` reads the listings of ``registry``; nothing is deleted or resolved on the strength
    of what was read before, so looks at single models and versions go to the registry itself.
    """

    def __init__(
        self,
        registry: Registry,
        reader: ModelReader,
        *,
        resync: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._registry, self._reader = registry, reader
        self._resync, self._clock = resync, clock
        self._snapshot: Snapshot | None = None
        self._read_at = 0.0
        self._listed = False
        self._asked: set[Selector] = set()
        self._forget = threading.Event()
        self._begun = False
        self._paused: frozenset[str] = frozenset()
        self._described = _Memory[_Key, Description]()
        self._folders = _Memory[str, _MlModel]()
        self.identity = registry.identity
        self.resolve, self.locate, self.look = registry.resolve, registry.locate, registry.look
        self.models, self.offers = registry.models, registry.offers
        self.example = registry.example

    def forget(self) -> None:
        """Have the next pass read everything: something happened that stamps do not show."""
        self._forget.set()
        self._reader.forget()

    def select(self, selector: Selector) -> tuple[ModelVersion, ...]:
        """Return every version that the selector names; see ``select``.

        For an alias every registered model is listed in each pass: nothing tells that one moved.
        """
        by_alias = selector.kind == "alias"
        snapshot = self._snapshot
        if snapshot is None or not self._begun or selector in self._asked:
            self._doubt()
            snapshot = self._begin(listing=by_alias)
        elif by_alias and not self._listed:
            snapshot = self._snapshot = self._read(snapshot, listing=True)
        if by_alias and not any(model.aliases for model in snapshot.models.values()):
            self._reader.unaliased()
        if not by_alias and has_no_stages(chain.from_iterable(snapshot.versions.values())):
            self._reader.unstaged()
        self._asked.add(selector)
        return snapshot.aliased(selector.name) if by_alias else snapshot.staged(selector.name)

    def unmoved(self, selectors: Iterable[Selector]) -> bool:
        """Begin a pass: see :class:`m2s.watch.quiet.Unmoved`; False when everything is due."""
        before = self._snapshot
        if before is None or self._is_due():
            return False
        described, folders = self._doubt()
        now = self._begin(listing=any(each.kind == "alias" for each in selectors))
        paused = self._paused
        same = (
            (now.models, now.versions) == (before.models, before.versions)
            # Where none is, a new pause holds nothing back before something else moves.
            and (not paused or self.paused() == paused)
            and all(self.describe(key[0], read=key[2]) == old for key, old in described.items())
            and all(self.mlmodel(folder) == old for folder, old in folders.items())
        )
        self._begun = not same  # a pass that follows goes on from what was read just now
        return same

    def _is_due(self) -> bool:
        return self._forget.is_set() or self._clock() - self._read_at >= self._resync

    def _doubt(self) -> tuple[dict[_Key, Description], dict[str, _MlModel]]:
        """Forget a few of the things that were not there, or all of them, and return them."""
        count = None if self._is_due() else DOUBTS
        return self._described.doubt(count), self._folders.doubt(count)

    def _begin(self, *, listing: bool) -> Snapshot:
        self._asked.clear()
        self._begun = self._listed = False  # so it stays if reading fails
        self._snapshot = self._read(None if self._is_due() else self._snapshot, listing=listing)
        self._begun = True
        return self._snapshot

    def _read(self, known: Snapshot | None, *, listing: bool) -> Snapshot:
        """Return the current state; reuse what an earlier pass read if that is possible."""
        if known is not None:
            with suppress(OutOfDate):
                snapshot = known.refreshed(self._reader, listing=listing)
                self._listed = listing
                return snapshot
        begun = self._clock()
        self._forget.clear()
        try:
            snapshot = Snapshot.read(self._reader)
        except BaseException:
            self._forget.set()
            raise
        self._read_at, self._listed = begun, True
        self._described.drop_unused()
        self._folders.drop_unused()
        return snapshot

    def model_tags(self) -> Mapping[str, Mapping[str, str]]:
        """Return the tags of every registered model, as they were when the model was last read."""
        if self._snapshot is None:
            return self._registry.model_tags()
        return {model.name: model.tags for model in self._snapshot.models.values()}

    def paused(self) -> frozenset[str]:
        """Ask the registry itself: no stamp shows a tag."""
        self._paused = self._registry.paused()
        return self._paused

    def describe(
        self, version: ModelVersion, *, read: bool = True, again: bool = False
    ) -> Description | Unreadable:
        """Return how one version wants to be deployed, looked up once for each of its states."""
        key = (version, version.updated, read)
        if again or key not in self._described:
            found = self._registry.describe(version, read=read, again=again)
            if isinstance(found, Unreadable):
                return found
            self._described.put(key, found, doubtful=read and found.file is None)
        return self._described[key]

    def mlmodel(self, folder: str) -> MlModel | Unchecked | None:
        """Return what a folder's MLmodel file says; see ``mlmodel``."""
        if folder not in self._folders:
            found = self._registry.mlmodel(folder)
            self._folders.put(folder, found, doubtful=not isinstance(found, MlModel))
        return self._folders[folder]

    def census(self) -> Census:
        """Return what there was when it was last read."""
        return self._snapshot.census if self._snapshot else Census()
