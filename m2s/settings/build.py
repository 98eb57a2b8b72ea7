"""One frozen Settings from flags > M2S_* environment > m2s.yaml > Neu.ro's variables > defaults.

Every option is a flag (``--max-delete``), a variable (``M2S_MAX_DELETE``) and a key of m2s.yaml
(``max-delete``); its value is read and checked the same way wherever it comes from.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2s.base import strictyaml
from m2s.base.errors import UsageError
from m2s.base.names import dns_label, meant
from m2s.domain.budget import MaxDelete
from m2s.domain.policy import Policy
from m2s.domain.versions import Selector
from m2s.settings import config_file, defaults, neuro, policy
from m2s.settings.defaults import Fragment
from m2s.settings.options import OPTIONS
from m2s.settings.split import Split


@dataclass(frozen=True)
class Settings:
    """Everything a command works by; see ``OPTIONS`` for each option's meaning.

    ``accept_registry`` is said on the command line alone, since it is meant once.
    """

    selectors: tuple[Selector, ...]
    split: Split | None
    templates: str | None
    base_template: str | None
    owner: str | None
    models: tuple[str, ...]
    namespace: str | None
    tracking_uri: str | None
    workspace: str | None
    kubeconfig: str | None
    context: str | None
    target: str
    uri_map: tuple[tuple[str, str], ...]
    on_conflict: str
    adopt: bool
    force_conflicts: bool
    show_env: tuple[str, ...]
    ignore: tuple[str, ...]
    preflight: bool | None
    strict: bool
    max_delete: MaxDelete
    request_timeout: float
    concurrency: int
    qps: float
    burst: int
    cache: bool
    prune: bool
    wait: bool
    timeout: float
    write_back: bool
    interval: float
    resync: float
    policy: str | None
    prune_after: int
    leader_elect: bool
    lease_name: str | None
    listen: tuple[str, int] | None
    webhook_secret_file: str | None
    log_format: str
    deploy_file: str | None
    default_image: str | None
    image_tag: str | None
    image_registry: str | None
    init_image: str
    image_pull_secrets: tuple[str, ...]
    env_secret: str | None
    service_account: str | None
    protocol: str | None
    artifact_root: str | None
    defaults: Fragment | None
    description_policy: Policy
    accept_registry: bool = False

    @property
    def describing(self) -> str:
        """What a deploy.yaml is to a version: ``required``, ``optional`` or ``ignored``.

        Naming an image for models without one asks for them to be served.
        """
        images = self.default_image or self.image_tag
        return self.deploy_file or ("optional" if images else "required")

    @property
    def syncs(self) -> bool:
        """Whether ``watch`` deletes too: ``--policy sync``, for which ``--prune`` is short."""
        return self.policy == "sync" if self.policy else self.prune

    @property
    def lease(self) -> str:
        """The name of the Lease that replicas with the same scope contend for."""
        scope = [*sorted(self.owners), *sorted(self.models)]
        return self.lease_name or dns_label("-".join(["m2s", *scope]))

    @property
    def inspects(self) -> bool:
        """Whether preflight looks: ``--preflight``, by default against a Kubernetes cluster."""
        return self.folder is None if self.preflight is None else self.preflight

    @property
    def folder(self) -> Path | None:
        """The folder of a ``dir:PATH`` target."""
        return Path(self.target[4:]) if self.target.startswith("dir:") else None

    def owner_of(self, selector: Selector) -> str:
        """The owner label of what ``selector`` deploys."""
        return self.owner or selector.owner

    @property
    def owners(self) -> frozenset[str]:
        """The owners whose objects this run may touch."""
        if self.owner:
            return frozenset({self.owner})
        return frozenset(self.owner_of(selector) for selector in self.selectors)


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
    given = {
        name: _parsed(name, raw, f"--{name}") for name, raw in flags.items() if raw is not None
    }
    layers = (_from_neuro(environ), _from_file(config), _from_environment(environ), given)
    values = {name: option.default for name, option in OPTIONS.items()} | {
        defaults.KEY: None,
        policy.FIELD: Policy(),
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


def _from_file(config: str | None) -> dict[str, Any]:
    found = config_file.read(config)
    if found is None:
        return {}
    path, document = found
    values: dict[str, Any] = {}
    for key, raw in document.value.items():
        where = f"{path}:{document.line(key)}: {key}"
        if key in (defaults.KEY, policy.KEY):
            values |= _nested(path, document, key)
            continue
        if key not in OPTIONS:
            known = [*OPTIONS, defaults.KEY]
            hint = meant(key.replace("_", "-"), known, cutoff=0.5)
            raise UsageError(f"{where}: no such key; {hint}")
        values[key] = _parsed(key, raw, where)
    return values


def _nested(path: Path, document: strictyaml.Document, key: str) -> dict[str, Any]:
    try:
        if key == policy.KEY:
            return policy.read(document.value[key])
        return {key: defaults.fragment(str(path), document)}
    except defaults.Misplaced as error:
        raise UsageError(f"{path}:{document.line(key, *error.path)}: {error}") from error
