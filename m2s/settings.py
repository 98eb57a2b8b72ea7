"""One frozen Settings from flags > M2S_* environment > m2s.yaml > defaults.

Every option is a flag (``--max-delete``), a variable (``M2S_MAX_DELETE``) and a key of m2s.yaml
(``max-delete``); its value is read and checked the same way wherever it comes from.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from m2s import strictyaml
from m2s.errors import UsageError
from m2s.model import Selector, dns_label

DEFAULT_CONFIG = "m2s.yaml"
STAGES = ("None", "Staging", "Production", "Archived")
"""MLflow's own, the only ones there are (mlflow.entities.model_registry.model_version_stages)."""


@dataclass(frozen=True, slots=True)
class MaxDelete:
    """A deletion budget: at most ``count`` objects or ``percent`` of what is owned, the larger."""

    count: int
    percent: float

    def allows(self, deletions: int, owned: int) -> bool:
        """Whether ``deletions`` of ``owned`` objects are within the budget."""
        return deletions <= max(self.count, owned * self.percent / 100)

    def __str__(self) -> str:
        """As a person would say it."""
        parts = [str(self.count)] if self.count else []
        parts += [f"{self.percent:g} %"] if self.percent else []
        return " or ".join(parts) or "0"


@dataclass(frozen=True)
class Settings:
    """Everything a command works by; see ``OPTIONS`` for each option's meaning."""

    selectors: tuple[Selector, ...]
    owner: str | None
    models: tuple[str, ...]
    namespace: str | None
    tracking_uri: str | None
    kubeconfig: str | None
    context: str | None
    target: str
    uri_map: tuple[tuple[str, str], ...]
    on_conflict: str
    adopt: bool
    force_conflicts: bool
    ignore: tuple[str, ...]
    max_delete: MaxDelete
    request_timeout: float
    concurrency: int
    prune: bool
    wait: bool
    timeout: float

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


def _text(raw: Any) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError("wants a text")
    return raw


def _flag(raw: Any) -> bool:
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    value = raw if isinstance(raw, bool) else words.get(str(raw).lower())
    if value is None:
        raise ValueError(f"wants true or false, not {raw!r}")
    return value


def _texts(raw: Any) -> tuple[str, ...]:
    items = raw if isinstance(raw, list | tuple) else [raw]
    return tuple(dict.fromkeys(_text(item) for item in items))


def _stages(raw: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(canonical_stage(name) for name in _texts(raw)))


def canonical_stage(name: str) -> str:
    """Return MLflow's spelling of a stage; a ValueError lists those that exist."""
    for stage in STAGES:
        if stage.lower() == name.lower():
            return stage
    near = difflib.get_close_matches(name.capitalize(), STAGES, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise ValueError(f"there is no stage {name!r}: MLflow has {', '.join(STAGES)}{hint}")


def _owner(raw: Any) -> str:
    if dns_label(_text(raw)) != raw:
        raise ValueError(f"{raw!r} is no label value of a-z, 0-9 and '-', at most 63 long")
    return str(raw)


def _namespace(raw: Any) -> str:
    if dns_label(_text(raw)) != raw:
        raise ValueError(f"{raw!r} is no namespace name (a-z, 0-9 and '-', at most 63 long)")
    return str(raw)


def _target(raw: Any) -> str:
    if raw == "kubernetes" or (isinstance(raw, str) and raw[:4] == "dir:" and raw[4:].strip()):
        return str(raw)
    raise ValueError(f"wants kubernetes or dir:PATH, not {raw!r}")


def _uri_map(raw: Any) -> tuple[tuple[str, str], ...]:
    if isinstance(raw, Mapping):
        pairs = [(_text(key), _text(value)) for key, value in raw.items()]
    else:
        pairs = [_uri_pair(item) for item in _texts(raw)]
    return tuple(pairs)


def _uri_pair(item: str) -> tuple[str, str]:
    left, equals, right = item.partition("=")
    if not (left and equals and right):
        raise ValueError(f"wants PREFIX=REPLACEMENT, not {item!r}")
    return left, right


def _on_conflict(raw: Any) -> str:
    if raw not in ("highest", "block"):
        raise ValueError(f"wants highest or block, not {raw!r}")
    return str(raw)


def _pointers(raw: Any) -> tuple[str, ...]:
    if raw in ([], (), ""):
        return ()
    for pointer in _texts(raw):
        if not pointer.startswith("/"):
            raise ValueError(f"wants a JSON pointer such as /spec/replicas, not {pointer!r}")
    return _texts(raw)


def _max_delete(raw: Any) -> MaxDelete:
    """``5``, ``30%``, or both with a comma: the larger counts."""
    budget = MaxDelete(0, 0)
    for part in str(raw).split(","):
        match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", part)
        if not match or (match[2] and float(match[1]) > 100) or (not match[2] and "." in match[1]):
            raise ValueError(f"wants a count, a percentage or both (5,30%), not {raw!r}")
        if match[2]:
            budget = MaxDelete(budget.count, float(match[1]))
        else:
            budget = MaxDelete(int(match[1]), budget.percent)
    return budget


_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def _duration(raw: Any) -> float:
    """Go's durations, as kubectl takes them (``90s``, ``1h30m``); a bare number is seconds."""
    text = str(raw)
    if re.fullmatch(r"\d+(\.\d+)?", text) and not isinstance(raw, bool):
        return _positive(float(text), raw)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"wants a duration such as 30s or 10m, not {raw!r}")
    return _positive(sum(float(number) * _UNITS[unit] for number, unit in parts), raw)


def _positive(seconds: float, raw: Any) -> float:
    if seconds <= 0:
        raise ValueError(f"wants more than no time, not {raw!r}")
    return seconds


def _workers(raw: Any) -> int:
    if not re.fullmatch(r"[1-9]\d?", str(raw)) or isinstance(raw, bool):
        raise ValueError(f"wants a number from 1 to 99, not {raw!r}")
    return int(raw)


@dataclass(frozen=True, slots=True)
class Option:
    """One setting: how a raw value is read, and what it is when nobody says.

    A ``many`` option is repeated as a flag, a list in m2s.yaml, and separated by commas or line
    ends in its variable.
    """

    parse: Callable[[Any], Any]
    default: Any = None
    many: bool = False


OPTIONS: Mapping[str, Option] = {
    "stage": Option(_stages, (), many=True),
    "alias": Option(_texts, (), many=True),
    "model": Option(_texts, (), many=True),
    "owner": Option(_owner),
    "namespace": Option(_namespace),
    "tracking-uri": Option(_text),
    "kubeconfig": Option(_text),
    "context": Option(_text),
    "target": Option(_target, "kubernetes"),
    "model-uri-map": Option(_uri_map, (), many=True),
    "on-conflict": Option(_on_conflict, "highest"),
    "adopt": Option(_flag, False),
    "force-conflicts": Option(_flag, True),
    "ignore": Option(_pointers, ("/spec/replicas",), many=True),
    "max-delete": Option(_max_delete, MaxDelete(5, 30)),
    "request-timeout": Option(_duration, 30.0),
    "concurrency": Option(_workers, 8),
    "prune": Option(_flag, False),
    "wait": Option(_flag, False),
    "timeout": Option(_duration, 600.0),
}

_RENAMED = {"model": "models", "model-uri-map": "uri_map"}


def variable(name: str) -> str:
    """Return the environment variable of an option: ``M2S_MAX_DELETE``."""
    return "M2S_" + name.upper().replace("-", "_")


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
    layers = (_read_config(config), _from_environment(environ), given)
    values = {name: option.default for name, option in OPTIONS.items()}
    for layer in layers:
        if "stage" in layer or "alias" in layer:
            # A selector of a higher layer replaces a lower one's, whichever kind either is.
            values |= {"stage": (), "alias": ()}
        values |= layer
    selectors = [Selector("stage", name) for name in values.pop("stage")]
    selectors += [Selector("alias", name) for name in values.pop("alias")]
    fields = {_RENAMED.get(name, name.replace("-", "_")): v for name, v in values.items()}
    return Settings(selectors=tuple(selectors), **fields)


def _from_environment(environ: Mapping[str, str]) -> dict[str, Any]:
    values = {}
    for name, option in OPTIONS.items():
        raw = environ.get(variable(name), "")
        if raw.strip():
            items = [item.strip() for item in re.split(r"[,\n]", raw) if item.strip()]
            values[name] = _parsed(name, items if option.many else raw, variable(name))
    return values


def _parsed(name: str, raw: Any, where: str) -> Any:
    try:
        return OPTIONS[name].parse(raw)
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error


def _read_config(config: str | None) -> dict[str, Any]:
    path = Path(config or DEFAULT_CONFIG)
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        if config is None:
            return {}
        raise UsageError(f"--config: {path}: no such file") from error
    except OSError as error:
        raise UsageError(f"--config: {path}: {error.strerror}") from error
    try:
        documents = strictyaml.load_all(content)
    except strictyaml.YamlError as error:
        raise UsageError(f"{path}:{error.line}: {error.problem}") from error
    if len(documents) > 1:
        line = documents[1].line()
        raise UsageError(f"{path}:{line}: a second document; m2s.yaml is one mapping")
    return _config_values(path, documents[0]) if documents else {}


def _config_values(path: Path, document: strictyaml.Document) -> dict[str, Any]:
    if not isinstance(document.value, dict):
        raise UsageError(f"{path}:{document.line()}: wants a mapping such as 'stage: Staging'")
    values = {}
    for key, raw in document.value.items():
        where = f"{path}:{document.line(key)}: {key}"
        if key not in OPTIONS:
            near = difflib.get_close_matches(key.replace("_", "-"), OPTIONS, n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else f"; there are {', '.join(OPTIONS)}"
            raise UsageError(f"{where}: no such key{hint}")
        values[key] = _parsed(key, raw, where)
    return values
