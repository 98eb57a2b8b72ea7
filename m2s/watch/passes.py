"""One pass: plan, safety checks, execution; the same as ``m2s apply``, and what it came to."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from m2s.base import mask
from m2s.base.errors import M2sError, told
from m2s.base.gate import Gate
from m2s.base.threads import brief
from m2s.desired import Memo
from m2s.engine import reconcile
from m2s.engine.execute import execute
from m2s.engine.outcomes import Outcome, Status
from m2s.engine.proving import Prover
from m2s.plan.plan import Plan
from m2s.settings.groups import Settings
from m2s.sources.source import Registry, TemplateSource
from m2s.targets.cluster import Cluster
from m2s.watch.absences import Absences
from m2s.watch.quiet import Quiet
from m2s.watch.report import PassReport, Result
from m2s.watch.retiring import unretired
from m2s.watch.triggers import INTERVAL, LEADER, WEBHOOK

_UNSEEN = frozenset({LEADER, WEBHOOK})
"""After these the registry may have changed in a way that its stamps do not show."""


@dataclass(frozen=True)
class Edges:
    """Both sides; ``close`` ends what was started to look after them.

    ``forget`` has the registry read as a whole by the next pass; ``quiet`` tells when a pass would
    only repeat the last one; ``memo`` keeps what passes would work out alike.
    """

    registry: Registry
    cluster: Cluster
    close: Callable[[], None] = lambda: None
    templates: TemplateSource | None = None
    forget: Callable[[], None] = lambda: None
    quiet: Quiet | None = None
    memo: Memo = field(default_factory=Memo)


@dataclass(frozen=True)
class Pass:
    """One pass to be made; each write passes the ``gate``, ``last`` was before it.

    ``beat`` is called whenever it has come a step further.
    """

    edges: Edges
    settings: Settings
    absences: Absences
    trigger: str
    gate: Gate
    last: PassReport | None = None
    clock: Callable[[], float] = time.monotonic
    beat: Callable[[], None] = lambda: None

    def make(self) -> PassReport:
        """Make it. What goes wrong is in the report; nothing is raised."""
        started, begun = datetime.now(UTC), self.clock()
        plan: Plan | None = None
        outcomes: tuple[Outcome, ...] = ()
        try:
            edges = self.edges
            if self.last and self._repeats(self.last):
                seconds = self.clock() - begun
                again = replace(self.last, started=started, seconds=seconds, repeats=True)
                return replace(again, trigger=self.trigger)
            if self.trigger in _UNSEEN:
                edges.forget()
            if edges.quiet:
                edges.quiet.begin()
            sides = (edges.registry, edges.cluster)
            plan = reconcile.make_plan(
                *sides, self.settings, edges.templates, edges.memo, self._begin
            )
            plan, refusal = self._checked(plan)
            if not plan.doubtful:
                outcomes = self._execute(plan, delete=self.settings.syncs and not refusal)
            result, message = _verdict(refusal, outcomes)
        except M2sError as error:
            result, message = "error", told(error)
        except Exception as error:  # noqa: BLE001 - a bug, and the next pass may fare better
            result, message = "error", f"this should not happen: {brief(error)}"
        seconds = self.clock() - begun
        return PassReport(
            started, seconds, self.trigger, result, mask.text(message), plan, outcomes
        )

    def _begin(self, _title: str, _total: int) -> Callable[[], None]:
        self.beat()
        return self.beat

    def _repeats(self, last: PassReport) -> bool:
        quiet = self.edges.quiet if self.trigger == INTERVAL else None
        return quiet is not None and quiet.repeats(last, self.settings.selectors)

    def _checked(self, plan: Plan) -> tuple[Plan, str]:
        """Return the plan to carry out, and why nothing may be deleted ("" where it may).

        The budget is held against all that is unwanted, not only against what is due by now: a
        registry that lost half its models shall not see them go a few at a time.
        """
        kept = unretired(plan, self.settings.retire_after, datetime.now(UTC))
        plan = replace(plan, changes=kept)
        self.absences.count(plan)
        if not self.settings.syncs and not plan.doubtful:
            return plan.without_takeovers(), ""
        refusal = plan.refusal(self.settings.max_delete)
        if refusal:
            return plan.without_takeovers(), refusal
        return self.absences.withhold(plan, self.settings.prune_after), ""

    def _execute(self, plan: Plan, *, delete: bool) -> tuple[Outcome, ...]:
        registry, settings, templates = self.edges.registry, self.settings, self.edges.templates
        outcomes = execute(
            plan,
            self.edges.cluster,
            delete=delete,
            second_look=lambda live: reconcile.locate(registry, settings, live, templates),
            concurrency=settings.concurrency,
            report=lambda _: self.beat(),
            gate=self.gate,
        )
        Prover(registry, self.edges.cluster, settings, self.gate).forgive(outcomes)
        return outcomes


def _verdict(refusal: str, outcomes: Sequence[Outcome]) -> tuple[Result, str]:
    bad = [outcome for outcome in outcomes if not outcome.ok]
    if refusal:
        return "refused", refusal
    if not bad:
        return "success", ""
    first = min(bad, key=lambda outcome: outcome.status is Status.BLOCKED)
    name = first.change.key.name
    more = f" (and {len(bad) - 1} more)" if len(bad) > 1 else ""
    return "failed", f"{name} {first.status.value}: {first.message}{more}"
