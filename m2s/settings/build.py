"""One frozen Settings from flags > M2S_* environment > m2s.yaml > Neu.ro's variables > defaults.

Every option is a flag (``--max-delete``), a variable (``M2S_MAX_DELETE``) and a key of m2s.yaml
(``max-delete``); its value is read and checked the same way wherever it comes from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from m2s.base import strictyaml
from m2s.base.errors import UsageError
from m2s.base.names import meant
from m2s.domain.policy import Policy
from m2s.domain.versions import Selector
from m2s.settings import config_file, defaults, environments, neuro, notify, policy
from m2s.settings.groups import Settings
from m2s.settings.options import OPTIONS


def build(
    flags: Mapping[str, Any], environ: Mapping[str, str], config: str | None = None
) -> Settings:
    """Return the Settings of one command.

    Args:
        flags: raw values by option name; None is "not given".
        environ: the process's environment; an empty variable is "not given".
        config: the path of an m2s.yaml; None reads ``./m2s.yaml`` where there is one.

    Raises:
        UsageError: one line that names the flag, the variable, or the file, line and key, and
            what it wants.
    """
    layers = _layers(flags, environ, config)
    values = {name: option.default for name, option in OPTIONS.items()} | {
        defaults.KEY: None,
        policy.FIELD: Policy(),
        notify.KEY: (),
    }
    for layer in layers:
        if _selecting(layer):
            # A selector of a higher layer replaces a lower one's, whichever kind either is.
            values |= {"stage": (), "alias": (), "split": None}
        if "prune" in layer:
            values["policy"] = None
        values |= layer
    selectors = [Selector("stage", name) for name in values.pop("stage")]
    selectors += [Selector("alias", name) for name in values.pop("alias")]
    selectors += [Selector("alias", share.alias) for share in (values["split"] or ())[:1]]
    fields = {OPTIONS[name].attribute if name in OPTIONS else name: v for name, v in values.items()}
    return Settings(selectors=tuple(selectors), **fields)


def names(
    flags: Mapping[str, Any], environ: Mapping[str, str], config: str | None = None
) -> tuple[str, ...]:
    """Return the environments to work in, in the order given, () without any; as :func:`build`."""
    file, entries = _from_file(config)
    return _chosen(file | _from_environment(environ), _given(flags), list(entries))


def _chosen(
    values: Mapping[str, Any], given: Mapping[str, Any], there: list[str]
) -> tuple[str, ...]:
    """Return the environments that the file and the variables, or the flags before them, name."""
    flagged = "environment" in given
    if flagged and given.get("all-environments"):
        raise UsageError("--environment and --all-environments: give one of them")
    if not flagged and {**values, **given}.get("all-environments"):
        if not there:
            raise UsageError(f"--all-environments: m2s.yaml has no {environments.KEY}")
        return tuple(there)
    asked = {**values, **given}.get("environment", ())
    return tuple(dict.fromkeys(environments.known(name, there) for name in asked))


def own(name: str, config: str | None) -> frozenset[str]:
    """Return the options that the entry ``name`` has itself."""
    return frozenset(_from_file(config)[1][name])


def _layers(
    flags: Mapping[str, Any], environ: Mapping[str, str], config: str | None
) -> tuple[Mapping[str, Any], ...]:
    """Return the parsed values by the place where they are said, the weakest first."""
    (file, entries), variables, given = (
        _from_file(config),
        _from_environment(environ),
        _given(flags),
    )
    chosen = _chosen(file | variables, given, list(entries))
    if len(chosen) > 1:
        raise UsageError(f"one environment at a time: choose one of {', '.join(chosen)} with -e")
    entry = entries[chosen[0]] if chosen else {}
    return _from_neuro(environ), file, entry, variables, given


def _given(flags: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _parsed(name, raw, f"--{name}") for name, raw in flags.items() if raw is not None}


def _selecting(layer: Mapping[str, Any]) -> bool:
    given = [name for name in ("stage", "alias", "split") if layer.get(name)]
    if "split" in given and len(given) > 1:
        raise UsageError(f"split names the aliases to serve: leave {given[0]} out")
    return any(name in layer for name in ("stage", "alias", "split"))


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for name, option in OPTIONS.items():
        raw = environ.get(option.variable, "")
        if raw.strip():
            items = [item.strip() for item in re.split(r"[,\n]", raw) if item.strip()]
            values[name] = _parsed(name, items if option.many else raw, option.variable)
    return values


def _from_neuro(environ: Mapping[str, str]) -> dict[str, Any]:
    return {name: _parsed(name, raw, where) for where, name, raw in neuro.values(environ)}


def _parsed(name: str, raw: Any, where: str) -> Any:
    try:
        return OPTIONS[name].parse(raw)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error


def _from_file(config: str | None) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Return the values of m2s.yaml's keys, and those of each environment."""
    found = config_file.read(config)
    if found is None:
        return {}, {}
    path, document = found
    entries = environments.entries(path, document)
    apart = (environments.KEY,)
    return _keys(path, document, apart, ()), {
        name: _keys(path, entry, (environments.NAME,), tuple(environments.OWN))
        for name, entry in entries.items()
    }


def _keys(
    path: Path, document: strictyaml.Document, apart: tuple[str, ...], refused: tuple[str, ...]
) -> dict[str, Any]:
    """Return the values of a mapping's keys, ``apart`` left out and ``refused`` not known."""
    values: dict[str, Any] = {}
    for key, raw in document.value.items():
        where = f"{path}:{document.line(key)}: {key}"
        if key in apart:
            continue
        if key in (defaults.KEY, policy.KEY, notify.KEY):
            values |= _nested(path, document, key)
            continue
        if key not in OPTIONS or key in refused:
            known = [*(OPTIONS.keys() - set(refused)), defaults.KEY, notify.KEY, *apart]
            hint = meant(key.replace("_", "-"), known, cutoff=0.5)
            raise UsageError(f"{where}: no such key; {hint}")
        values[key] = _parsed(key, raw, where)
    return values


def _nested(path: Path, document: strictyaml.Document, key: str) -> dict[str, Any]:
    try:
        if key == policy.KEY:
            return policy.read(document.value[key])
        if key == notify.KEY:
            return notify.read(document.value[key])
        return {key: defaults.fragment(str(path), document)}
    except defaults.Misplaced as error:
        raise UsageError(f"{path}:{document.line(key, *error.path)}: {error}") from error
