"""Follow what was written until it serves, fails, or takes too long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from m2s.base.errors import M2sError
from m2s.engine.outcomes import Outcome, Report, Status, silent
from m2s.plan.changes import Update
from m2s.targets.cluster import Cluster

T = TypeVar("T")


@dataclass(frozen=True)
class Stuck:
    """A rollout that has not ended, and what it waits for."""

    reason: str


def wait(
    cluster: Cluster,
    outcomes: Iterable[Outcome],
    *,
    timeout: float,
    report: Report = silent,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> tuple[Outcome, ...]:
    """Follow the rollouts until each serves, fails, or ``timeout`` seconds pass, over all.

    Returns:
        The outcomes, with SERVING, or FAILED and what it is stuck on, for each written object.
    """
    results = list(outcomes)
    waiting = {
        n: "the cluster did not say in time how far it is"
        for n, o in enumerate(results)
        if o.applied
    }
    deadline, pause = clock() + timeout, 0.2
    while waiting and clock() < deadline:
        for number in list(waiting):
            seen = _in_time(deadline - clock(), partial(_look, cluster, results[number]))
            if isinstance(seen, Stuck):
                waiting[number] = seen.reason
            elif seen:
                results[number] = seen
                del waiting[number]
                report(seen)
        if waiting:
            sleep(min(pause, max(deadline - clock(), 0)))
            pause = min(pause * 1.5, 3.0)
    for number, stuck in waiting.items():
        message = f"not serving after {timeout:g} s: {stuck}"
        results[number] = Outcome(results[number].change, Status.FAILED, message)
        report(results[number])
    return tuple(results)


def _in_time(seconds: float, step: Callable[[], T]) -> T | None:
    """Return what a step comes to; None when it takes longer, or there is no time to begin it.

    A request may well take longer than is left, with its retries: it is left to itself then.
    """
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(step())
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            done.set_exception(error)

    if seconds <= 0:
        return None
    threading.Thread(target=run, name="m2s-look", daemon=True).start()
    try:
        return done.result(seconds)
    except TimeoutError:
        return None


def _look(cluster: Cluster, outcome: Outcome) -> Outcome | Stuck:
    """Return how a rollout ended, or what it still waits for."""
    if outcome.applied is None:
        raise AssertionError("nothing was written")
    before = outcome.change.live if isinstance(outcome.change, Update) else None
    try:
        rollout = cluster.rollout(outcome.applied, before)
    except M2sError as error:
        return Stuck(str(error))  # the outage may pass before the deadline does
    if rollout.serving:
        same = outcome.status is Status.UNCHANGED
        served = Outcome(outcome.change, Status.SERVING, rollout.message, outcome.applied)
        return outcome if same else served
    if rollout.failed:
        return Outcome(outcome.change, Status.FAILED, rollout.message)
    return Stuck(rollout.message)
