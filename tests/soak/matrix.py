"""The cells: each kind of request with each fault, once and always, and what was violated."""

from __future__ import annotations

import json
import resource
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from tests.kits.descriptors import spare
from tests.kits.support import Result
from tests.servers import FaultProxy
from tests.servers.faults import Fault
from tests.soak import faults
from tests.soak.kinds import Kind, kind_of
from tests.soak.scenes import Played, Scene, Theatre, comparable, plain

BOUND = 60
"""Seconds a command has with a timeout of one second a request, on a machine under load."""
REQUESTS = 200
"""Requests a command may send beyond those that it sends undisturbed."""
MEMORY = 640 * 1024
"""KiB by which the process may grow in one cell."""


_VERSION = Kind("mlflow", "GET", "/version", "")


@dataclass(frozen=True)
class Cell:
    """One kind of request, one fault; ``once`` or always."""

    kind: Kind
    fault: str
    once: bool

    def __str__(self) -> str:
        return f"{self.kind} | {self.fault} | {'once' if self.once else 'always'}"


class Matrix:
    """All cells of a theatre; ``elsewhere`` is a server that nobody may be redirected to."""

    def __init__(self, theatre: Theatre, elsewhere: Mapping[str, FaultProxy]) -> None:
        self.theatre, self.elsewhere = theatre, elsewhere

    def cells(self) -> Iterator[Cell]:
        """Yield every cell that there is."""
        for kind in self.theatre.kinds:
            for fault in self._faults(kind):
                yield Cell(kind, fault, once=True)
                yield Cell(kind, fault, once=False)

    def spread(self, count: int) -> list[Cell]:
        """Return so many cells, spread over all kinds and faults, without the slow ones."""
        every = [cell for cell in self.cells() if cell.fault not in faults.SLOW]
        step = max(1, len(every) // count)
        step += step % 2 == 0  # an odd one takes once and always in turn
        return every[::step][:count]

    def _faults(self, kind: Kind) -> Mapping[str, Any]:
        every = dict(faults.EVERY)
        if kind == _VERSION:
            del every["half of the JSON"]  # it is a text, and half of 3.17 is a version as well
        there = {**every, **faults.redirects(self.elsewhere[kind.edge].url + "/elsewhere")}
        return {**there, **faults.LISTS} if _lists(kind) else there

    def violations(self, cell: Cell) -> list[str]:
        """Play the cell's scene and return what was violated."""
        spare()
        scene = self.theatre.kinds[cell.kind]
        spoiled = self._spoil(cell)
        memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        played = self.theatre.play(scene)
        grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
        found = list(self._told(scene, played))
        found += self._bounds(scene, played, grown)
        found += self._written(scene, played)
        found += self._wrong(cell, scene, played)
        if not spoiled.seen:
            found.append("the request was never made")
        return [f"{cell} ({scene.name}): {each}" for each in found]

    def _spoil(self, cell: Cell) -> Fault:
        proxy: FaultProxy = getattr(self.theatre.world, cell.kind.edge)
        made: Fault = self._faults(cell.kind)[cell.fault]()
        edge = cell.kind.edge
        fault = replace(
            made,
            times=1 if cell.once else None,
            only=lambda request: kind_of(edge, request) == cell.kind,
        )
        proxy.add(fault)
        return fault

    def _told(self, scene: Scene, played: Played) -> Iterator[str]:
        result = played.result
        said = result.out + result.err
        if played.raised:
            yield f"it raises {played.raised[:300]}"
            return
        for bad in ("Traceback", "this should not happen", "the loop failed", "cannot take note"):
            if bad in said:
                yield f"{bad}: {said[-600:]}"
        if result.code not in (0, 1, 3, 64):
            yield f"exit code {result.code}"
        errors = [line for line in result.err.splitlines() if line.startswith("Error: ")]
        told = errors or any(word in said for word in _TELLING) or _has_problems(result)
        if result.code and not told:
            yield f"exit {result.code} without a line: {said[-300:]}"
        if len(errors) > 1 or any(len(line) > 1000 for line in errors):
            yield f"no single line: {errors}"

    def _bounds(self, scene: Scene, played: Played, grown: int) -> Iterator[str]:
        if played.seconds > BOUND:
            yield f"it took {played.seconds:.0f} s"
        more = played.requests - self.theatre.undisturbed[scene.name].requests
        if more > REQUESTS:
            yield f"{more} requests more than undisturbed"
        if grown > MEMORY:
            yield f"{grown // 1024} MiB more memory"
        for edge, server in self.elsewhere.items():
            if server.requests:
                server.requests.clear()
                yield f"a request of {edge} went elsewhere"

    def _written(self, scene: Scene, played: Played) -> Iterator[str]:
        before = self.theatre.before(scene)
        goal = self.theatre.undisturbed[scene.name]
        for name in before.keys() | goal.state.keys() | played.state.keys():
            now, allowed = played.state.get(name), [before.get(name), goal.state.get(name)]
            if now is None and None not in allowed:
                yield f"{name} was deleted"
            elif now is None:
                continue
            elif comparable(now) not in [comparable(each) for each in allowed if each]:
                yield f"{name} was written otherwise: {json.dumps(now)[:300]}"
        if lost := {tag for tag in goal.tags if not _of_ours(tag)} - played.tags:
            yield f"tags are gone: {lost}"
        served = {_served(body) for body in [*before.values(), *played.state.values()]}
        strange = played.tags - goal.tags
        if false := {tag for tag in strange if not _of_ours(tag) or tag[:2] not in served}:
            yield f"other tags were written: {false}"

    def _wrong(self, cell: Cell, scene: Scene, played: Played) -> Iterator[str]:
        """Yield what came out otherwise, with exit 0 and not a word."""
        goal = self.theatre.undisturbed[scene.name]
        result = played.result
        if result.code or _warned(goal.result.err, result.err) or cell.fault in _UNTOLD:
            return
        missed = [name for name in goal.state if name not in played.state]
        missed += [name for name in played.state if name not in goal.state]
        kept = goal.state.keys() & played.state.keys()
        missed += [n for n in kept if comparable(goal.state[n]) != comparable(played.state[n])]
        if missed:
            yield f"exit 0 and not a word, but {missed} are not as they should be"
        missed_tags = goal.tags - played.tags
        if missed_tags and not cell.kind.path.endswith("/set-tag"):
            yield f"exit 0 and not a word, but there are no tags {missed_tags}"
        if not any(word in result.out for word in _TELLING) and _otherwise(goal.result, result):
            yield f"exit 0 and not a word, but another output: {result.out[:900]}"


_UNTOLD = {*faults.LISTS, "404 in the server's words"}
"""Lies in a server's own words. What a list lacks, or what is said not to exist, nobody can know:
that nothing wrong comes of it is all that can be asked for.

Another one is in :meth:`Matrix._wrong`: ``{}`` is what MLflow says to a tag that it has set."""


def _otherwise(undisturbed: Result, result: Result) -> bool:
    """Whether an output says something else; that less is known may be said by leaving it out."""
    try:
        return not _within(json.loads(result.out), json.loads(undisturbed.out))
    except ValueError:
        return plain(result.out) != plain(undisturbed.out)


def _within(now: Any, whole: Any) -> bool:
    if isinstance(now, dict) and isinstance(whole, dict):
        return all(_within(value, whole.get(key)) for key, value in now.items())
    if isinstance(now, list) and isinstance(whole, list) and len(now) == len(whole):
        return all(map(_within, now, whole))
    if isinstance(now, str) and isinstance(whole, str):
        return not now or plain(now) == plain(whole)
    return now in (None, []) or bool(now == whole)


_TELLING = ("blocked", "failed", "not checked", "cannot", "unknown", "refused", "WARNING", "ERROR")


def _warned(undisturbed: str, said: str) -> bool:
    """Whether there is a line of trouble that is not there otherwise."""
    lines = {plain(line) for line in said.splitlines() if line.strip()}
    return bool(lines - {plain(line) for line in undisturbed.splitlines()})


def _has_problems(result: Result) -> bool:
    """Whether `m2s check` names some."""
    try:
        return bool(json.loads(result.out)["problems"])
    except (ValueError, KeyError, TypeError):
        return False


def _of_ours(tag: tuple[str, ...]) -> bool:
    return tag[-2].startswith("m2s.io/live/")


def _served(body: Mapping[str, Any]) -> tuple[str, str]:
    marks = body["metadata"].get("annotations", {})
    return marks.get("m2s.io/model", ""), marks.get("m2s.io/version", "")


def _lists(kind: Kind) -> bool:
    pages = ("/search", "artifacts?", "/seldondeployments")
    whole = f"{kind.path}?"
    return kind.method == "GET" and (
        any(whole.endswith(f"{page.rstrip('?')}?") for page in pages)
        or "mlflow/artifacts/list" in kind.path
    )
