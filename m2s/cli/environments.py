"""A command in one environment of m2s.yaml, or in several, one after the other."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import typer

from m2s.base.errors import M2sError, UsageError, told
from m2s.cli import streams
from m2s.cli.choosing import chosen_by
from m2s.settings import build
from m2s.settings.groups import Settings
from m2s.settings.options import OPTIONS

Run = Callable[..., None]

_PLACES = ("namespace", "context", "kubeconfig", "target")
_GRAVITY = (0, 2, 3, UsageError.exit_code, M2sError.exit_code)
"""Exit codes, the gravest last: nothing, changes, a refusal, wrong usage, an error."""


def run(command: str, function: Run, flags: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Call ``function`` with the flags of the one environment, or of each one in turn.

    Raises:
        typer.Exit: the gravest exit code of several.
        UsageError: before any of them is worked in.
    """
    config, plan = given.get("config"), given.get("plan_file")
    names = _saved(plan, flags) or build.names(flags, os.environ, config)
    each = {name: {**flags, **_only((name,))} for name in names}
    _raise_unless_apart(each, config)
    if len(names) < 2 and not (plan and names):
        function(flags={**flags, **_only(names)}, **given)
        return
    if "all-environments" not in {name for name in OPTIONS if command in OPTIONS[name].commands}:
        raise UsageError(f"{command} works in one environment: choose one of {', '.join(names)}")
    for one in each.values():
        chosen_by(one, config)
    _raise_if_said_twice(names, flags, config)
    if command == "watch":  # which works in all of them at the same time
        function(flags={**flags, **_only(names)}, **given)
    raise typer.Exit(_in_turn(function, each, given))


def _only(names: Sequence[str]) -> dict[str, Any]:
    return {"environment": list(names), "all-environments": False} if names else {}


def by_environment(flags: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return the flags of each environment that is named in ``flags``, by "" of one at the most."""
    names = flags.get("environment") or ()
    if len(names) < 2:
        return {"": flags}
    return {name: {**flags, **_only((name,))} for name in names}


def gravest(codes: Sequence[int]) -> int:
    """Return the exit code of several; 0 of none."""
    return max(codes, key=_GRAVITY.index, default=0)


def raise_unless_one_process(chosen: Mapping[str, Settings]) -> None:
    """Refuse environments of one ``m2s watch`` that a process cannot have at the same time."""
    for name in ("listen", "webhook-secret-file", "log-format", "workspace"):
        if len({getattr(one, OPTIONS[name].attribute) for one in chosen.values()}) > 1:
            raise UsageError(
                f"{name}: one m2s watch has one for all environments: say it at the top of "
                "m2s.yaml, or run an m2s watch for each"
            )
    elected = [(name, one) for name, one in chosen.items() if one.leader_elect]
    for (left, one), (right, other) in combinations(elected, 2):
        if one.lease == other.lease and _may_be_one_place(one, other):
            raise UsageError(
                f"lease-name: the environments {left} and {right} would wait for each other's "
                "Lease: leave it out, or give each its own"
            )


def _saved(plan: str | None, flags: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the environments of a saved plan that are asked for, () where it has none."""
    from m2s.output import saved_plan

    there = saved_plan.environments(plan) if plan else ()
    asked = flags.get("environment") or there
    if missing := [name for name in asked if there and name not in there]:
        raise UsageError(f"{plan} has no environment {missing[0]}; it has {', '.join(there)}")
    return tuple(asked) if there else ()


def _raise_unless_apart(flags: Mapping[str, Mapping[str, Any]], config: str | None) -> None:
    """Refuse one that would delete another one's deployments, whether that is chosen or not."""
    every = build.names({"all-environments": True}, {}, config) if flags else ()
    built = {
        name: build.build({n: raw for n, raw in one.items() if n in OPTIONS}, os.environ, config)
        for name, one in flags.items()
    }
    rest = {name: build.build(_only((name,)), {}, config) for name in every if name not in built}
    for (left, one), (right, other) in combinations({**built, **rest}.items(), 2):
        if (
            left in built
            and _may_be_one_place(one, other)
            and one.owners & other.owners
            and not (one.models and other.models)
        ):
            raise UsageError(
                f"the environments {left} and {right} are of one owner in one namespace, so each "
                "would delete what the other one serves: give one of them a namespace or an owner"
            )


def _may_be_one_place(one: Settings, other: Settings) -> bool:
    """Whether nothing that both say tells their places apart: a context may be the current one."""
    said = ((getattr(one, name), getattr(other, name)) for name in _PLACES)
    return all(left == right or None in (left, right) for left, right in said)


def _raise_if_said_twice(
    names: Sequence[str], flags: Mapping[str, Any], config: str | None
) -> None:
    """Refuse a flag or a variable that would send several environments to one place."""
    for name in (*_PLACES, "stage", "alias", "split", "owner"):
        said = f"--{name}" if name in flags else OPTIONS[name].variable
        if name in flags or os.environ.get(OPTIONS[name].variable, "").strip():
            for one in names:
                if name in build.own(one, config):
                    raise UsageError(f"{said}: the environment {one} has its own; leave it out")


def _in_turn(function: Run, each: Mapping[str, Mapping[str, Any]], given: Mapping[str, Any]) -> int:
    output = str(given.get("output", "table"))
    variables = {name: os.environ.get(name) for name in ("MLFLOW_WORKSPACE", "MLFLOW_TRACKING_URI")}
    codes, documents = [], dict[str, Any]()
    with tempfile.TemporaryDirectory() as folder:
        for name, flags in each.items():
            out = str(Path(folder) / name) if given.get("out") else None
            with streams.gathered() as printed:
                codes.append(_one(function, name, flags, _with_out(given, out), output))
            documents[name] = printed[0] if printed else {"exit_code": codes[-1]}
            _set(variables)
        if given.get("out"):
            _save(str(given["out"]), Path(folder), list(each))
    if output in streams.STRUCTURED:
        from m2s.output.document import FORMAT_VERSION

        whole = {"format_version": FORMAT_VERSION, "environments": documents}
        streams.put_document(whole, output)
    return gravest(codes)


def _with_out(given: Mapping[str, Any], out: str | None) -> dict[str, Any]:
    return {**given, "out": out} if out else dict(given)


def _one(
    function: Run, name: str, flags: Mapping[str, Any], given: Mapping[str, Any], output: str
) -> int:
    """Work in one environment, and return its exit code; its error stops no other one."""
    if output not in streams.STRUCTURED:
        typer.echo(f"## {name}\n" if output == "markdown" else f"Environment {name}")
    try:
        function(flags=flags, **given)
    except typer.Exit as end:
        return int(end.exit_code)
    except M2sError as error:
        streams.complain(f"Error: environment {name}: {told(error)}")
        return error.exit_code
    return 0


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        os.environ.pop(name, None)
        if value is not None:
            os.environ[name] = value


def _save(path: str, folder: Path, names: Sequence[str]) -> None:
    """Write the plans of all environments into one file; none where one of them is missing."""
    from m2s.output import saved_plan

    found = {name: folder / name for name in names if (folder / name).exists()}
    if len(found) < len(names):
        missing = next(name for name in names if name not in found)
        streams.complain(f"Error: --out {path} is not written: there is no plan of {missing}")
        return
    plans = {name: json.loads(file.read_bytes()) for name, file in found.items()}
    saved_plan.save_all(path, plans)
