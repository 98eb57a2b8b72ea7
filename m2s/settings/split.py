"""How traffic is split between the versions that several aliases of a model point at."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Share:
    """What one alias's version gets: percent of the traffic, or None for a copy of all of it."""

    alias: str
    traffic: int | None

    @property
    def shadow(self) -> bool:
        """Whether it is sent a copy of the requests, and its answers are dropped."""
        return self.traffic is None

    def __str__(self) -> str:
        """As on the command line: ``champion=90``."""
        return f"{self.alias}={'shadow' if self.shadow else self.traffic}"


Split = tuple[Share, ...]
"""The first is the main one: it decides whether a model is served."""


def parse(raw: Any) -> Split:
    """Read ``champion=90,challenger=10``, or a mapping of the same; a ValueError tells of faults.

    Seldon Core's own rules, checked before anything is asked of it: the traffic sums to 100, one
    shadow at most, and never alone (seldon-core, operator/apis, ``checkTraffic``).
    """
    shares = tuple(_share(alias, share) for alias, share in _pairs(raw))
    aliases = [share.alias for share in shares]
    twice = next((alias for alias in aliases if aliases.count(alias) > 1), None)
    if twice:
        raise ValueError(f"the alias {twice} is given twice")
    if shares[0].shadow:
        raise ValueError(f"{shares[0]}: the first alias is the main one; it cannot be the shadow")
    if sum(share.shadow for share in shares) > 1:
        raise ValueError(f"{text(shares)}: more than one shadow; Seldon Core allows one")
    total = sum(share.traffic or 0 for share in shares)
    if total != 100:
        raise ValueError(f"{text(shares)} sums to {total}; the traffic must sum to 100")
    return shares


def text(shares: Iterable[Share]) -> str:
    """Return a split as on the command line."""
    return ",".join(map(str, shares))


def _pairs(raw: Any) -> list[tuple[str, Any]]:
    if isinstance(raw, Mapping) and raw:
        return [(str(alias), share) for alias, share in raw.items()]
    if not isinstance(raw, str) or not raw.strip():
        raise ValueError(f"wants ALIAS=PERCENT,ALIAS=PERCENT or ALIAS=shadow, not {raw!r}")
    pairs = [item.strip().partition("=") for item in raw.split(",")]
    return [(alias.strip(), share.strip()) for alias, _, share in pairs]


def _share(alias: str, share: Any) -> Share:
    if not alias or "=" in alias:
        raise ValueError(f"wants ALIAS=PERCENT, not {alias}={share}")
    if share == "shadow":
        return Share(alias, None)
    percent = re.fullmatch(r"\d{1,3}", str(share))
    if not percent or isinstance(share, bool) or int(percent[0]) > 100:
        raise ValueError(f"{alias} wants a percentage from 0 to 100, or shadow, not {share!r}")
    return Share(alias, int(percent[0]))
