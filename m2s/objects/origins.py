"""Which layer a field of an object comes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Source:
    """Which layer of a description gave a field, and in which line of its file, if it is one.

    ``described``: a data scientist wrote it, so that the policy binds it.
    """

    layer: str
    line: int | None = None
    described: bool = field(default=False, compare=False)

    def __str__(self) -> str:
        """``deploy.yaml of run 3f2a:12``."""
        return self.layer if self.line is None else f"{self.layer}:{self.line}"


Sources = Mapping[tuple[str | int, ...], Source]
"""By the path of a field, as a FieldChange has it."""


def _unknown() -> Sources:
    return {}
