"""How the raw value of an option is read, wherever it comes from.

Each parser takes what a flag, a variable or a key of m2s.yaml says, and raises a ValueError that
tells what it wants.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from m2s.base.images import reference
from m2s.base.names import SUBDOMAIN, dns_label
from m2s.domain.budget import MaxDelete
from m2s.domain.stages import canonical_stage


def text(raw: Any) -> str:
    """A text that is not empty."""
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError("wants a text")
    return raw


def flag(raw: Any) -> bool:
    """A truth value, or its word."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    value = raw if isinstance(raw, bool) else words.get(str(raw).lower())
    if value is None:
        raise ValueError(f"wants true or false, not {raw!r}")
    return value


def texts(raw: Any) -> tuple[str, ...]:
    """One text or several, each once."""
    items = raw if isinstance(raw, list | tuple) else [raw]
    return tuple(dict.fromkeys(text(item) for item in items))


def _none_or_like(pattern: str, wants: str) -> Callable[[Any], tuple[str, ...]]:
    """A parser of texts that a pattern matches; none is allowed."""
    like = re.compile(pattern, re.ASCII)

    def parse(raw: Any) -> tuple[str, ...]:
        items = () if raw in ([], (), "") else texts(raw)
        wrong = next((item for item in items if not like.fullmatch(item)), None)
        if wrong is not None:
            raise ValueError(f"{wants}; not {wrong!r}")
        return items

    return parse


shown_names = _none_or_like(
    r"[A-Za-z_*?-][\w.*?-]{0,254}",
    "wants names of environment variables such as LOG_LEVEL, or patterns such as MLSERVER_*",
)
"""Names of environment variables and options, or patterns of them."""

# What m2s finds its own objects by must stay its own, and an object needs its metadata and spec.
pointers = _none_or_like(
    r"/(spec|metadata/(labels|annotations))/(?!m2s\.io~1|app\.kubernetes\.io~1managed-by$).+",
    "wants a JSON pointer below /spec, /metadata/labels or /metadata/annotations, such as "
    "/spec/replicas, and none to m2s's own labels",
)
"""JSON pointers (RFC 6901) that may be left to others."""


def stages(raw: Any) -> tuple[str, ...]:
    """Stages in MLflow's spelling."""
    return tuple(dict.fromkeys(canonical_stage(name) for name in texts(raw)))


def label(what: str) -> Callable[[Any], str]:
    """A parser of a DNS-1123 label; ``what`` it is called."""

    def parse(raw: Any) -> str:
        if dns_label(text(raw)) != raw:
            raise ValueError(f"{raw!r} is no {what} (a-z, 0-9 and '-', at most 63 long)")
        return str(raw)

    return parse


workspace = label("name of a workspace")
"""MLflow's names of workspaces are labels (mlflow/store/workspace/abstract_store.py)."""


def target(raw: Any) -> str:
    """``kubernetes`` or ``dir:PATH``."""
    if raw == "kubernetes" or (isinstance(raw, str) and raw[:4] == "dir:" and raw[4:].strip()):
        return str(raw)
    raise ValueError(f"wants kubernetes or dir:PATH, not {raw!r}")


def uri_map(raw: Any) -> tuple[tuple[str, str], ...]:
    """Prefixes and their replacements, as a mapping or as ``PREFIX=REPLACEMENT``."""
    if isinstance(raw, Mapping):
        return tuple((text(key), text(value)) for key, value in raw.items())
    return tuple(map(_uri_pair, texts(raw)))


def _uri_pair(item: str) -> tuple[str, str]:
    """Split at the "=" behind which a location begins: a prefix may have others in its folders."""
    places = [found.start() for found in re.finditer("=", item)]
    if len(places) > 1:
        places = [at for at in places if re.match(r"=[a-zA-Z][\w+.-]*:", item[at:])]
        if len(places) != 1:
            raise ValueError(
                f"wants PREFIX=REPLACEMENT, and {item!r} can be split in several ways: write it in "
                "m2s.yaml as a mapping, PREFIX: REPLACEMENT"
            )
    left, right = (item[: places[0]], item[places[0] + 1 :]) if places else (item, "")
    if not (left and right):
        raise ValueError(f"wants PREFIX=REPLACEMENT, not {item!r}")
    return left, right


def max_delete(raw: Any) -> MaxDelete:
    """``5``, ``30%``, or both with a comma: the larger counts."""
    budget = MaxDelete(0, 0)
    for part in str(raw).split(","):
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?)\s{0,9}(%?)", part.strip())
        if not match or (match[2] and float(match[1]) > 100) or (not match[2] and "." in match[1]):
            raise ValueError(f"wants a count, a percentage or both (5,30%), not {raw!r}")
        if match[2]:
            budget = MaxDelete(budget.count, float(match[1]))
        else:
            budget = MaxDelete(int(match[1]), budget.percent)
    return budget


_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}


def duration(raw: Any) -> float:
    """Go's durations, as kubectl takes them (``90s``, ``1h30m``); a bare number is seconds."""
    text = str(raw)
    if re.fullmatch(r"\d{1,9}(\.\d{1,18})?", text) and not isinstance(raw, bool):
        return _positive(float(text), raw)
    parts = re.findall(r"(\d{1,9}(?:\.\d{1,18})?)(ms|s|m|h)", text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"wants a duration such as 30s or 10m, not {raw!r}")
    return _positive(sum(float(number) * _UNITS[unit] for number, unit in parts), raw)


_LONGEST = 30 * 365 * 86_400
"""Seconds; the operating system's clocks overflow somewhere beyond."""


def _positive(seconds: float, raw: Any) -> float:
    if seconds <= 0:
        raise ValueError(f"must be longer than 0s, not {raw!r}")
    if seconds > _LONGEST:
        raise ValueError(f"wants a time that ends within 30 years, not {raw!r}")
    return seconds


def count(most: int, what: str = "") -> Callable[[Any], int]:
    """A parser of a whole number from 1 to ``most``; ``what`` is counted."""
    of = f" of {what}" if what else ""

    def parse(raw: Any) -> int:
        digits = re.fullmatch(rf"[1-9]\d{{0,{len(str(most)) - 1}}}", str(raw))
        if not digits or isinstance(raw, bool) or int(raw) > most:
            raise ValueError(f"wants a number{of} from 1 to {most}, not {raw!r}")
        return int(raw)

    return parse


def rate(raw: Any) -> float:
    """Requests a second, 0 for as many as there are."""
    if not re.fullmatch(r"\d{1,6}(\.\d+)?", str(raw)) or isinstance(raw, bool):
        raise ValueError(f"wants a number of requests a second, 0 for no limit, not {raw!r}")
    return float(raw)


def interval(raw: Any) -> float:
    """A duration of at least a second."""
    seconds = duration(raw)
    if seconds < 1:
        raise ValueError(f"wants 1s or more, not {raw!r}")
    return seconds


class OneOf:
    """A parser of one of ``words``."""

    def __init__(self, *words: str) -> None:
        self.words = words

    def __call__(self, raw: Any) -> str:
        """Return ``raw``; ValueError: it is none of the words."""
        if raw not in self.words:
            raise ValueError(f"wants {' or '.join(self.words)}, not {raw!r}")
        return str(raw)


def address(raw: Any) -> tuple[str, int]:
    """``127.0.0.1:8080``, ``[::1]:8080``, or ``:8080`` for every address."""
    match = re.fullmatch(r"(\[[0-9a-fA-F:.]+\]|[^\s:\[\]/]*):(\d{1,5})", str(raw))
    if not match or int(match[2]) > 65535:
        raise ValueError(f"wants ADDRESS:PORT such as 0.0.0.0:8080, not {raw!r}")
    return match[1].strip("[]"), int(match[2])


def image(raw: Any) -> str:
    """An image reference, or Neu.ro's ``image:`` URI of one."""
    # Which registry that URI means is known once all options are.
    reference(text(raw), "registry.example.com/owner")
    return str(raw)


def image_registry(raw: Any) -> str:
    """``HOST/PATH``, to which an image's name is added."""
    reference(f"{text(raw).rstrip('/')}/name")
    return str(raw).rstrip("/")


def object_name(raw: Any) -> str:
    """The name of a Kubernetes object: a DNS-1123 subdomain."""
    if not SUBDOMAIN.fullmatch(text(raw)):
        raise ValueError(f"{raw!r} is no name of a Kubernetes object (a-z, 0-9, '-' and '.')")
    return str(raw)


def object_names(raw: Any) -> tuple[str, ...]:
    """One name or several."""
    return tuple(object_name(item) for item in texts(raw))
