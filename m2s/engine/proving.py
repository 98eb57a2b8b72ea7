"""A version is proven: it rolled out, and it answers the example that was logged with it.

One that does not gives way to what served before, where that is asked for (law 16). What was found
is noted on the deployment, so that whoever comes next carries on from there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

from m2s.base.bounds import after
from m2s.base.errors import ClusterError, ClusterUnavailable, M2sError
from m2s.base.gate import OPEN, Gate
from m2s.domain import asking as asked
from m2s.domain import history, provenance, verification
from m2s.domain.deployments import LiveDeployment
from m2s.domain.verification import Verification, is_followed
from m2s.domain.versions import Unchecked
from m2s.engine.outcomes import Outcome, Report, Status
from m2s.engine.reconcile import now
from m2s.plan import orders, writes
from m2s.platforms import catalogue
from m2s.platforms.common import answers, asking
from m2s.platforms.problem import Problem
from m2s.settings.groups import Settings
from m2s.sources.source import Registry
from m2s.targets.cluster import Cluster

PATIENCE = 60.0
"""Seconds that a server has to warm up: so long one that is not ready is asked again."""
_PAUSE = 2.0
_WARMING = frozenset({0, 429, 502, 503, 504})
_NO_EXAMPLE = "no example was logged with it; log the model with input_example= to have it verified"


@dataclass(frozen=True)
class Proof:
    """What was found of a deployment as it was, and what was done, in words."""

    live: LiveDeployment
    found: Verification
    said: str
    gave_way: bool = False


@dataclass(frozen=True)
class Prover:
    """Asks and notes; ``gate`` is passed by each write, ``sleep`` waits between two requests."""

    registry: Registry
    cluster: Cluster
    settings: Settings
    gate: Gate = OPEN
    sleep: Callable[[float], None] = time.sleep

    def verify(self, live: LiveDeployment) -> Verification:
        """Ask ``live`` once it serves, and return what was found.

        Raises:
            RegistryError, ClusterError: the registry, or the cluster, cannot be asked.
        """
        found = replace(verification.subject(live), at=now(self.settings))
        try:
            where = catalogue.of(live.key).ask(live.body)
        except Problem as problem:
            return replace(found, why=str(problem))
        example, question, why = self._question(live, where)
        reply, seconds = self._answer(question, where, example)
        found = replace(found, status=reply.status, seconds=round(seconds, 3), why=why)
        fault = answers.fault(reply, where.protocol, example)
        if example is None and reply.status in (404, 405):
            return replace(found, why=f"{why}; {fault} at {question.path}")
        if fault:
            return replace(found, result="failed", step="answer", why=fault)
        if example is None:
            return found
        shape = answers.shape(reply, where.protocol)
        return replace(found, result="verified", shape=shape)

    def _question(
        self, live: LiveDeployment, where: asked.Asking
    ) -> tuple[asked.Example | None, asked.Question, str]:
        """Return the example, what is asked, and why that is only whether it is ready."""
        why = "it serves several models; m2s asks only one"
        if len({each.model for each in live.served}) == 1:
            example = self.registry.example(live.served[0])
            if isinstance(example, asked.Example):
                try:
                    return example, asking.question(where, example), ""
                except Problem as problem:
                    why = str(problem)
            else:
                why = example.reason if isinstance(example, Unchecked) else _NO_EXAMPLE
        return None, asking.ready(where), why

    def _answer(
        self, question: asked.Question, where: asked.Asking, example: asked.Example | None
    ) -> tuple[asked.Reply, float]:
        """Ask until it answers well; a refusal counts the second time, silence when time is up."""
        left, refused = after(PATIENCE), 0
        while True:
            begun = time.monotonic()
            reply = self.cluster.ask(question, self.settings.request_timeout)
            seconds = time.monotonic() - begun
            good = not answers.fault(reply, where.protocol, example)
            if not good:
                refused += reply.status not in _WARMING and not self._loads(where)
            if good or refused > 1 or left() <= 0:
                return reply, seconds
            self.sleep(min(_PAUSE, max(left(), 0)))

    def _loads(self, where: asked.Asking) -> bool:
        """Whether a server of V2 is still loading: MLServer then answers 400, in a ready Pod."""
        if where.protocol != "v2":
            return False
        return self.cluster.ask(asking.ready(where), self.settings.request_timeout).status != 200

    def found(self, live: LiveDeployment, failure: str) -> Verification:
        """Return what is to be noted of ``live``, which serves, or whose roll-out ended otherwise.

        ``failure`` is why it did not roll out, "" where it did. It is asked only with --verify.

        Raises:
            RegistryError, ClusterUnavailable: it cannot be asked now; it may be later.
        """
        about = replace(verification.subject(live), at=now(self.settings))
        for marked in verification.failures(live):
            if marked.revision == about.revision:  # whoever found that was stopped too early
                return marked
        if failure:
            return replace(about, result="failed", step="roll out", why=failure)
        if not self.settings.verify:
            return replace(about, why="nobody asked it; --verify does")
        try:
            return self.verify(live)
        except ClusterUnavailable:
            raise
        except ClusterError as error:
            return replace(about, why=str(error))

    def settle(self, live: LiveDeployment, found: Verification) -> Proof:
        """Note what was found of ``live``, and have what failed give way; return what was done.

        Raises:
            ClusterError: it could not be written.
        """
        failed = found.result == "failed"
        ordered = bool(live.pin) or live.paused
        if not failed or not self.settings.rollback_on_failure or ordered:
            self._mark(live, verification.noted(live, found))
            kept = "; it is pinned or paused, so it stays" if failed and ordered else ""
            return Proof(live, found, f"{found}{kept}")
        revisions = {found.revision, *(each.revision for each in verification.failures(live))}
        back = history.way_back(live, revisions)
        if back is None:
            self._mark(live, verification.noted(live, found))
            lost = "nothing that served before is on record, so it stays"
            return Proof(live, found, f"{found}; {lost}")
        newest = next(iter(history.entries(live)), None)
        found = replace(found, updated=(newest.follow or 0) if newest else 0)
        # First the mark: without it the next pass would try the same again.
        live = self._mark(live, verification.noted(live, found, failed=True))
        entry, body = back
        wanted = orders.manifest(live, entry, body, pin=None, why="")
        item = writes.write(wanted, live, self.settings.ignore, now(self.settings), follow=True)
        manifest = provenance.recalled(item.manifest, live)
        self._write(lambda: self.cluster.apply(manifest, live, self.gate))
        which = "its description before" if entry.served == live.served else str(entry)
        return Proof(live, found, f"{found}; {which} is back", gave_way=True)

    def forgive(self, outcomes: Iterable[Outcome]) -> None:
        """Take back the marks of what failed, where the registry asks for something else by now.

        What cannot be written now is left to the next run.
        """
        for outcome in outcomes:
            live, manifest = outcome.applied, getattr(outcome.change, "manifest", None)
            if live is None or manifest is None or manifest.pin:
                continue
            if verification.failures(live) and not verification.gives_way(live):
                with suppress(M2sError):
                    self._mark(live, verification.forgiven(live))

    def _mark(self, live: LiveDeployment, marks: verification.Marks) -> LiveDeployment:
        return self._write(lambda: self.cluster.mark(live, marks, self.gate))

    def _write(self, step: Callable[[], LiveDeployment]) -> LiveDeployment:
        if not self.gate.enter():
            raise ClusterError("not attempted: told to stop")
        try:
            return step()
        finally:
            self.gate.leave()


def prove(
    prover: Prover, written: Sequence[Outcome], waited: Sequence[Outcome], report: Report
) -> tuple[Outcome, ...]:
    """Prove each deployment that is followed, several at a time, and return what that came to.

    Args:
        prover: asks and notes.
        written: the outcomes of the execution.
        waited: the same, once the roll-outs have ended.
        report: called with each that was looked at.
    """
    with ThreadPoolExecutor(prover.settings.concurrency) as pool:
        proven = tuple(pool.map(partial(_proven, prover), written, waited))
    for before, after_ in zip(waited, proven, strict=True):
        if before is not after_:
            report(after_)
    return proven


def _proven(prover: Prover, written: Outcome, waited: Outcome) -> Outcome:
    if written.applied is None:
        return waited
    failure = waited.message if waited.status is Status.FAILED else ""
    try:
        live = prover.cluster.get(written.change.key)
        if live is None or not is_followed(live) or live.uid != written.applied.uid:
            return waited
        found = prover.found(live, failure)
        said = prover.settle(live, found).said
    except M2sError as error:
        return Outcome(waited.change, Status.FAILED, f"{failure or 'not asked'}; {error}")
    status = Status.FAILED if found.result == "failed" else waited.status
    return Outcome(waited.change, status, said, waited.applied)
