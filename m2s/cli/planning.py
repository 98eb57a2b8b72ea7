"""Make the plan that a command needs, say what its selectors miss, and print it."""

from __future__ import annotations

import gc
from collections.abc import Sequence

import typer

from m2s.base import mask
from m2s.base.errors import M2sError, UsageError
from m2s.base.names import meant
from m2s.cli import connect
from m2s.domain.versions import Offers
from m2s.engine import reconcile
from m2s.engine.execute import SecondLook
from m2s.output import markdown, plan_view, tables
from m2s.plan.plan import Plan
from m2s.settings.groups import Settings
from m2s.sources.source import Registry
from m2s.sources.templates import TemplateFolder
from m2s.targets.cluster import Cluster


def look(chosen: Settings, registry: Registry) -> Plan:
    """Return the plan of the settings, on a cluster that nothing is written to."""
    return read(chosen, registry, connect.cluster(chosen), connect.templates(chosen))


def read(
    chosen: Settings,
    registry: Registry,
    cluster: Cluster,
    templates: TemplateFolder | None = None,
) -> Plan:
    """Return the plan, and warn of a selector or a ``--model`` that selects nothing."""
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
            warn(f"--model {pattern} selects nothing; {meant(pattern, sorted(names))}")
    return made


def spare_imports() -> None:
    """Have the garbage collector leave alone what is there by now, which stays.

    The clients make a million objects while they are imported; to look through them over and over
    takes as long as all that m2s does with a thousand deployments.
    """
    gc.freeze()
    gc.set_threshold(50_000, 20, 20)
    gc.enable()


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
        warn(line)


def there_is(found: Offers) -> str:
    """Return what there is to select from, in words."""
    stages = ", ".join(f"{name} ({count})" for name, count in found.stages.items())
    aliases = ", ".join(f"{name} ({count})" for name, count in found.aliases.items())
    return f"the registry has the stages {stages or 'none'} and the aliases {aliases or 'none'}"


def second_look(
    registry: Registry, chosen: Settings, templates: TemplateFolder | None
) -> SecondLook:
    """Return what asks the registry once more about a deployment that is to end."""
    return lambda live: reconcile.locate(registry, chosen, live, templates)


def show(made: Plan, output: str, warnings: Sequence[str] = ()) -> None:
    """Print the plan for people; the structured formats are one document, printed at the end."""
    if output == "table":
        tables.show(plan_view.plan_table(made, tables.width()))
    elif output == "markdown":
        typer.echo(markdown.plan_markdown(made))
    for warning in warnings:
        warn(warning)


def warn(text: str) -> None:
    """Print a warning to stderr."""
    typer.echo(f"Warning: {mask.text(text)}", err=True)
