"""Which layer a field of an object comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """Which layer of a description gave a field, and in which line of its file, if it is one."""

    layer: str
    line: int | None = None

    def __str__(self) -> str:
        """``deploy.yaml of run 3f2a:12``."""
        return self.layer if self.line is None else f"{self.layer}:{self.line}"


Sources = Mapping[tuple[str | int, ...], Source]
"""By the path of a field, as a FieldChange has it."""


def _unknown() -> Sources:
    return {}
