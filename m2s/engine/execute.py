"""The engine's other half: executes a Plan, the only code that writes to a cluster (law 1)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from functools import partial
from typing import assert_never

from m2s.base import mask, trace
from m2s.base.errors import ClusterUnavailable, M2sError
from m2s.base.gate import Gate
from m2s.base.threads import brief
from m2s.domain.deployments import LiveDeployment
from m2s.domain.versions import Key, Whereabouts
from m2s.engine import turns
from m2s.engine.outcomes import NOT_ATTEMPTED, Interrupted, Outcome, Report, Status, silent
from m2s.plan.changes import Blocked, Change, Create, Delete, Unchanged, Update, loses
from m2s.plan.plan import Plan
from m2s.targets.cluster import Cluster

SecondLook = Callable[[LiveDeployment], Whereabouts]


def execute(
    plan: Plan,
    cluster: Cluster,
    *,
    write: bool = True,
    delete: bool = False,
    second_look: SecondLook | None = None,
    concurrency: int = 8,
    report: Report = silent,
    gate: Gate | None = None,
) -> tuple[Outcome, ...]:
    """Carry out a plan: creations and updates first, then names pass on, then deletions.

    One failing never stops the others, except that a cluster which no longer answers is not asked
    again. Deletions come last. What a model leaves goes, or passes to another, only once its
    successor is there.

    Args:
        plan: what to do.
        cluster: where.
        write: create and update.
        delete: delete, and with ``write`` hand names to other models.
        second_look: asks the registry about a model once more before its deployment is deleted;
            None deletes without (a teardown, which the registry has no say in).
        concurrency: how many changes are under way at a time.
        report: called with each outcome as it comes, from this thread.
        gate: passed by each change; once it is shut, the rest fails as not attempted.

    Returns:
        An outcome for every change that was to be carried out and, where ``write``, for every
        blocked one and for what is as wanted already; in the plan's order.
    """
    if not delete:
        plan = plan.without_takeovers()
    run = _Run(cluster, second_look, gate or Gate())
    numbered = dict(enumerate(plan.changes))
    steps = _Steps(numbered, concurrency, report)
    unread = (n for n, c in numbered.items() if delete and isinstance(c, Blocked) and c.unread)
    stays = (n for n, c in numbered.items() if write and isinstance(c, Unchanged | Blocked))
    for number in sorted({*unread, *stays}):
        steps.note(number, run.write(numbered[number]))
    writes = {n: c for n, c in numbered.items() if write and isinstance(c, Create | Update)}
    steps.carry_out({n: c for n, c in writes.items() if not loses(c)}, run.write)
    taken = {n: c for n, c in writes.items() if loses(c)}
    steps.hand_over(taken, lambda c: run.last_look(c) or run.write(c))
    deletions = {n: c for n, c in numbered.items() if delete and isinstance(c, Delete)}
    held = steps.unserved()
    steps.carry_out(deletions, lambda c: _held(c) if turns.successor(c) in held else run.delete(c))
    return steps.outcomes


class _Steps:
    """The changes of a plan, by their place in it, and what became of them so far."""

    def __init__(self, changes: Mapping[int, Change], concurrency: int, report: Report) -> None:
        self._changes, self._concurrency, self._report = changes, concurrency, report
        self.done: dict[int, Outcome] = {}

    def note(self, number: int, outcome: Outcome) -> None:
        self.done[number] = outcome
        change, why = outcome.change, outcome.message or outcome.change.reason
        trace.step(f"{outcome.status.value} {change.key.name}: {why}")
        self._report(outcome)

    def carry_out(self, changes: Mapping[int, Change], step: Callable[[Change], Outcome]) -> None:
        pool = ThreadPoolExecutor(self._concurrency)
        futures = {pool.submit(step, change): number for number, change in changes.items()}
        try:
            for future in as_completed(futures):
                self.note(futures[future], future.result())
        except KeyboardInterrupt as error:
            # What is being written is finished, what is not begun stays undone.
            pool.shutdown(cancel_futures=True)
            ended = {futures[each]: each for each in futures if not each.cancelled()}
            self.done |= {number: each.result() for number, each in ended.items()}
            raise Interrupted(self.outcomes) from error
        finally:
            pool.shutdown(cancel_futures=True)

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What there is so far, in the plan's order."""
        return tuple(self.done[number] for number in sorted(self.done))

    def hand_over(self, left: Mapping[int, Change], step: Callable[[Change], Outcome]) -> None:
        """Carry out takeovers, each when it is its turn; the others are held."""
        while ready := turns.ready(left, self.unserved()):
            self.carry_out(ready, step)
            left = {number: change for number, change in left.items() if number not in ready}
        for number, change in left.items():
            self.note(number, _held(change))

    def unserved(self) -> set[Key]:
        """Return the objects that do not serve yet what they are planned to."""
        written = (one.change.key for one in self.done.values() if one.applied)
        return turns.unserved(self._changes.values(), written)


def _held(change: Change) -> Outcome:
    heir = turns.successor(change)
    name = heir.name if heir else change.key.name
    return Outcome(change, Status.HELD, f"{name} is not there yet: apply first")


class _Run:
    """The steps of one execution, which share the news that the cluster is gone."""

    def __init__(self, cluster: Cluster, second_look: SecondLook | None, gate: Gate) -> None:
        self._cluster = cluster
        self._second_look = second_look
        self._gate = gate
        self._gone = threading.Event()

    def write(self, change: Change) -> Outcome:
        match change:
            case Create(manifest=manifest):
                step = partial(self._cluster.apply, manifest, None, self._gate)
                return self._guarded(change, Status.CREATED, step)
            case Update():
                return self._guarded(change, Status.UPDATED, lambda: self._updated(change))
            case Blocked(reason=reason):
                return Outcome(change, Status.BLOCKED, reason)
            case Unchanged(live=live, manifest=manifest, reason=reason):
                return Outcome(change, Status.UNCHANGED, reason, live if manifest else None)
            case Delete():
                raise AssertionError(f"{change.key} is not to be written")
            case _:
                assert_never(change)

    def _updated(self, change: Update) -> LiveDeployment:
        live = change.live
        if not change.only_marks:
            live = self._cluster.apply(change.manifest, live, self._gate)
        return self._cluster.mark(live, change.marks, self._gate) if change.marks else live

    def delete(self, change: Change) -> Outcome:
        if not isinstance(change, Delete):
            raise AssertionError(f"nothing to delete for {change}")
        live = change.live

        def step() -> None:
            self._cluster.delete(live, self._gate)

        return self.last_look(change) or self._guarded(change, Status.DELETED, step)

    def last_look(self, change: Change) -> Outcome | None:
        """Take the last look at what a change ends; return why it may not, None where it may."""
        if not isinstance(change, Delete | Update):
            raise AssertionError(f"nothing ends by {change}")
        # A renamed model is still wanted, under its successor's name: that was looked at already.
        moved = isinstance(change, Delete) and change.moved
        looked = turns.successor(change) is not None and (moved or not change.live.template)
        if self._second_look is None or looked or self._gate.shut:
            return None
        try:
            place = self._second_look(change.live)
        except M2sError as error:
            return Outcome(change, Status.FAILED, f"held: {error}")
        if place.selected:
            return Outcome(change, Status.HELD, "wanted again since the plan was made")
        if place.paused:
            return Outcome(change, Status.HELD, "paused since the plan was made")
        return None

    def _guarded(
        self, change: Change, done: Status, step: Callable[[], LiveDeployment | None]
    ) -> Outcome:
        if self._gone.is_set():
            return _not_attempted(change, "the cluster does not answer")
        if not self._gate.enter():
            return _not_attempted(change, "told to stop")
        try:
            return Outcome(change, done, "", step())
        except M2sError as error:
            if isinstance(error, ClusterUnavailable):
                self._gone.set()
            body = change.manifest.body if isinstance(change, Create | Update) else {}
            return Outcome(change, Status.FAILED, mask.within(str(error), body))
        except Exception as error:  # noqa: BLE001 - a bug with one object stops no other
            return Outcome(change, Status.FAILED, f"this should not happen: {brief(error)}")
        finally:
            self._gate.leave()


def _not_attempted(change: Change, why: str) -> Outcome:
    return Outcome(change, Status.FAILED, NOT_ATTEMPTED + why)
