"""What the commands do: wire the edges to the engine, print, and say the exit code."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from m2s.base.errors import M2sError, Refused, UsageError
from m2s.cli import connect, planning, streams
from m2s.cli.carrying import carry_out, noted
from m2s.cli.choosing import chosen_by
from m2s.engine import ordering, reconcile
from m2s.engine.proving import Prover
from m2s.output import document, explain_view, saved_plan
from m2s.plan import explain as explaining
from m2s.plan.changes import Action
from m2s.plan.plan import Plan
from m2s.settings.groups import Settings

CHANGES_PENDING = 2


def plan(
    flags: Mapping[str, Any],
    config: str | None,
    output: str,
    out: str | None,
    *,
    detailed_exitcode: bool,
    accept: bool = False,
) -> int:
    """Print the plan; save it where ``out`` names a file."""
    chosen = _settings(flags, config, accept=accept)
    registry = connect.registry(chosen)
    made = planning.look(chosen, registry)
    refusal = made.refusal(chosen.max_delete)
    who = "apply and prune" if made.doubtful else "apply --prune and prune"
    warnings = [f"{who} would refuse: {refusal}"] if refusal else []
    if out:
        # MLFLOW_WORKSPACE, too, decided what was planned.
        saved_plan.save(out, made, replace(chosen, workspace=registry.workspace or None), warnings)
    planning.show(made, output, warnings)
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
    found = explaining.of(planning.look(chosen, connect.registry(chosen)), name)
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
    made = planning.read(chosen, registry, cluster, templates)
    if saved:
        made = _as_saved(str(plan_file), saved, made)
    left = made.count(Action.DELETE)
    warnings = [f"{left} to delete are left alone without --prune"]
    planning.show(made, output, warnings if left and not chosen.prune else [])
    made.raise_if_unsafe(chosen.max_delete, deleting=chosen.prune)
    look, back = planning.second_look(registry, chosen, templates), chosen.write_back
    note = noted(cluster, chosen, "adopted", message)
    made = ordering.with_note(made, note, adopted=True) if note else made
    prover = Prover(registry, cluster, chosen)
    return carry_out(
        made, cluster, chosen, output, look, prover, yes=yes, write_back=back, note=note
    )


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
        look = planning.second_look(registry, chosen, templates)
        made = (
            planning.read(chosen, registry, cluster, templates).without_takeovers().only_deletions()
        )
    planning.show(made, output)
    if look:
        made.raise_if_unsafe(chosen.max_delete, deleting=True)
    deleting = replace(chosen, prune=True, wait=False)
    back = chosen.write_back
    note = noted(cluster, chosen, "pruned", message)
    return carry_out(
        made, cluster, deleting, output, look, yes=yes, write=False, write_back=back, note=note
    )


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
