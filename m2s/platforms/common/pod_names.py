"""Pure: names in a Pod's spec that no cluster takes; schemas of custom resources take any text."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from m2s.base.names import dns_label
from m2s.platforms.common.pods import mappings

_OF_LABELS = "names have a-z, 0-9 and '-', and 63 characters at most"
_OF_PORTS = "a port's name has a-z, 0-9 and '-', a letter at least, and 15 characters at most"
_PORT = re.compile(r"(?=.*[a-z])(?!-)[a-z0-9-]{1,15}(?<!-)")


def warnings(pod: Mapping[str, Any], told: Collection[Any] = ()) -> Iterator[str]:
    """Yield a warning for each bad name in a Pod's spec; those in ``told`` have had theirs."""
    containers = mappings(pod, "containers.*")
    names = [one.get("name") for one in (*containers, *mappings(pod, "initContainers.*"))]
    yield from unfit("container", (name for name in names if name not in told))
    yield from unfit("volume", (one.get("name") for one in mappings(pod, "volumes.*")))
    for name in names:
        if isinstance(name, str) and names.count(name) > 1:
            yield f"two containers of one pod are named {name!r}: no cluster takes that"
    for port in mappings(containers, "*.ports.*"):
        name = port.get("name")
        if isinstance(name, str) and not _PORT.fullmatch(name):
            yield f"port {name!r}: no cluster takes this name ({_OF_PORTS})"


def unfit(kind: str, names: Iterable[Any]) -> Iterator[str]:
    """Yield a warning for each text that is no DNS label, as containers and Services need one."""
    for name in names:
        if isinstance(name, str) and dns_label(name) != name:
            yield f"{kind} {name!r}: no cluster takes this name ({_OF_LABELS})"
