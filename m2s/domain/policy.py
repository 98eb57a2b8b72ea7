"""What the platform team lets a description ask for (law 13)."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase

LEVELS = ("baseline", "restricted", "privileged")
"""Kubernetes' Pod Security Standards."""
MODES = ("enforce", "warn")
LISTS = ("images", "serviceAccounts", "secrets", "annotations", "kinds")


@dataclass(frozen=True, slots=True)
class Policy:
    """The rules for descriptions.

    ``mode`` says whether a violation blocks a row, or is a warning. ``lists`` has the patterns of
    each of ``LISTS`` that is given; one that is not allows everything.
    """

    level: str = LEVELS[0]
    mode: str = MODES[0]
    lists: tuple[tuple[str, tuple[str, ...]], ...] = ()

    def allows(self, kind: str, name: str) -> bool:
        """Whether a name is allowed; in a pattern ``*`` alone stands for other characters."""
        given = next((patterns for listed, patterns in self.lists if listed == kind), ("*",))
        plain = (pattern.replace("[", "[[]").replace("?", "[?]") for pattern in given)
        return any(fnmatchcase(name, pattern) for pattern in plain)
