"""Carry out a plan: ask, write, follow the roll-outs, print, and tell MLflow."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence

import typer

from m2s.base.errors import M2sError
from m2s.base.wording import told
from m2s.cli import connect, streams
from m2s.cli.planning import warn
from m2s.domain.notes import Note
from m2s.engine import live_tags, ordering, reconcile
from m2s.engine.execute import SecondLook, execute
from m2s.engine.outcomes import Interrupted, Outcome
from m2s.engine.proving import Prover, prove
from m2s.engine.waiting import wait
from m2s.output import document, plan_view, tables
from m2s.plan.changes import Action
from m2s.plan.plan import Plan
from m2s.settings.groups import Settings
from m2s.targets.cluster import Cluster


def noted(cluster: Cluster, chosen: Settings, what: str, message: str | None) -> Note | None:
    """Return the note of an order, with who gives it; None where no ``message`` asks for one."""
    if message is None:
        return None
    return Note(what=what, at=reconcile.now(chosen), by=cluster.account(), message=message)


def carry_out(
    made: Plan,
    cluster: Cluster,
    chosen: Settings,
    output: str,
    look: SecondLook | None = None,
    prover: Prover | None = None,
    *,
    yes: bool,
    write: bool = True,
    write_back: bool = False,
    note: Note | None = None,
) -> int:
    """Ask, ``write``, delete if the settings say so, wait if they do, print; return the exit code.

    The ``prover`` proves what is followed. With ``write_back`` MLflow is told what is live then.
    A ``note`` becomes Events.
    """
    if chosen.wait or (prover and chosen.follows):
        cluster.check_rollout_access()
    actions = [Action.CREATE, Action.UPDATE] if write else []
    actions += [Action.DELETE] if chosen.prune else []
    count = sum(map(made.count, actions))
    if not _agreed(count, yes=yes):
        return 1
    try:
        with tables.progress("Applying", count) as step:
            outcomes = execute(
                made,
                cluster,
                write=write,
                delete=chosen.prune,
                second_look=look,
                concurrency=chosen.concurrency,
                report=step,
            )
    except Interrupted as stop:
        _finish(made, stop.outcomes, output)
        _say_what_is_left(made, stop.outcomes, actions)
        raise
    if note:
        _report(note, outcomes, chosen)
    outcomes = _followed(outcomes, cluster, chosen, prover)
    code = _finish(made, outcomes, output)
    if write_back:
        _write_back(made, cluster, chosen)
    return code


def _followed(
    outcomes: tuple[Outcome, ...], cluster: Cluster, chosen: Settings, prover: Prover | None
) -> tuple[Outcome, ...]:
    """Wait for what was written, where the settings say so, and have it proven."""
    if prover:
        prover.forgive(outcomes)
    if not chosen.wait and not (prover and chosen.follows):
        return outcomes
    waited = _waited(cluster, outcomes, chosen)
    if not prover or not chosen.follows:
        return waited
    with tables.progress("Asking", sum(bool(one.applied) for one in outcomes)) as step:
        return prove(prover, outcomes, waited, step)


def _waited(
    cluster: Cluster, outcomes: tuple[Outcome, ...], chosen: Settings
) -> tuple[Outcome, ...]:
    """Follow the roll-outs; an interrupt says which of them were still waited for."""
    ended: list[Outcome] = []
    try:
        with tables.progress("Rolling out", sum(bool(one.applied) for one in outcomes)) as step:

            def report(outcome: Outcome) -> None:
                ended.append(outcome)
                step(outcome)

            return wait(cluster, outcomes, timeout=chosen.timeout, report=report)
    except KeyboardInterrupt:
        over = {outcome.change.key for outcome in ended}
        left = [
            one.change.key.name for one in outcomes if one.applied and one.change.key not in over
        ]
        typer.echo(f"Everything was written. Not waited for: {told(left) or 'nothing'}.", err=True)
        raise


def _say_what_is_left(made: Plan, outcomes: Sequence[Outcome], actions: Collection[Action]) -> None:
    begun = {id(outcome.change) for outcome in outcomes}
    left = [one for one in made.changes if one.action in actions and id(one) not in begun]
    names = told(change.key.name for change in left)
    typer.echo(f"Not begun: {len(left)}{f' ({names})' if left else ''}.", err=True)


def _report(note: Note, outcomes: Sequence[Outcome], chosen: Settings) -> None:
    """Write an Event for each order that was carried out; that this fails is no failure."""
    from m2s.observers import events

    ordered = [outcome for outcome in outcomes if ordering.is_ordered(outcome)]
    reported = connect.events(chosen) if ordered else None
    if reported:
        for outcome in ordered:
            reported.record(events.of_order(outcome, note))
        reported.close(_REPORTED)


_REPORTED = 10.0
"""Seconds that Events of an order have to be written."""


def _agreed(count: int, *, yes: bool) -> bool:
    if yes or not count or not sys.stdin.isatty():
        return True
    if typer.confirm(f"Carry out {count} change{'s' * (count > 1)}?", err=True):
        return True
    typer.echo("Nothing was changed.", err=True)
    return False


def _finish(made: Plan, outcomes: Sequence[Outcome], output: str) -> int:
    streams.put(
        output,
        lambda: {"plan": document.of_plan(made), "outcomes": document.of_outcomes(outcomes)},
        lambda: plan_view.outcomes_markdown(outcomes),
        lambda: plan_view.outcomes_table(outcomes, tables.width()),
    )
    return 0 if all(outcome.ok for outcome in outcomes) else M2sError.exit_code


def _write_back(made: Plan, cluster: Cluster, chosen: Settings) -> None:
    """Tell MLflow what is live now; that this fails is no failure of what was done."""
    try:
        tagging = connect.registry(chosen).tagging()
        goal = live_tags.wanted(cluster.list(), made.scope)
        live_tags.update(tagging, goal, live_tags.there(tagging, made.scope))
    except M2sError as error:
        warn(f"MLflow is not told what is live: {error}")
