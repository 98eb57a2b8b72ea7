"""What the commands do: wire the edges to the engine, print, and say the exit code."""

from __future__ import annotations

import gc
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import typer

from m2s.base import mask
from m2s.base.errors import M2sError, Refused, UsageError
from m2s.base.names import meant
from m2s.base.wording import told
from m2s.cli import connect, streams
from m2s.cli.choosing import chosen_by
from m2s.domain.notes import Note
from m2s.domain.versions import Offers
from m2s.engine import live_tags, ordering, reconcile
from m2s.engine.execute import SecondLook, execute
from m2s.engine.outcomes import Interrupted, Outcome
from m2s.engine.proving import Prover, prove
from m2s.engine.waiting import wait
from m2s.output import document, explain_view, markdown, plan_view, saved_plan, tables
from m2s.plan import explain as explaining
from m2s.plan.changes import Action
from m2s.plan.plan import Plan
from m2s.settings.groups import Settings
from m2s.sources.source import Registry
from m2s.sources.templates import TemplateFolder
from m2s.targets.cluster import Cluster

CHANGES_PENDING = 2


def plan(
    flags: Mapping[str, Any],
    config: str | None,
    output: str,
    detailed_exitcode: bool,
    out: str | None,
    *,
    accept: bool = False,
) -> int:
    """Print the plan; save it where ``out`` names a file."""
    chosen = _settings(flags, config, accept=accept)
    registry = connect.registry(chosen)
    made = _look(chosen, registry)
    refusal = made.refusal(chosen.max_delete)
    who = "apply and prune" if made.doubtful else "apply --prune and prune"
    warnings = [f"{who} would refuse: {refusal}"] if refusal else []
    if out:
        # MLFLOW_WORKSPACE, too, decided what was planned.
        saved_plan.save(out, made, replace(chosen, workspace=registry.workspace or None), warnings)
    show(made, output, warnings)
    if output in streams.STRUCTURED:
        streams.put_document(document.of_plan(made, warnings, whole=True), output)
    if not detailed_exitcode:
        return 0
    if made.count(Action.BLOCKED):
        return M2sError.exit_code
    return CHANGES_PENDING if made.pending else 0


def explain(flags: Mapping[str, Any], config: str | None, output: str, name: str) -> int:
    """Print which layer gave each field of one planned deployment."""
    chosen = chosen_by(flags, config)
    found = explaining.of(_look(chosen, connect.registry(chosen)), name)
    streams.put(
        output,
        lambda: explaining.document(found),
        lambda: explain_view.markdown(found),
        lambda: explain_view.table(found),
    )
    return 0


def _settings(flags: Mapping[str, Any], config: str | None, *, accept: bool) -> Settings:
    chosen = chosen_by(flags, config)
    return replace(chosen, accept_registry=True) if accept else chosen


def apply(
    flags: Mapping[str, Any],
    config: str | None,
    output: str,
    plan_file: str | None,
    *,
    yes: bool,
    accept: bool = False,
    message: str | None = None,
) -> int:
    """Carry out the plan, or exactly the saved one."""
    there = flags.get("environment") or [None]
    saved = saved_plan.load(plan_file, there[0]) if plan_file else None
    if saved:
        flags = saved_plan.flags_of(saved, flags)
        accept = accept or saved_plan.accepts(saved)
    chosen = _settings(flags, config, accept=accept)
    connect.check_follows(chosen)
    registry, cluster = connect.registry(chosen), connect.cluster(chosen)
    templates = connect.templates(chosen)
    made = _read(chosen, registry, cluster, templates)
    if saved:
        made = _as_saved(str(plan_file), saved, made)
    left = made.count(Action.DELETE)
    warnings = [f"{left} to delete are left alone without --prune"]
    show(made, output, warnings if left and not chosen.prune else [])
    made.raise_if_unsafe(chosen.max_delete, deleting=chosen.prune)
    look, back = _second_look(registry, chosen, templates), chosen.write_back
    note = noted(cluster, chosen, "adopted", message)
    made = ordering.with_note(made, note, adopted=True) if note else made
    prover = Prover(registry, cluster, chosen)
    return carry_out(
        made, cluster, chosen, output, look, prover, yes=yes, write_back=back, note=note
    )


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


def prune(
    flags: Mapping[str, Any],
    config: str | None,
    output: str,
    *,
    yes: bool,
    everything: bool,
    accept: bool = False,
    message: str | None = None,
) -> int:
    """Carry out the plan's deletions, or with ``everything`` delete all that is ours."""
    chosen = _settings(flags, config, accept=accept)
    if not chosen.owners:
        raise UsageError("no owner: give --stage, --alias or --owner, whose objects to prune")
    if not yes and not sys.stdin.isatty():
        raise UsageError("prune asks before it deletes, and there is no terminal: give --yes")
    cluster = connect.cluster(chosen)
    look = None
    if everything:
        made = reconcile.make_teardown(cluster, chosen)
    else:
        registry, templates = connect.registry(chosen), connect.templates(chosen)
        look = _second_look(registry, chosen, templates)
        made = _read(chosen, registry, cluster, templates).without_takeovers().only_deletions()
    show(made, output)
    if look:
        made.raise_if_unsafe(chosen.max_delete, deleting=True)
    deleting = replace(chosen, prune=True, wait=False)
    back = chosen.write_back
    note = noted(cluster, chosen, "pruned", message)
    return carry_out(
        made, cluster, deleting, output, look, yes=yes, write=False, write_back=back, note=note
    )


def _second_look(
    registry: Registry, chosen: Settings, templates: TemplateFolder | None
) -> SecondLook:
    return lambda live: reconcile.locate(registry, chosen, live, templates)


def _read(
    chosen: Settings,
    registry: Registry,
    cluster: Cluster,
    templates: TemplateFolder | None = None,
) -> Plan:
    if not chosen.selectors:
        raise UsageError(f"no selector: give --stage or --alias; {there_is(registry.offers())}")
    spare_imports()
    with tables.stages("Reading the registry") as begin:
        made = reconcile.make_plan(registry, cluster, chosen, templates, begin=begin)
    made = made if chosen.prune else made.without_takeovers()
    if not any((made.offered or {}).values()) and not any(made.owned.values()):
        _say_that_none_is_selected(chosen, registry)
    elif chosen.models and not (made.changes or made.skipped):
        names = {version.model for one in chosen.selectors for version in registry.select(one)}
        for pattern in chosen.models:
            _warn(f"--model {pattern} selects nothing; {meant(pattern, sorted(names))}")
    return made


def spare_imports() -> None:
    """Have the garbage collector leave alone what is there by now, which stays.

    The clients make a million objects while they are imported; to look through them over and over
    takes as long as all that m2s does with a thousand deployments.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


def _look(chosen: Settings, registry: Registry) -> Plan:
    return _read(chosen, registry, connect.cluster(chosen), connect.templates(chosen))


def _say_that_none_is_selected(chosen: Settings, registry: Registry) -> None:
    """Warn that the selectors name nothing; raises a UsageError where an alias is nowhere."""
    try:
        found = registry.offers()
    except M2sError:
        if any(each.kind == "alias" for each in chosen.selectors):
            raise
        return  # an empty stage is no error, and what else there is only a hint
    for selector in chosen.selectors:
        alias = selector.kind == "alias"
        where = f"{'has' if alias else 'is in'} the {selector.kind} {selector.name!r}"
        line = f"no model version {where}; {there_is(found)}"
        if alias and selector.name not in found.aliases:
            near = meant(selector.name, found.aliases)
            raise UsageError(f"{line}; {near}" if near.endswith("?") else line)
        _warn(line)


def _say_that_no_model_is(chosen: Settings, registry: Registry) -> None:
    names = {version.model for one in chosen.selectors for version in registry.select(one)}
    for pattern in chosen.models:
        _warn(f"--model {pattern} selects nothing; {meant(pattern, sorted(names))}")


def there_is(found: Offers) -> str:
    """Return what there is to select from, in words."""
    stages = ", ".join(f"{name} ({count})" for name, count in found.stages.items())
    aliases = ", ".join(f"{name} ({count})" for name, count in found.aliases.items())
    return f"the registry has the stages {stages or 'none'} and the aliases {aliases or 'none'}"


def _as_saved(path: str, saved: Mapping[str, Any], made: Plan) -> Plan:
    """Return ``made`` as it was saved: perhaps by somebody who would not prune.

    Raises:
        Refused: it has come to something else meanwhile.
    """
    kept = made.without_takeovers()
    if kept.changes != made.changes and not saved_plan.stale(saved, kept):
        return kept
    moves = saved_plan.stale(saved, made)
    if moves:
        more = f" (and {len(moves) - 3} more)" if len(moves) > 3 else ""
        raise Refused(f"{path} is stale: {'; '.join(moves[:3])}{more}; plan again")
    return made


def show(made: Plan, output: str, warnings: Sequence[str] = ()) -> None:
    """Print the plan for people; the structured formats are one document, printed at the end."""
    if output == "table":
        tables.show(plan_view.plan_table(made, tables.width()))
    elif output == "markdown":
        typer.echo(markdown.plan_markdown(made))
    for warning in warnings:
        _warn(warning)


def _warn(text: str) -> None:
    typer.echo(f"Warning: {mask.text(text)}", err=True)


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
        _warn(f"MLflow is not told what is live: {error}")
